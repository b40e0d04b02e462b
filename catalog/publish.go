// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/store"
)

// maxMessage bounds a deprecation message.
const maxMessage = 1000

// maxAttempts bounds how often a change is tried again because somebody else
// changed the same document; each lost attempt is another's success.
const maxAttempts = 20

// ImmutableError says that a version is published already with other content.
type ImmutableError struct {
	Name, Version    string
	Published, Other string // digests
}

func (e *ImmutableError) Error() string {
	return fmt.Sprintf("%s@%s is published already with other content (published %s, yours %s); a published version never changes: publish a new version",
		e.Name, e.Version, e.Published, e.Other)
}

// ErrDeprecation is wrapped by errors about a deprecation message.
var ErrDeprecation = errors.New("bad deprecation message")

// Publish adds a version with its files. Publishing the same content again
// changes nothing and returns what is there, with created false. Other content
// under the same version is *ImmutableError; a definition that is not valid, or
// whose files are not in the bundle, is manifest.Problems. Nothing is published
// unless everything is.
func (s *Service) Publish(ctx context.Context, principal store.Principal, d Definition, b bundle.Bundle) (p Published, created bool, err error) {
	d = d.Normalize()
	if err := Validate(d); err != nil {
		return Published{}, false, err
	}
	if err := checkFiles(d, b); err != nil {
		return Published{}, false, err
	}
	digest, err := Digest(d, b.Digest())
	if err != nil {
		return Published{}, false, err
	}
	p = Published{Definition: d, Digest: digest, BundleDigest: b.Digest(), PublishedAt: now(), PublishedBy: string(principal)}
	there, found, err := s.compare(ctx, p)
	if err != nil {
		return Published{}, false, err
	}
	// The files first: they are content-addressed, so that being there without
	// a version harms nobody, while a version without its files would. Files
	// that the blob store has lost come back this way too.
	if err := s.putBundle(ctx, b); err != nil {
		return Published{}, false, err
	}
	if found {
		return there, false, nil
	}
	batch, err := publication(principal, p)
	if err != nil {
		return Published{}, false, err
	}
	_, err = s.store.Write(ctx, batch)
	if errors.Is(err, store.ErrConflict) {
		if there, found, err := s.compare(ctx, p); found || err != nil {
			return there, false, err
		}
	}
	if err != nil {
		return Published{}, false, fmt.Errorf("publish %s: %w", d.Ref(), err)
	}
	return p, true, nil
}

// compare looks whether the version is published, and whether with this
// content.
func (s *Service) compare(ctx context.Context, p Published) (there Published, found bool, err error) {
	m := p.Definition.Metadata
	there, _, err = s.read(ctx, versionKey(m.Name, m.Version))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Published{}, false, nil
	case err != nil:
		return Published{}, false, err
	case there.Digest != p.Digest:
		return Published{}, true, &ImmutableError{Name: m.Name, Version: m.Version, Published: there.Digest, Other: p.Digest}
	default:
		return there, true, nil
	}
}

func (s *Service) putBundle(ctx context.Context, b bundle.Bundle) error {
	if b.Empty() {
		return nil
	}
	archive, err := b.Archive()
	if err != nil {
		return err
	}
	if err := s.blobs.Put(ctx, bundleBlob(b.Digest()), bytes.NewReader(archive)); err != nil {
		return fmt.Errorf("store bundle %s: %w", b.Digest(), err)
	}
	return nil
}

func publication(principal store.Principal, p Published) (store.Batch, error) {
	m := p.Definition.Metadata
	version, errVersion := json.Marshal(p)
	leads, errLeads := json.Marshal(pointer{Name: m.Name, Version: m.Version})
	event, errEvent := json.Marshal(eventData{Type: EventPublished, Name: m.Name, Version: m.Version, Digest: p.Digest})
	if err := errors.Join(errVersion, errLeads, errEvent); err != nil {
		return store.Batch{}, fmt.Errorf("publish %s: %w", p.Definition.Ref(), err)
	}
	empty := json.RawMessage(`{}`)
	ops := []store.Op{
		store.Create(versionKey(m.Name, m.Version), version),
		store.Put(nameKey(m.Name), empty),
		store.Put(digestKey(p.Digest), leads),
		store.Append(EventStream, event),
	}
	if p.BundleDigest != "" {
		ops = append(ops, store.Put(bundleKey(p.BundleDigest), empty))
	}
	return store.Batch{Principal: principal, Ops: ops}, nil
}

// checkFiles holds that the bundle is exactly what the definition names: no
// module without files, no file that nothing uses.
func checkFiles(d Definition, b bundle.Bundle) error {
	var problems manifest.Problems
	var modules []string
	for _, engine := range slices.Sorted(maps.Keys(d.Spec.Implementations)) {
		at := manifest.Member("spec.implementations", engine)
		for _, module := range d.Spec.Implementations[engine].Modules() {
			modules = append(modules, module)
			if b.HasDir(module) {
				continue
			}
			field := at + ".module"
			if module != d.Spec.Implementations[engine].Module {
				field = at + ".snapshot.module"
			}
			problems = append(problems, manifest.Problem{
				Field:   field,
				Message: fmt.Sprintf("the files of module %s were not sent with the definition", quote(module)),
				Hint:    "publish with \"nestor catalog push\" from the definition's directory",
			})
		}
	}
	for _, f := range b.Files() {
		if !slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(f.Path, m+"/") }) {
			problems = append(problems, manifest.Problem{
				Field: "spec.implementations", Message: fmt.Sprintf("file %s belongs to no module", quote(f.Path)), Hint: "send the modules' files alone",
			})
		}
	}
	return problems.OrNil()
}

// Deprecate marks a version with a message that says what to use instead. It
// stays usable. The same message again changes nothing; another one replaces
// it.
func (s *Service) Deprecate(ctx context.Context, principal store.Principal, name, version, message string) (Published, error) {
	message = strings.TrimSpace(message)
	if message == "" || len(message) > maxMessage {
		return Published{}, fmt.Errorf("%w: say in 1 to %d bytes what to use instead of %s@%s", ErrDeprecation, maxMessage, name, version)
	}
	for range maxAttempts {
		p, err := s.Get(ctx, name, version)
		if err != nil {
			return Published{}, err
		}
		if p, err = s.deprecate(ctx, principal, p, message); !errors.Is(err, store.ErrConflict) {
			return p, err
		}
	}
	return Published{}, fmt.Errorf("deprecate %s@%s: %w, %d times in a row; try again", name, version, store.ErrConflict, maxAttempts)
}

// withDeprecation changes one member of a version's document and nothing else:
// the rest is what the digest is of, and a newer program may have written more
// there than this one knows.
func (s *Service) withDeprecation(ctx context.Context, key store.Key, message string) (json.RawMessage, error) {
	document, err := s.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := document.Decode(&members); err != nil {
		return nil, err
	}
	if members["deprecated"], err = json.Marshal(message); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

func (s *Service) deprecate(ctx context.Context, principal store.Principal, p Published, message string) (Published, error) {
	m := p.Definition.Metadata
	p, revision, err := s.read(ctx, versionKey(m.Name, m.Version))
	if err != nil || p.Deprecated == message {
		return p, err
	}
	p.Deprecated = message
	version, errVersion := s.withDeprecation(ctx, versionKey(m.Name, m.Version), message)
	event, errEvent := json.Marshal(eventData{Type: EventDeprecated, Name: m.Name, Version: m.Version, Digest: p.Digest, Message: message})
	if err := errors.Join(errVersion, errEvent); err != nil {
		return Published{}, fmt.Errorf("deprecate %s: %w", p.Definition.Ref(), err)
	}
	_, err = s.store.Write(ctx, store.Batch{Principal: principal, Ops: []store.Op{
		store.Replace(versionKey(m.Name, m.Version), revision, version),
		store.Append(EventStream, event),
	}})
	if err != nil {
		return Published{}, fmt.Errorf("deprecate %s: %w", p.Definition.Ref(), err)
	}
	return p, nil
}

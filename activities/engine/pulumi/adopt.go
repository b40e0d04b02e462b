// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/HatiCode/nestor/activities/engine"
)

// adopt makes an exported stack the node's: its secrets under the node's
// passphrase, its resources under the node's stack and project and, where Moves
// says so, under the names of the definition's program.
func (n *node) adopt(ctx context.Context, source engine.Source) (engine.Observation, error) {
	taken, err := n.taken(ctx, source)
	if err != nil {
		return engine.Observation{}, err
	}
	d, err := n.readState(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	if d.occupied() {
		if !sameResources(d, taken) {
			return engine.Observation{}, &engine.Error{
				Class: engine.Rejected, Engine: Name,
				Message: fmt.Sprintf("the node has a state already, stack %s, which holds %s; nothing was adopted",
					n.stack.ref(), strings.Join(d.addresses(), ", ")),
			}
		}
		return n.observed(ctx, d)
	}
	s, err := n.salt(ctx, d)
	if err != nil {
		return engine.Observation{}, err
	}
	if err := n.ready(ctx); err != nil {
		return engine.Observation{}, err
	}
	if err := n.configure(ctx, s, n.settings); err != nil {
		return engine.Observation{}, err
	}
	if !d.exists {
		if err := n.create(ctx, n.backend.url); err != nil {
			return engine.Observation{}, err
		}
	}
	if err := n.importState(ctx, taken.version, taken.raw, s); err != nil {
		return engine.Observation{}, err
	}
	return n.observe(ctx)
}

// taken is the source as the node's deployment, its secrets in clear.
func (n *node) taken(ctx context.Context, source engine.Source) (deployment, error) {
	if len(source.State) == 0 || source.Ref != "" {
		return deployment{}, invalid("what is adopted is an exported stack (\"pulumi stack export --show-secrets\") and nothing else")
	}
	var exported struct {
		Version    int             `json:"version"`
		Deployment json.RawMessage `json:"deployment"`
	}
	if err := decode(source.State, &exported); err != nil {
		return deployment{}, invalid("what is adopted is no exported stack: it is no JSON")
	}
	d, err := parseDeployment(exported.Version, exported.Deployment)
	if err != nil {
		return d, invalid("what is adopted %v; export it with \"pulumi stack export\"", err)
	}
	root, found := d.root()
	if !found || len(d.raw) == 0 {
		return d, invalid("what is adopted is no exported stack with resources in it")
	}
	if pending := d.uncertain(); len(pending) > 0 {
		return d, invalid("the stack has creations that were cut off (%s); settle them with \"pulumi refresh\" before it is adopted",
			strings.Join(pending, ", "))
	}
	var key config.Decrypter
	if d.Secrets.Type == passphraseProvider {
		key, err = n.engine.vault.key(ctx, n.passphrase, d.Secrets.State.Salt)
	}
	open, uncoverErr := uncover(ctx, key, d.raw)
	if uncoverErr != nil {
		return d, invalid("%v; export the stack with --show-secrets, or give its passphrase (%s) in the environment's credentials",
			errors.Join(uncoverErr, err), passphraseVariable)
	}
	raw, _ := open.(map[string]any)
	delete(raw, "secrets_providers")
	delete(raw, "pending_operations")
	return n.renamed(d.version, raw, root, source.Moves)
}

// renamed puts every URN under the node's stack and project, and applies moves.
func (n *node) renamed(version int, raw map[string]any, root resource, moves map[string]string) (deployment, error) {
	parts := strings.SplitN(root.URN, "::", 4)
	if len(parts) != 4 {
		return deployment{}, invalid("what is adopted has %q for a name of its stack", root.URN)
	}
	from := parts[0] + "::" + parts[1] + "::"
	urns := map[string]string{root.URN: n.stack.prefix() + stackType + "::" + n.stack.project + "-" + n.stack.name}
	unused := maps.Clone(moves)
	resources, _ := raw["resources"].([]any)
	for _, entry := range resources {
		r, _ := entry.(map[string]any)
		urn, _ := r["urn"].(string)
		to, moved := moves[addressOf(urn)]
		if !moved {
			continue
		}
		delete(unused, addressOf(urn))
		kind, name, ok := strings.Cut(to, "::")
		if !ok || kind != typeOf(urn) {
			return deployment{}, invalid("%q cannot become %q: only a resource's name can change, not its type", addressOf(urn), to)
		}
		parts := strings.SplitN(urn, "::", 4)
		urns[urn] = n.stack.prefix() + parts[2] + "::" + name
	}
	if len(unused) > 0 {
		return deployment{}, invalid("the stack that is adopted has no %s", strings.Join(slices.Sorted(maps.Keys(unused)), ", "))
	}
	changed, err := rewrite(raw, from, n.stack.prefix(), urns)
	if err != nil {
		return deployment{}, invalid("what is adopted: %v", err)
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return deployment{}, failed("rename the stack", err)
	}
	d, err := parseDeployment(version, text)
	if err != nil {
		return d, invalid("what is adopted %v", err)
	}
	return d, nil
}

// rewrite replaces URNs wherever they are: as they are, as keys, and before the
// "::<id>" of a provider reference.
func rewrite(value any, from, to string, urns map[string]string) (any, error) {
	text := func(s string) string {
		if !strings.HasPrefix(s, from) {
			return s
		}
		if renamed, ok := urns[s]; ok {
			return renamed
		}
		if at := strings.LastIndex(s, "::"); at > 0 {
			if renamed, ok := urns[s[:at]]; ok {
				return renamed + s[at:]
			}
		}
		return to + strings.TrimPrefix(s, from)
	}
	var walk func(any) (any, error)
	walk = func(v any) (any, error) {
		switch v := v.(type) {
		case string:
			return text(v), nil
		case map[string]any:
			if _, secret := isSecret(v); secret {
				return v, nil
			}
			out := make(map[string]any, len(v))
			for key, e := range v {
				inner, err := walk(e)
				if err != nil {
					return nil, err
				}
				out[text(key)] = inner
			}
			return out, nil
		default:
			return each(v, walk)
		}
	}
	return walk(value)
}

// addresses of all resources with an ID, as "<address> <id>".
func (d deployment) identifiers() []string {
	var out []string
	for _, r := range d.Resources {
		if r.Custom && !own(r.Type) {
			out = append(out, r.URN+" "+r.ID)
		}
	}
	slices.Sort(out)
	return out
}

func (d deployment) addresses() []string {
	return slices.Concat(d.held(), d.uncertain())
}

// sameResources says whether two deployments hold the same resources in the
// world: then an adoption has been done already.
func sameResources(a, b deployment) bool { return slices.Equal(a.identifiers(), b.identifiers()) }

// forget removes the stack and leaves everything in the world as it is.
func (n *node) forget(ctx context.Context) error {
	d, err := n.readState(ctx)
	if err != nil || !d.exists {
		return err
	}
	return n.remove(ctx)
}

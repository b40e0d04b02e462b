// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
)

// Source is a state that is handed in to be adopted. It holds secrets: it is
// sealed before it is stored, and deleted when its deployment is over.
type Source struct {
	// State is JSON: a Terraform state or an exported Pulumi stack.
	State json.RawMessage `json:"state"`
	// Moves map an address in State to the one in the definition.
	Moves map[string]string `json:"moves,omitempty"`
}

// maxSource bounds a sealed source: base64 of a state, its moves and the seal.
const maxSource = 2 * orchestrator.MaxAdoptedState

// PutSource keeps what a request hands in, until the deployment that the request
// becomes is over. One that is there already for the same request stays, and
// created is false; another one in its place is refused.
func (r *Registry) PutSource(ctx context.Context, s orchestrator.Scope, request string, source Source) (created bool, err error) {
	if len(source.State) > orchestrator.MaxAdoptedState {
		return false, &orchestrator.Refusal{Reason: fmt.Sprintf(
			"the state takes %d bytes, more than the %d that can be adopted", len(source.State), orchestrator.MaxAdoptedState)}
	}
	plain, err := json.Marshal(source)
	if err != nil {
		return false, fmt.Errorf("encode what is to be adopted in %s: %w", s, err)
	}
	key := sourceKey(s, request)
	there, _, err := r.openSource(ctx, key)
	switch {
	case err == nil && bytes.Equal(there, plain):
		return false, nil
	case err == nil:
		return false, &orchestrator.Refusal{
			Reason: fmt.Sprintf("the request id %q was used for the adoption of another state", request),
			Hint:   "send another Idempotency-Key",
		}
	case !errors.Is(err, store.ErrNotFound):
		return false, err
	}
	sealed, err := r.sealer.Seal(ctx, plain, key)
	if err != nil {
		return false, fmt.Errorf("encrypt what is to be adopted in %s: %w", s, err)
	}
	if err := blob.PutBytes(ctx, r.blobs, key, []byte(sealed)); err != nil {
		return false, fmt.Errorf("store what is to be adopted in %s: %w", s, err)
	}
	return true, nil
}

// bindSource is the adoption that a request asks for, with the digest of the
// state that was handed in for it.
func (r *Registry) bindSource(ctx context.Context, req contract.DeployRequest) (*orchestrator.Adoption, error) {
	a := *req.Adoption
	a.Source = ""
	if !a.State {
		return &a, nil
	}
	_, digest, err := r.openSource(ctx, sourceKey(req.Scope, req.RequestID))
	if errors.Is(err, store.ErrNotFound) {
		err = &orchestrator.Refusal{Reason: "the state to adopt is gone", Hint: "adopt it again"}
	}
	a.Source = digest
	return &a, err
}

// RevealSource decrypts what a deployment adopts, and refuses what is not the
// one that it was accepted, and approved, with. It is for activities, which hand
// it to an engine, and for nothing else.
func (r *Registry) RevealSource(ctx context.Context, d orchestrator.Deployment) (Source, error) {
	var source Source
	plain, digest, err := r.openSource(ctx, sourceKey(d.Scope, d.RequestID))
	if err != nil {
		return source, fmt.Errorf("what deployment %s adopts: %w", d.ID, err)
	}
	if d.Adoption == nil || digest != d.Adoption.Source {
		return source, &orchestrator.Refusal{
			Reason: fmt.Sprintf("the state that was handed in is not the one that deployment %s was accepted with", d.ID),
			Hint:   "adopt it again",
		}
	}
	if err := json.Unmarshal(plain, &source); err != nil {
		// The error of a decoder may quote what it read.
		return Source{}, fmt.Errorf("what deployment %s adopts cannot be decoded", d.ID)
	}
	return source, nil
}

// openSource decrypts a source; the digest is that of its ciphertext.
func (r *Registry) openSource(ctx context.Context, key string) (plain []byte, digest string, err error) {
	sealed, err := blob.GetBytes(ctx, r.blobs, key, maxSource)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, "", store.Missing("state to adopt")
	}
	if err != nil {
		return nil, "", fmt.Errorf("state to adopt: %w", err)
	}
	plain, err = r.sealer.Open(ctx, string(sealed), key)
	if err != nil {
		return nil, "", fmt.Errorf("decrypt the state to adopt: %w", err)
	}
	sum := sha256.Sum256(sealed)
	return plain, "sha256:" + hex.EncodeToString(sum[:]), nil
}

// DropSource deletes what a request has handed in; deleting it again is no
// error.
func (r *Registry) DropSource(ctx context.Context, s orchestrator.Scope, request string) error {
	if err := r.blobs.Delete(ctx, sourceKey(s, request)); err != nil {
		return fmt.Errorf("delete what was to be adopted in %s: %w", s, err)
	}
	return nil
}

// PruneSources deletes what was handed in before the given time and belongs to
// no deployment that is under way: its request was never accepted. It says how
// many it deleted.
func (r *Registry) PruneSources(ctx context.Context, before time.Time) (int, error) {
	pruned := 0
	for info, err := range r.blobs.List(ctx, sourcePrefix) {
		if err != nil {
			return pruned, fmt.Errorf("list states to adopt: %w", err)
		}
		parts := strings.Split(strings.TrimPrefix(info.Key, sourcePrefix), "/")
		if !info.Modified.Before(before) || len(parts) != 4 {
			continue
		}
		needed, err := r.sourceNeeded(ctx, orchestrator.Scope{Team: parts[0], Application: parts[1], Environment: parts[2]}, info.Key)
		if err != nil {
			return pruned, err
		}
		if needed {
			continue
		}
		if err := r.blobs.Delete(ctx, info.Key); err != nil {
			return pruned, fmt.Errorf("delete a state that nobody adopts: %w", err)
		}
		pruned++
	}
	return pruned, nil
}

func (r *Registry) sourceNeeded(ctx context.Context, s orchestrator.Scope, key string) (bool, error) {
	open, err := r.OpenDeployments(ctx, s.Team, s.Application, s.Environment)
	if err != nil {
		return false, err
	}
	for _, d := range open {
		if d.Adoption != nil && sourceKey(d.Scope, d.RequestID) == key {
			return true, nil
		}
	}
	return false, nil
}

const sourcePrefix = "adoptions/"

// sourceKey names a source by its request, whose id may be any text.
func sourceKey(s orchestrator.Scope, request string) string {
	digest := sha256.Sum256([]byte(request))
	return sourcePrefix + s.String() + "/" + hex.EncodeToString(digest[:16])
}

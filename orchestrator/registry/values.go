// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

// The documents of values beside a head. Intended are the inputs of an apply
// that has not succeeded (yet).
const (
	inputsDocument   = "inputs"
	outputsDocument  = "outputs"
	intendedDocument = "intended"
)

// OutputValue is a named input or output of a node. Masked readers get a nil
// Value for sensitive ones.
type OutputValue struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Value     any    `json:"value"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// storedValue is how a value lies in the store: sensitive ones sealed.
type storedValue struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Value     any    `json:"value,omitempty"`
	Sealed    string `json:"sealed,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

func (r *Registry) putValues(
	ctx context.Context, b *batch, s orchestrator.Scope, node, which string, values []OutputValue,
) error {
	key := valuesKey(s, node, which)
	stored := make([]storedValue, 0, len(values))
	for _, v := range values {
		sv := storedValue{Name: v.Name, Type: v.Type, Sensitive: v.Sensitive}
		if !v.Sensitive {
			sv.Value = v.Value
			stored = append(stored, sv)
			continue
		}
		plain, err := json.Marshal(v.Value)
		if err != nil {
			return fmt.Errorf("encode %s of %s: %w", v.Name, node, err)
		}
		if sv.Sealed, err = r.sealer.Seal(ctx, plain, key.String()+"/"+v.Name); err != nil {
			return fmt.Errorf("encrypt %s of %s: %w", v.Name, node, err)
		}
		stored = append(stored, sv)
	}
	b.put(key, stored)
	return nil
}

// Outputs of a node as they may be shown: sensitive values are nil.
func (r *Registry) Outputs(ctx context.Context, head orchestrator.NodeHead) ([]OutputValue, error) {
	return r.values(ctx, head, outputsDocument, false)
}

// Inputs of a node as they may be shown: sensitive values are nil.
func (r *Registry) Inputs(ctx context.Context, head orchestrator.NodeHead) ([]OutputValue, error) {
	return r.values(ctx, head, inputsDocument, false)
}

// RevealOutputs decrypts sensitive outputs. It is for activities, which hand
// them to an engine, and for nothing else.
func (r *Registry) RevealOutputs(ctx context.Context, head orchestrator.NodeHead) ([]OutputValue, error) {
	return r.values(ctx, head, outputsDocument, true)
}

// RevealInputs returns the inputs with which a node was last applied by a
// graph, decrypted, for activities only: those that succeeded, or those that an
// engine was asked for and that did not. Of a node that was forgotten they are
// good for a look at where it was.
func (r *Registry) RevealInputs(ctx context.Context, head orchestrator.NodeHead, graph string) ([]OutputValue, error) {
	if head.Forgotten {
		values, err := r.values(ctx, head, inputsDocument, true)
		if err != nil || len(values) > 0 {
			return values, err
		}
		return r.values(ctx, head, intendedDocument, true)
	}
	which := inputsDocument
	if head.Intended != "" && (head.InputsRef == "" || head.Intended == graph && head.GraphDigest != graph) {
		which = intendedDocument
	}
	return r.values(ctx, head, which, true)
}

// RevealIntended returns the inputs that an engine was last asked to apply while
// that has not succeeded, decrypted, for activities only.
func (r *Registry) RevealIntended(ctx context.Context, head orchestrator.NodeHead) ([]OutputValue, error) {
	if head.Intended == "" {
		return nil, nil
	}
	return r.values(ctx, head, intendedDocument, true)
}

func (r *Registry) values(ctx context.Context, head orchestrator.NodeHead, which string, reveal bool) ([]OutputValue, error) {
	var stored []storedValue
	key := valuesKey(head.Scope, head.Node, which)
	if _, err := r.readOrZero(ctx, key, which+" of "+head.Node, &stored); err != nil {
		return nil, err
	}
	values := make([]OutputValue, 0, len(stored))
	for _, sv := range stored {
		v := OutputValue{Name: sv.Name, Type: sv.Type, Value: sv.Value, Sensitive: sv.Sensitive}
		if sv.Sensitive && reveal {
			plain, err := r.sealer.Open(ctx, sv.Sealed, key.String()+"/"+sv.Name)
			if err != nil {
				return nil, fmt.Errorf("decrypt %s of %s: %w", sv.Name, head.Node, err)
			}
			if err := json.Unmarshal(plain, &v.Value); err != nil {
				return nil, fmt.Errorf("decode %s of %s: %w", sv.Name, head.Node, err)
			}
		}
		values = append(values, v)
	}
	return values, nil
}

// ValuesDigest covers names, types and clear values; of sensitive values only
// that they are there.
func ValuesDigest(values []OutputValue) (string, error) {
	shown := make([]OutputValue, len(values))
	for i, v := range values {
		if v.Sensitive {
			v.Value = nil
		}
		shown[i] = v
	}
	return canonical.Digest(shown)
}

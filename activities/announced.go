// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/store"
)

// announced tells an engine what the attempt was asked for of whose creations
// nobody knows what came: the description and the inputs that were recorded before
// it acted. This step may be asked for others, by which that would not be found.
func (s *Steps) announced(ctx context.Context, j *job, req *engine.Request) error {
	head := j.attempt.Head
	if j.attempt.CutOff == 0 || head == nil || head.Intended == "" {
		return nil
	}
	node, err := s.node(ctx, head.Intended, j.in.Node)
	if errors.Is(err, store.ErrNotFound) {
		return &engine.Error{
			Class: engine.Uncertain, Engine: s.Engine.Name(), Err: err,
			Message: fmt.Sprintf("a creation was cut off, and what was to be created is not on record any more (%v). %s", err, engine.HowToSettle(*req)),
		}
	}
	if err != nil {
		return err
	}
	was := &engine.Announced{
		Implementation: node.Implementation, Inputs: map[string]any{}, Sensitive: map[string]bool{}, Outputs: outputSpecs(node),
	}
	if node.BundleDigest != "" {
		if was.Bundle, err = s.Bundles.Directory(ctx, node.BundleDigest); err != nil {
			return err
		}
	}
	inputs, err := s.Registry.RevealIntended(ctx, *head)
	if err != nil {
		return err
	}
	j.mask.values(inputs)
	for _, in := range inputs {
		was.Inputs[in.Name] = in.Value
		if in.Sensitive {
			was.Sensitive[in.Name] = true
		}
	}
	req.Announced = was
	return nil
}

// outputSpecs are a node's outputs as an engine sees them.
func outputSpecs(node composer.Node) []engine.OutputSpec {
	specs := make([]engine.OutputSpec, 0, len(node.Outputs))
	for _, o := range node.Outputs {
		specs = append(specs, engine.OutputSpec{Name: o.Name, Type: string(o.Type), Sensitive: o.Sensitive})
	}
	return specs
}

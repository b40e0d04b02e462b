// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Thing is a file in a world. Its ID is the file's path.
type Thing struct{}

// Inputs of a thing, as package enginetest says. Lists and maps are optional,
// since the framework takes one that is not known yet for one that is missing.
type Inputs struct {
	World    string            `pulumi:"world"`
	Name     string            `pulumi:"name"`
	Size     int               `pulumi:"size"`
	Text     string            `pulumi:"text"`
	Password string            `pulumi:"password" provider:"secret"`
	Ratio    float64           `pulumi:"ratio"`
	Enabled  bool              `pulumi:"enabled"`
	Zones    []string          `pulumi:"zones,optional"`
	Labels   map[string]string `pulumi:"labels,optional"`
	Details  map[string]any    `pulumi:"details,optional"`
	Mode     string            `pulumi:"mode,optional"`
}

// Outputs of a thing.
type Outputs struct {
	Inputs
	Serial string `pulumi:"serial"`
}

var errQuota = errors.New("quota exceeded: no more things may be made here")

// Annotate gives the thing its token, "thing:index:Thing".
func (t *Thing) Annotate(a infer.Annotator) {
	a.Describe(t, "A thing made of a file.")
	a.SetToken("index", "Thing")
}

func (i Inputs) path() string { return filepath.Join(i.World, "thing-"+i.Name) }

func (i Inputs) ledger(format string, args ...any) error {
	f, err := os.OpenFile(filepath.Join(i.World, "ledger"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, format+"\n", args...)
	return errors.Join(err, f.Close())
}

func (o *Outputs) write() error {
	text, err := json.Marshal(o) //nolint:musttag // the framework would take a json tag for its own, and the field for a required one
	if err != nil {
		return err
	}
	return os.WriteFile(o.path(), text, 0o600)
}

func read(path string) (Outputs, error) {
	var o Outputs
	text, err := os.ReadFile(path) //nolint:gosec // the thing's own ID
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(text, &o) //nolint:musttag // see write
}

// set makes the size what it should be.
func (o *Outputs) set(size int) error {
	if o.Mode == "fail-set" {
		return errQuota
	}
	o.Size = size
	if err := o.write(); err != nil {
		return err
	}
	return o.ledger("set %s %d", o.Name, size)
}

// await goes on when the world does not hold it up any more.
func (i Inputs) await(ctx context.Context, file string) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, err := os.Stat(filepath.Join(i.World, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// begin a creation, of which there is nothing yet.
func (i Inputs) begin(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(i.World, "hold-create")); err == nil {
		if err := os.WriteFile(filepath.Join(i.World, "creating"), nil, 0o600); err != nil {
			return err
		}
	}
	return i.await(ctx, "hold-create")
}

// Create writes the file, and then the size into it.
func (*Thing) Create(ctx context.Context, req infer.CreateRequest[Inputs]) (infer.CreateResponse[Outputs], error) {
	made := infer.CreateResponse[Outputs]{Output: Outputs{Inputs: req.Inputs}}
	if req.DryRun {
		return made, nil
	}
	if req.Inputs.Mode == "fail-create" {
		return made, errQuota
	}
	if err := req.Inputs.begin(ctx); err != nil {
		return made, err
	}
	made.ID = req.Inputs.path()
	made.Output.Serial = time.Now().UTC().Format(time.RFC3339Nano)
	made.Output.Size = 0
	if err := made.Output.write(); err != nil {
		return made, err
	}
	if err := req.Inputs.ledger("create %s", req.Inputs.Name); err != nil {
		return made, err
	}
	if req.Inputs.Mode == "hold" {
		if err := req.Inputs.await(ctx, "hold"); err != nil {
			return made, infer.ResourceInitFailedError{Reasons: []string{"interrupted: " + err.Error()}}
		}
	}
	if err := made.Output.set(req.Inputs.Size); err != nil {
		return made, infer.ResourceInitFailedError{Reasons: []string{err.Error()}}
	}
	return made, nil
}

// Read finds what the file holds. A thing is imported by its path.
func (*Thing) Read(_ context.Context, req infer.ReadRequest[Inputs, Outputs]) (infer.ReadResponse[Inputs, Outputs], error) {
	var found infer.ReadResponse[Inputs, Outputs]
	state, err := read(req.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	return infer.ReadResponse[Inputs, Outputs]{ID: req.ID, Inputs: state.Inputs, State: state}, err
}

// Diff implements infer.CustomDiff: it replaces a thing that is called or lives otherwise.
//
//nolint:unparam // the interface's
func (*Thing) Diff(_ context.Context, req infer.DiffRequest[Inputs, Outputs]) (infer.DiffResponse, error) {
	old, now := req.State.Inputs, req.Inputs
	diff := map[string]provider.PropertyDiff{}
	note := func(name string, same, replaces bool) {
		kind := provider.Update
		if replaces {
			kind = provider.UpdateReplace
		}
		if !same {
			diff[name] = provider.PropertyDiff{Kind: kind, InputDiff: true}
		}
	}
	note("world", old.World == now.World, true)
	note("name", old.Name == now.Name, true)
	note("size", old.Size == now.Size, false)
	note("text", old.Text == now.Text, false)
	note("password", old.Password == now.Password, false)
	note("ratio", old.Ratio == now.Ratio, false)
	note("enabled", old.Enabled == now.Enabled, false)
	note("zones", same(old.Zones, now.Zones), false)
	note("labels", same(old.Labels, now.Labels), false)
	note("details", same(old.Details, now.Details), false)
	note("mode", old.Mode == now.Mode, false)
	return infer.DiffResponse{HasChanges: len(diff) > 0, DetailedDiff: diff}, nil
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	none := map[string]bool{"null": true, "[]": true, "{}": true}
	return errX == nil && errY == nil && (string(x) == string(y) || (none[string(x)] && none[string(y)]))
}

// Update writes the file anew, and the size into it when it differs.
func (*Thing) Update(ctx context.Context, req infer.UpdateRequest[Inputs, Outputs]) (infer.UpdateResponse[Outputs], error) {
	made := infer.UpdateResponse[Outputs]{Output: Outputs{Inputs: req.Inputs, Serial: req.State.Serial}}
	if req.DryRun {
		return made, nil
	}
	now, err := read(req.ID)
	if err != nil {
		return made, err
	}
	made.Output.Size = now.Size
	if now.Size != req.Inputs.Size {
		if err := made.Output.set(req.Inputs.Size); err != nil {
			return made, err
		}
		if err := req.Inputs.await(ctx, "hold-set"); err != nil {
			return made, err
		}
	}
	return made, made.Output.write()
}

// Delete removes the file.
//
//nolint:unparam // the interface's
func (*Thing) Delete(ctx context.Context, req infer.DeleteRequest[Outputs]) (infer.DeleteResponse, error) {
	err := os.Remove(req.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return infer.DeleteResponse{}, nil
	}
	if err == nil {
		err = req.State.ledger("destroy %s", req.State.Name)
	}
	if err == nil {
		err = req.State.await(ctx, "hold-destroy")
	}
	return infer.DeleteResponse{}, err
}

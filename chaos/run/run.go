// SPDX-License-Identifier: Apache-2.0

// Package run brings the harness together: stories side by side on one site,
// disturbances at seeded points of each deployment, the checks after each, and
// the figures at the end.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	"github.com/HatiCode/nestor/chaos/check"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
)

// lanes are stories that run side by side, each an application of its own.
const lanes = 3

// leaksEvery so many stories, every file is looked through; and at the end.
const leaksEvery = 25

// Options of a run.
type Options struct {
	Seed uint64
	// Points are the disturbances; 0 leaves the end to For.
	Points int
	// For bounds the time in which there are disturbances; 0 does not.
	For time.Duration
	// Bin holds the programs. Dir is where everything is written.
	Bin, Dir string
	// Out gets the figures, Progress a line for each deployment and each point;
	// nil says nothing.
	Out, Progress io.Writer
}

// runner is one run.
type runner struct {
	Options
	site   *site.Site
	token  string
	canary check.Canary
	points *injector
	next   atomic.Int64 // number of the next story

	speak sync.Mutex // guards Progress

	mu       sync.Mutex
	findings check.Findings
	runs     []outcome
	courses  []course
	leases   int // that were lost
	ledger   []cloud.Entry
}

// outcome of one deployment, for the figures.
type outcome struct {
	step     string
	asWanted bool
	listed   bool
}

// Run runs the harness. An error means that it could not be run; what it found
// is in the result.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r := &runner{Options: o}
	// The value says nothing about anything else, and is the same each time.
	r.token = fmt.Sprintf("canary-%016x-%016x", o.Seed, rand.New(rand.NewPCG(o.Seed, 0)).Uint64()) //nolint:gosec // no secret
	r.canary = check.NewCanary(r.token)
	began := time.Now()
	r.site, err = site.Start(ctx, site.Options{Bin: o.Bin, Dir: o.Dir, Canaries: map[string]string{story.TokenVariable: r.token}})
	if err != nil {
		return nil, fmt.Errorf("start the site: %w", err)
	}
	if err := r.everything(ctx); err != nil {
		return nil, errors.Join(err, r.site.Stop())
	}
	if err := r.site.Stop(); err != nil {
		r.findings.Locks = append(r.findings.Locks, err.Error())
	}
	found, err := check.Stopped(r.site)
	if err != nil {
		return nil, err
	}
	r.add(found)
	if err := r.leaks(); err != nil {
		return nil, err
	}
	return r.result(time.Since(began)), nil
}

// everything is all that needs the site.
func (r *runner) everything(ctx context.Context) error {
	if err := story.Publish(ctx, r.site); err != nil {
		return fmt.Errorf("publish the definitions: %w", err)
	}
	r.points = newInjector(r.site, r.Options)
	group, inner := errgroup.WithContext(ctx)
	for range lanes {
		group.Go(func() error {
			for !r.points.over() {
				s := story.New(r.Seed, int(r.next.Add(1)))
				if err := r.tell(inner, s); err != nil {
					return fmt.Errorf("story %d: %w", s.N, err)
				}
				if s.N%leaksEvery == 0 {
					if err := r.leaks(); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	found, err := check.Rest(ctx, r.site)
	r.add(found)
	return err
}

// leaks looks through every file.
func (r *runner) leaks() error {
	found, err := check.Files(r.site, r.canary)
	r.add(found)
	return err
}

func (r *runner) add(found check.Findings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.findings.Add(found)
	for _, text := range found.All() {
		r.say("  FOUND %s", text)
	}
}

// say tells whoever watches; one who does not any more changes nothing.
func (r *runner) say(format string, args ...any) {
	r.speak.Lock()
	defer r.speak.Unlock()
	_, _ = fmt.Fprintf(r.Progress, time.Now().UTC().Format("15:04:05.000 ")+format+"\n", args...)
}

// effects are the ledger's entries so far.
func (r *runner) effects(ctx context.Context) ([]cloud.Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more, err := r.site.World.Ledger(ctx, len(r.ledger))
	r.ledger = append(r.ledger, more...)
	return r.ledger, err
}

// realLedger is what OpenTofu's nodes of an environment have written.
func (r *runner) realLedger(environment string) (string, error) {
	text, err := os.ReadFile(story.RealLedger(r.Dir, environment))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// NewDir makes a directory for a run below the system's own for such things.
func NewDir() (string, error) {
	dir, err := os.MkdirTemp("", "nestor-chaos-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

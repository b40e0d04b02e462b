// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/chaos/fault"
	"github.com/HatiCode/nestor/chaos/part"
	"github.com/HatiCode/nestor/cli/remote"
)

// Kind of a disturbance.
type Kind string

// The kinds. Each is done to one process, chosen by chance where there are
// several, for a time chosen by chance where it lasts.
const (
	KillWorker     Kind = "kill worker"
	PauseWorker    Kind = "pause worker"
	KillEngine     Kind = "kill engine" // the program or its supervisor
	PauseEngine    Kind = "pause engine"
	KillAPI        Kind = "kill api"
	PauseAPI       Kind = "pause api"
	KillTemporal   Kind = "kill temporal"
	PauseTemporal  Kind = "pause temporal"
	HoldWriter     Kind = "hold store"        // another process has the store's write lock
	KillWriter     Kind = "kill store writer" // and dies in its transaction
	LoseLease      Kind = "lose lease"        // the store is held for longer than a lease lasts, and engines are slow
	SilenceWorker  Kind = "silence worker"    // no byte passes between worker and Temporal
	CutWorker      Kind = "cut off worker"    // its connections are reset, and new ones too
	LoseAnswer     Kind = "lose answer"       // of the world, after the effect
	KillEverything Kind = "kill everything"   // workers, API and Temporal at once
)

// Restarts says that Temporal is killed.
func (k Kind) Restarts() bool { return k == KillTemporal || k == KillEverything }

// Kinds lists them all, each as often as it shall come up.
func Kinds() []Kind {
	return []Kind{
		KillWorker, KillWorker, KillWorker, KillWorker, PauseWorker, PauseWorker,
		KillEngine, PauseEngine, KillAPI, PauseAPI, KillTemporal, PauseTemporal,
		HoldWriter, KillWriter, LoseLease, LoseLease, SilenceWorker, CutWorker, LoseAnswer, LoseAnswer, KillEverything,
	}
}

// Longest disturbances. Those of the store and of a worker outlast a lease; a
// writer of the store waits for as long as its caller does.
const (
	longestPause    = 5 * time.Second
	longestHold     = 7 * time.Second
	shortestLoss    = leaseTTL + time.Second // a lease is lost within a TTL and a renewal
	longestSilence  = 5 * time.Second
	shortest        = 100 * time.Millisecond
	recoverPatience = time.Minute
	enginePatience  = 2 * time.Second
)

// Disturbance is one that has happened.
type Disturbance struct {
	Kind Kind
	What string // to whom, for a reader
	// Began and Over bound it: a kill is over at once, but that of Temporal when
	// Temporal answers again.
	Began, Over time.Time
}

// ErrNobody says that there is nobody whom the disturbance could be done to.
var ErrNobody = errors.New("there is nobody to disturb")

// Disturb does one disturbance and returns when it is over. All chance comes
// from the source.
func (s *Site) Disturb(ctx context.Context, source *rand.Rand, kind Kind) (Disturbance, error) {
	i := source.IntN(len(s.workers))
	worker, proxy := s.workers[i], s.proxies[i]
	share := source.Float64()
	last := func(longest time.Duration) time.Duration {
		return shortest + time.Duration(share*float64(longest-shortest))
	}
	d := Disturbance{Kind: kind, What: string(kind), Began: time.Now()}
	var err error
	switch kind {
	case KillWorker:
		err = s.kill(&d, worker)
	case PauseWorker:
		err = s.pause(ctx, &d, worker, last(longestPause))
	case KillAPI:
		err = s.kill(&d, s.api)
	case PauseAPI:
		err = s.pause(ctx, &d, s.api, last(longestPause))
	case KillTemporal:
		err = errors.Join(s.kill(&d, s.temporal), s.recovered(ctx))
	case PauseTemporal:
		err = s.pause(ctx, &d, s.temporal, last(longestPause))
	case KillEngine, PauseEngine:
		err = s.disturbEngine(ctx, &d, source, last(longestPause))
	case HoldWriter, KillWriter:
		err = s.disturbStore(ctx, &d, last(longestHold))
	case LoseLease:
		err = s.loseLease(ctx, &d, shortestLoss+time.Duration(share*float64(longestHold-shortestLoss)))
	case SilenceWorker:
		d.What = worker.Name + " silenced"
		proxy.Silence(ctx, last(longestSilence))
	case CutWorker:
		d.What = worker.Name + " cut off"
		proxy.Cut(ctx, last(longestSilence))
	case LoseAnswer:
		err = s.World.Drop(ctx)
	case KillEverything:
		for _, p := range append([]*Part{s.api, s.temporal}, s.workers...) {
			err = errors.Join(err, s.kill(&d, p))
		}
		d.What = "everything"
		err = errors.Join(err, s.recovered(ctx))
	}
	d.Over = time.Now()
	if kind == KillWorker || kind == KillAPI || kind == LoseAnswer || kind == KillEngine {
		d.Over = d.Began
	}
	return d, err
}

func (s *Site) kill(d *Disturbance, p *Part) error {
	pid := p.PID()
	d.What = fmt.Sprintf("%s (pid %d)", p.Name, pid)
	if pid == 0 {
		return nil // it is being started: dead enough
	}
	if err := fault.Kill(pid); err != nil && !errors.Is(err, fault.ErrGone) {
		return err
	}
	return nil
}

func (s *Site) pause(ctx context.Context, d *Disturbance, p *Part, t time.Duration) error {
	pid := p.PID()
	d.What = fmt.Sprintf("%s (pid %d) for %s", p.Name, pid, t.Round(time.Millisecond))
	if pid == 0 {
		return ErrNobody
	}
	if err := fault.Pause(ctx, pid, t); !errors.Is(err, fault.ErrGone) {
		return err
	}
	return ErrNobody
}

// recovered waits until Temporal answers again.
func (s *Site) recovered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoverPatience)
	defer cancel()
	return s.AwaitTemporal(ctx)
}

func (s *Site) disturbEngine(ctx context.Context, d *Disturbance, source *rand.Rand, t time.Duration) error {
	choice := source.Float64()
	found, err := s.engines(ctx)
	if err != nil {
		return err
	}
	d.Began = time.Now()
	p := found[int(choice*float64(len(found)))]
	d.What = fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
	if d.Kind == KillEngine {
		err = fault.Kill(p.PID)
	} else {
		err = fault.Pause(ctx, p.PID, t)
	}
	if errors.Is(err, fault.ErrGone) {
		return ErrNobody
	}
	return err
}

// engines are the programs at work and their supervisors; it waits a little for
// there to be one.
func (s *Site) engines(ctx context.Context) ([]fault.Process, error) {
	deadline := time.Now().Add(enginePatience)
	for {
		found, err := fault.Below(filepath.Join(s.Data(), "work"))
		switch {
		case err != nil || len(found) > 0:
			return found, err
		case time.Now().After(deadline):
			return nil, ErrNobody
		}
		if err := remote.Wait(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (s *Site) disturbStore(ctx context.Context, d *Disturbance, t time.Duration) error {
	command, err := part.Writer(filepath.Join(s.Data(), "nestor.db"))
	if err != nil {
		return err
	}
	// It ends with this call; the thread that starts it may be any.
	writer, err := fault.StartWriter(command)
	if err != nil {
		return err
	}
	d.Began = time.Now()
	d.What = fmt.Sprintf("the store's writer for %s", t.Round(time.Millisecond))
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if d.Kind == KillWriter {
		return writer.Kill()
	}
	return writer.Release()
}

// loseLease holds the store for longer than a lease lasts while engines are at
// work for as long: the world is slow, and a program of OpenTofu's, if there is
// one, is paused.
func (s *Site) loseLease(ctx context.Context, d *Disturbance, t time.Duration) error {
	at, err := fault.Below(filepath.Join(s.Data(), "work"))
	if err != nil {
		return err
	}
	if err := s.World.Slow(ctx, t); err != nil {
		return err
	}
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return s.disturbStore(inner, d, t) })
	if len(at) > 0 {
		group.Go(func() error {
			if err := fault.Pause(inner, at[0].PID, t); !errors.Is(err, fault.ErrGone) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

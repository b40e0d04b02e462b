// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"math/rand/v2"

	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/orchestrator"
)

// TokenVariable holds the secret that every node is given.
const TokenVariable = "NESTOR_SECRET_CHAOS__TOKEN"

// Sizes of graphs.
const (
	leastNodes = 10
	mostNodes  = 40
)

// Step is one deployment of a story.
type Step struct {
	Name        string
	Environment string
	Kind        orchestrator.Kind
	// Graph that is asked for; nil for a destruction.
	Graph Graph
	// Before and After are what the environment is when it begins and when it
	// ends as it should.
	Before, After Graph
	Want          orchestrator.Status
}

// Events that the step's deployment has, roughly, when nothing disturbs it.
func (s Step) Events() int {
	const around = 4 // queued, running, and so on
	switch {
	case s.Want == orchestrator.StatusRolledBack:
		return around + 3*len(s.Graph)
	case s.Kind == orchestrator.KindDestroy:
		return around + 2*len(s.Before)
	default:
		return around + 2*len(s.Graph)
	}
}

// Story is what happens to one application.
type Story struct {
	N           int
	Application string
	Steps       []Step
	// Uncertain says that there are nodes without an identity, and Real that
	// there are OpenTofu's.
	Uncertain, Real bool
}

// New makes the story of that number.
func New(seed uint64, number int) Story {
	source := rand.New(rand.NewPCG(seed, uint64(number))) //nolint:gosec // stories shall come again
	s := Story{N: number, Application: fmt.Sprintf("app-%04d", number), Real: number%5 == 2, Uncertain: number%5 == 2 || number%5 == 4}
	n := leastNodes + source.IntN(mostNodes-leastNodes+1)
	if s.Real {
		n = leastNodes
	}
	g := newGraph(source, n, func(i int) Kind {
		switch {
		case s.Real && i%4 == 1:
			return Real
		case s.Uncertain && i%3 == 0:
			return Blind
		case source.IntN(2) == 0:
			return Named
		default:
			return Known
		}
	})
	updated := g.changed(source, "new1")
	failed := updated.failing(source, "new2")
	apply := orchestrator.KindApply
	s.Steps = []Step{
		{Name: "first apply", Environment: site.Staging, Kind: apply, Graph: g, After: g},
		{Name: "update", Environment: site.Staging, Kind: apply, Graph: updated, Before: g, After: updated},
		{
			Name: "failing apply", Environment: site.Staging, Kind: apply, Graph: failed, Before: updated, After: updated,
			Want: orchestrator.StatusRolledBack,
		},
		{Name: "promotion", Environment: site.Production, Kind: orchestrator.KindPromote, Graph: updated, After: updated},
		{Name: "destruction", Environment: site.Production, Kind: orchestrator.KindDestroy, Before: updated},
		{Name: "destruction", Environment: site.Staging, Kind: orchestrator.KindDestroy, Before: updated},
	}
	for i := range s.Steps {
		if s.Steps[i].Want == "" {
			s.Steps[i].Want = orchestrator.StatusSucceeded
		}
	}
	return s
}

// Scope of a step.
func (s Story) Scope(step Step) orchestrator.Scope {
	return orchestrator.Scope{Team: site.Team, Application: s.Application, Environment: step.Environment}
}

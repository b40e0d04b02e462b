// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// Lines is what is told of the events where there is no terminal.
func Lines(events []orchestrator.Event) (string, error) {
	var b strings.Builder
	s, l := newState(orchestrator.Deployment{}, composer.Graph{}), lines{w: &b}
	for _, e := range events {
		d, err := s.apply(e)
		if err == nil {
			err = l.event(s, e, d)
		}
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// Draw is the live tree after the events, at the given size and time.
func Draw(
	d orchestrator.Deployment, graph composer.Graph, events []orchestrator.Event, message string,
	width, height int, now time.Time,
) ([]string, error) {
	s := newState(d, graph)
	for _, e := range events {
		if _, err := s.apply(e); err != nil {
			return nil, err
		}
	}
	p := picture{style: iostreams.Style{}, width: width, height: height, now: now}
	return p.lines(s, message, true), nil
}

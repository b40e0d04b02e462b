// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"time"

	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

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

// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"

	"github.com/HatiCode/nestor/activities/engine"
)

// ParsePlace reads an address and writes it again.
func ParsePlace(text string) (string, error) {
	p, err := parsePlace(text)
	return p.String(), err
}

// Remap moves what a state holds and lists where it went, with the providers
// that it then has.
func Remap(text []byte, moves map[string]string, providers ...string) (places []string, state []byte, err error) {
	d, err := parseSource(engine.Source{State: text})
	if err != nil {
		return nil, nil, err
	}
	if err := d.remap(moves); err != nil {
		return nil, nil, err
	}
	if err := d.adoptProviders(providers); err != nil {
		return nil, nil, err
	}
	state, err = json.Marshal(d)
	return d.places(), state, err
}

// Classify sorts what the program said at a phase.
func Classify(at, text string) engine.Class { return classify(phase(at), text) }

// Current digests what a state holds, by address.
func Current(text []byte) (map[string]string, error) {
	s, err := parseState(text)
	return s.current(), err
}

// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"slices"
	"sync"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/redact"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// mask hides the secrets of one step from everything that leaves it: the log,
// errors and changes. Engines hide what they know themselves; this is for what
// they overlook, and for what goes wrong before an engine is asked.
type mask struct {
	mu       sync.Mutex
	redactor *redact.Redactor
}

func newMask() *mask { return &mask{redactor: redact.New(engine.Request{})} }

// request adds what is secret of an engine's request.
func (m *mask) request(req engine.Request) {
	for _, part := range req.Secrets {
		m.learn(part)
	}
	for name := range req.Sensitive {
		m.learn(req.Inputs[name])
	}
	for name, value := range req.Env {
		if !req.Settings[name] && len(value) >= minCredential {
			m.learn(value)
		}
	}
}

// minCredential is the shortest credential that is hidden: a region or a name
// is often among them.
const minCredential = 12

func (m *mask) learn(value any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.redactor.Learn(value)
}

// values adds those that are sensitive.
func (m *mask) values(all []registry.OutputValue) {
	for _, v := range all {
		if v.Sensitive {
			m.learn(v.Value)
		}
	}
}

// text is s without secrets.
func (m *mask) text(s string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.redactor.Text(s)
}

// cut says how much of a text, of which n bytes are wanted, can be shown by itself:
// see redact.Redactor.Cut.
func (m *mask) cut(text string, n int, more bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.redactor.Cut(text, n, more)
}

func (m *mask) holds(value any) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.redactor.Holds(value)
}

// parts resolves the inputs of one node, and tells the mask and the engine each
// secret that an input is made of: what a provider says may hold the password
// alone, without the address around it that the engine was given.
type parts struct {
	mask   *mask
	req    *engine.Request
	live   *liveOutputs
	secret composer.SecretLookup
}

func (p parts) resolve(in composer.NodeInput) (any, error) {
	return resolve(in, p.output, p.reference)
}

func (p parts) learn(value any) {
	p.mask.learn(value)
	p.req.Secrets = append(p.req.Secrets, value)
}

// output is a live one. Of a sensitive one all is learned, also what is beside
// the path that an expression takes into it.
func (p parts) output(ref composer.Reference) (any, error) {
	v, err := p.live.value(ref)
	if err == nil && v.Sensitive {
		p.learn(v.Value)
	}
	return v.Value, err
}

func (p parts) reference(ref string) (string, error) {
	value, err := p.secret(ref)
	if err == nil {
		p.learn(value)
	}
	return value, err
}

// nodeError is a failure as it is recorded and shown.
func (m *mask) nodeError(err error) *orchestrator.NodeError {
	ne := nodeError(err)
	ne.Message, ne.Resource = m.text(ne.Message), m.text(ne.Resource)
	return ne
}

// changes are those of a preview, as they are shown, stored and approved.
func (m *mask) changes(all []orchestrator.Change) []orchestrator.Change {
	shown := slices.Clone(all)
	for i, change := range shown {
		change.Address, change.Reason = m.text(change.Address), m.text(change.Reason)
		change.Attributes = slices.Clone(change.Attributes)
		for k, a := range change.Attributes {
			if m.holds(a.Before) || m.holds(a.After) {
				a.Before, a.After, a.Sensitive = nil, nil, true
			}
			a.Path, a.Unknown = m.text(a.Path), m.text(a.Unknown)
			change.Attributes[k] = a
		}
		shown[i] = change
	}
	return shown
}

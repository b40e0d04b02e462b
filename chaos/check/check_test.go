// SPDX-License-Identifier: Apache-2.0

package check //nolint:testpackage // the single checks are no part of the API

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/orchestrator"
)

const token = "canary-17"

// scene is a deployment that has ended as it should, and what is there then.
type scene struct {
	run       Run
	resources []cloud.Resource
	heads     []orchestrator.NodeHead
	events    []orchestrator.Event
}

// opening is the first apply of a story with nodes of every kind.
func opening() *scene {
	st := story.New(1, 2)
	step := st.Steps[0]
	sc := &scene{run: Run{Story: st, Step: step, Token: token, Deployment: orchestrator.Deployment{
		ID: "d", Scope: st.Scope(step), Status: orchestrator.StatusSucceeded,
	}}}
	for node, attributes := range step.After.Attributes(st.Application, token) {
		r := cloud.Resource{Key: key(sc.run, node), Identity: "one", ID: node + "-1", Attributes: attributes}
		sc.resources = append(sc.resources, r)
		sc.run.Ledger = append(sc.run.Ledger, cloud.Entry{Verb: cloud.Create, Key: r.Key, Identity: r.Identity, ID: r.ID})
	}
	for _, name := range step.After.RealNames(st.Application) {
		sc.run.RealLedger += "create " + name + "\n"
	}
	for _, node := range step.After {
		sc.heads = append(sc.heads, orchestrator.NodeHead{Node: node.ID(), Status: orchestrator.NodeReady})
	}
	for i, kind := range []orchestrator.EventType{
		orchestrator.EventQueued, orchestrator.EventNodeStart, orchestrator.EventNodeDone, orchestrator.EventFinished,
	} {
		sc.events = append(sc.events, orchestrator.Event{
			Sequence: int64(i + 1), Type: kind, Node: "it.n00", Data: json.RawMessage(`{"action":"apply","attempt":2}`),
		})
		sc.run.Streamed = append(sc.run.Streamed, int64(i+1))
	}
	return sc
}

func key(r Run, node string) string {
	return strings.ReplaceAll(r.Deployment.String()+"/"+node, "/", "%2F")
}

// listed has the deployment fail with nothing left but a node of its residue.
func (sc *scene) listed(node string) {
	sc.resources, sc.heads, sc.run.RealLedger = nil, nil, ""
	sc.run.Deployment.Status = orchestrator.StatusFailed
	sc.run.Deployment.Residue = []orchestrator.Residue{{Node: node, Action: "look"}}
}

func (sc *scene) check() Findings {
	var f Findings
	sc.run.heads(&f, sc.heads)
	sc.run.world(&f, sc.resources, sc.heads)
	sc.run.effects(&f)
	sc.run.real(&f, sc.heads)
	sc.run.events(&f, sc.events)
	return f
}

// TestFindings: what is right is found right, and each thing that is wrong is
// found.
func TestFindings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		wrong  func(*scene)
		want   string // the kinds of findings
	}{
		"nothing": {"all is as it should be", func(*scene) {}, ""},
		"two resources": {
			"one identity has two", func(sc *scene) { sc.resources = append(sc.resources, sc.resources[0]) }, "duplicate",
		},
		"made again": {
			"a creation where there was one", func(sc *scene) { sc.run.Ledger[0].Duplicate = true }, "duplicate",
		},
		"made twice": {
			"an effect more than an undisturbed run has",
			func(sc *scene) { sc.run.Ledger = append(sc.run.Ledger, sc.run.Ledger[0]) }, "duplicate",
		},
		"touched": {
			"an update of what only comes",
			func(sc *scene) {
				sc.run.Ledger = append(sc.run.Ledger, cloud.Entry{Verb: cloud.Update, Key: sc.run.Ledger[0].Key})
			}, "duplicate",
		},
		"no resource": {"one is missing", func(sc *scene) { sc.resources = sc.resources[1:] }, "lost"},
		"no effect":   {"its creation is missing", func(sc *scene) { sc.run.Ledger = sc.run.Ledger[1:] }, "lost"},
		"old": {
			"an attribute is not the graph's", func(sc *scene) { sc.resources[0].Attributes["size"] = -1 }, "lost",
		},
		"no head": {"nobody knows of it", func(sc *scene) { sc.heads = sc.heads[1:] }, "lost"},
		"at work": {"a head says that a step runs", func(sc *scene) { sc.heads[0].Status = orchestrator.NodeRunning }, "lost"},
		"nobody's": {
			"a resource of a node that is in no graph",
			func(sc *scene) {
				sc.resources = append(sc.resources, cloud.Resource{Key: key(sc.run, "it.other"), Identity: "one"})
			}, "orphan",
		},
		"another head": {
			"a head of a node that is in no graph",
			func(sc *scene) { sc.heads = append(sc.heads, orchestrator.NodeHead{Node: "it.other"}) }, "orphan",
		},
		"elsewhere": {
			"another environment's is its own", func(sc *scene) {
				sc.resources = append(sc.resources, cloud.Resource{Key: "chaos%2Fapp-9999%2Fstaging%2Fit.other"})
			}, "",
		},
		"listed": {
			"what is listed is no orphan and not lost, but the deployment must say so",
			func(sc *scene) {
				node := blind()
				sc.listed(node)
				sc.resources = append(sc.resources, cloud.Resource{Key: key(sc.run, node), Identity: "one"})
			}, "",
		},
		"real twice": {
			"OpenTofu made it twice",
			func(sc *scene) { sc.run.RealLedger += strings.SplitAfter(sc.run.RealLedger, "\n")[0] }, "duplicate",
		},
		"real twice and listed": {
			"what is listed may not be doubled either",
			func(sc *scene) {
				name := sc.run.Step.Graph.RealNames(sc.run.Story.Application)[0]
				sc.listed(story.Instance + "." + strings.TrimPrefix(name, sc.run.Story.Application+"-"))
				sc.run.RealLedger = strings.Repeat("create "+name+"\n", 2)
			}, "duplicate",
		},
		"real once and listed": {
			"what is listed once is no finding",
			func(sc *scene) {
				name := sc.run.Step.Graph.RealNames(sc.run.Story.Application)[0]
				sc.listed(story.Instance + "." + strings.TrimPrefix(name, sc.run.Story.Application+"-"))
				sc.run.RealLedger = "create " + name + "\n"
			}, "",
		},
		"real missing": {"OpenTofu's is not there", func(sc *scene) { sc.run.RealLedger = "" }, "lost"},
		"gap": {
			"an event is missing", func(sc *scene) { sc.events = slices.Delete(sc.events, 1, 2) }, "lost",
		},
		"no end": {"the last event is missing", func(sc *scene) { sc.events = sc.events[:3] }, "lost"},
		"stream": {
			"a client got an event twice", func(sc *scene) { sc.run.Streamed = append(sc.run.Streamed, 4) }, "lost",
		},
		"late": {
			"an earlier attempt begins after a later one",
			func(sc *scene) {
				late := sc.events[1]
				late.Data, late.Sequence = json.RawMessage(`{"action":"apply","attempt":1}`), 4
				sc.events = append(sc.events[:3], late, orchestrator.Event{Sequence: 5, Type: orchestrator.EventFinished})
				sc.run.Streamed = append(sc.run.Streamed, 5)
			}, "duplicate",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := opening()
			test.wrong(sc)
			found := sc.check()
			var kinds []string
			for _, text := range found.All() {
				kind, _, _ := strings.Cut(text, ":")
				kinds = append(kinds, kind)
			}
			if diff := cmp.Diff(test.want, strings.Join(slices.Compact(kinds), " ")); diff != "" {
				t.Errorf("%s (-want +got):\n%s\n%s", test.reason, diff, strings.Join(found.All(), "\n"))
			}
		})
	}
}

// TestListed says which other ends count.
func TestListed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason  string
		status  orchestrator.Status
		residue []orchestrator.Residue
		certain bool
		want    bool
	}{
		"listed":   {"it says which node and what to do", orchestrator.StatusFailed, []orchestrator.Residue{{Node: blind(), Action: "look"}}, false, true},
		"silent":   {"it says nothing", orchestrator.StatusFailed, nil, false, false},
		"helpless": {"it does not say what to do", orchestrator.StatusFailed, []orchestrator.Residue{{Node: blind()}}, false, false},
		"other": {
			"the one that it lists has an identity, and none else is listed", orchestrator.StatusFailed,
			[]orchestrator.Residue{{Node: known(), Action: "look"}},
			false, false,
		},
		"certain": {"every node has an identity, so it must succeed", orchestrator.StatusFailed, []orchestrator.Residue{{Node: blind(), Action: "look"}}, true, false},
		"running": {"it is not over", orchestrator.StatusRunning, []orchestrator.Residue{{Node: blind(), Action: "look"}}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := opening().run
			r.Deployment.Status, r.Deployment.Residue = test.status, test.residue
			r.Story.Uncertain = !test.certain
			if got := r.Listed(); got != test.want {
				t.Errorf("%s: got %v", test.reason, got)
			}
		})
	}
}

// blind and known are nodes of the opening.
func blind() string { return nodeOf(true) }
func known() string { return nodeOf(false) }

func nodeOf(uncertain bool) string {
	for _, node := range opening().run.Step.Graph {
		if node.Kind.Uncertain() == uncertain {
			return node.ID()
		}
	}
	return ""
}

func TestCanary(t *testing.T) {
	t.Parallel()
	c := NewCanary("canary-0123456789abcdef")
	for before := range 4 {
		for after := range 4 {
			text := strings.Repeat("a", before) + "canary-0123456789abcdef" + strings.Repeat("z", after)
			for how, encoded := range map[string]string{
				"clear": text, "base64": base64.StdEncoding.EncodeToString([]byte(text)),
				"hexadecimal": hex.EncodeToString([]byte(text)),
			} {
				if !c.In([]byte("{" + encoded + "}")) {
					t.Errorf("it is not found in %s with %d bytes before and %d after", how, before, after)
				}
			}
		}
	}
	if c.In([]byte("canary-0123456789abcdex")) {
		t.Error("it is found where it is not")
	}
	if found := Text(c, "here", []byte(fmt.Sprintf("%q", "canary-0123456789abcdef"))); len(found.Leaks) != 1 {
		t.Errorf("found %v", found.All())
	}
}

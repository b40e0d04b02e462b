// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bytes"
	"testing"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/orchestrator"
)

func drift(status orchestrator.DriftStatus) orchestrator.Drift {
	return orchestrator.Drift{
		Scope:  orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"},
		Status: status, Release: "sha256:3f2a91c4d0e1aaaa",
	}
}

// found has a node in each state.
func found() orchestrator.Drift {
	d := drift(orchestrator.DriftDrifted)
	d.Summary = orchestrator.Counts{Create: 1, Update: 1, Delete: 1}
	d.Tally = orchestrator.DriftTally{Nodes: 8, InSync: 3, Differs: 3, Unknown: 2}
	d.Unrepaired = "a repair would go by a plan of everything, and some of it is not known: web-app.queue: the state file is no JSON"
	about := func(node string, state orchestrator.DriftState, changes ...orchestrator.Change) orchestrator.NodeDrift {
		return orchestrator.NodeDrift{
			Node: "web-app." + node, State: state, Engine: "terraform", Definition: node, Version: "1.0.0", Changes: changes,
		}
	}
	queue, topic := about("queue", orchestrator.NodeUnreadable), about("topic", orchestrator.NodeUnchecked)
	queue.Error, topic.Error = "the state file is no JSON: unexpected end of input after a rather long way into it", "no worker serves the queue nestor-engine-pulumi"
	d.Nodes = []orchestrator.NodeDrift{
		about("bucket", orchestrator.NodeGone, orchestrator.Change{
			Address: "aws_s3_bucket.main", Action: orchestrator.ActionCreate, Reason: "was deleted by somebody else",
			Attributes: []orchestrator.AttributeChange{{Path: "name", After: "assets"}},
		}),
		about("cache", orchestrator.NodeDrifted, orchestrator.Change{
			Address: "aws_elasticache_cluster.main", Action: orchestrator.ActionUpdate, Reason: "was changed by somebody else",
			Attributes: []orchestrator.AttributeChange{{Path: "nodes", Before: 9, After: 3}, {Path: "password", Sensitive: true}},
		}),
		about("deployment", orchestrator.NodeFollows, orchestrator.Change{
			Address: "local_file.page", Action: orchestrator.ActionUpdate,
			Attributes: []orchestrator.AttributeChange{{Path: "content", Before: "assets", Unknown: "known after web-app.bucket"}},
		}),
		about("half", orchestrator.NodePartial, orchestrator.Change{Address: "aws_iam_user.extra", Action: orchestrator.ActionDelete}),
		queue, topic,
	}
	return d
}

// unsettledDrift is that of an environment which a deployment has left at no one
// release.
func unsettledDrift() orchestrator.Drift {
	d := settledDrift()
	d.Status = orchestrator.DriftDrifted
	d.Summary = orchestrator.Counts{Update: 1}
	d.Tally = orchestrator.DriftTally{Nodes: 5, InSync: 1, Differs: 4, Elsewhere: 3}
	about := func(node, release string, state orchestrator.DriftState) orchestrator.NodeDrift {
		return orchestrator.NodeDrift{
			Node: "web-app." + node, State: state, Engine: "terraform", Definition: node, Version: "1.0.0", Release: release,
		}
	}
	const other = "sha256:d18a76932850aaaa"
	drifted := about("cache", other, orchestrator.NodeDrifted)
	drifted.Changes = []orchestrator.Change{{Address: "local_file.cache", Action: orchestrator.ActionUpdate}}
	d.Nodes = []orchestrator.NodeDrift{
		about("bucket", other, orchestrator.NodeElsewhere), drifted,
		about("config", "", orchestrator.NodeElsewhere), about("queue", "", orchestrator.NodeMissing),
	}
	return d
}

func settledDrift() orchestrator.Drift {
	d := drift(orchestrator.DriftInSync)
	d.Tally = orchestrator.DriftTally{Nodes: 3, InSync: 3}
	d.Unsettled, d.UnsettledStatus = "alpha/shop/staging/5", orchestrator.StatusFailed
	return d
}

func TestDrift(t *testing.T) {
	t.Parallel()
	inSync, overtaken, unknown, repaired := drift(orchestrator.DriftInSync), drift(orchestrator.DriftOvertaken), drift(orchestrator.DriftFailed), found()
	inSync.Tally = orchestrator.DriftTally{Nodes: 3, InSync: 3}
	overtaken.Error = "a deployment ended while the check ran; what differs may be its work"
	unknown.Tally = orchestrator.DriftTally{Nodes: 2, InSync: 1, Unknown: 1}
	repaired.Unrepaired, repaired.Repaired = "", "alpha/shop/staging/4"
	for name, tc := range map[string]struct {
		report orchestrator.Drift
		width  int
		reason string
	}{
		"drift-80":          {found(), 80, "a node in each state, on a terminal"},
		"drift-without-end": {found(), 0, "the same for a file"},
		"drift-none":        {inSync, 80, "nothing differs"},
		"drift-overtaken":   {overtaken, 80, "a deployment came between"},
		"drift-unknown":     {unknown, 80, "nothing was found, and not everything looked at"},
		"drift-unsettled":   {unsettledDrift(), 80, "the last deployment left nodes at other releases"},
		"drift-settled":     {settledDrift(), 80, "it failed, and took everything back"},
		"drift-repaired":    {repaired, 0, "a deployment repairs it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := (render.Canvas{Width: tc.width}).Drift(&b, tc.report); err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			clitest.Golden(t, name+".golden", b.String())
		})
	}
}

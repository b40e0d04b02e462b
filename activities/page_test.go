// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// pages reads a graph's adjacency as a workflow does.
func pages(t rapid.TB, g composer.Graph, limit int) [][]contract.GraphNode {
	t.Helper()
	var all [][]contract.GraphNode
	for {
		p, err := activities.GraphPage(g, len(all), limit)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		one := len(p.Nodes) == 1 && len(p.Nodes[0].Dependencies) <= 1
		if len(data) > limit && !one {
			t.Fatalf("page %d of %d nodes has %d bytes, limit %d", len(all), len(p.Nodes), len(data), limit)
		}
		if p.More && len(p.Nodes) == 0 {
			t.Fatalf("page %d is empty, and more follow", len(all))
		}
		all = append(all, p.Nodes)
		if !p.More {
			return all
		}
	}
}

func TestPagesHoldEveryNodeOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var g composer.Graph
		for i := range rapid.IntRange(0, 60).Draw(t, "nodes") {
			n := composer.Node{ID: fmt.Sprintf("web.n%03d", i)}
			for d := range rapid.IntRange(0, i).Draw(t, "dependencies") {
				n.Dependencies = append(n.Dependencies, fmt.Sprintf("web.n%03d", d))
			}
			g.Nodes = append(g.Nodes, n)
		}
		limit := rapid.IntRange(50, 5000).Draw(t, "limit")
		first, second := pages(t, g, limit), pages(t, g, limit)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("two readers see other cuts:\n%s", diff)
		}
		got := map[string][]string{}
		var ids []string
		for _, n := range slices.Concat(first...) {
			if len(ids) == 0 || ids[len(ids)-1] != n.ID {
				ids = append(ids, n.ID)
			}
			got[n.ID] = append(got[n.ID], n.Dependencies...)
		}
		if len(ids) != len(g.Nodes) {
			t.Fatalf("%d nodes, want %d", len(ids), len(g.Nodes))
		}
		for i, n := range g.Nodes {
			if ids[i] != n.ID || !slices.Equal(got[n.ID], n.Dependencies) {
				t.Fatalf("node %d is %s with %v, want %s with %v", i, ids[i], got[ids[i]], n.ID, n.Dependencies)
			}
		}
	})
}

func TestAdjacency(t *testing.T) {
	t.Parallel()
	node := composer.Node{
		ID: "web.database", Dependencies: []string{"web.network"}, Engine: "terraform", Queue: "nestor-engine-terraform",
		Definition: "db", Version: "1.2.3", InputDigest: "sha256:in", RollbackClass: catalog.ForwardOnly,
		DeletionPolicy: catalog.RetainPolicy,
		Timeouts:       catalog.Timeouts{Apply: catalog.Duration(90 * time.Second), Destroy: catalog.Duration(time.Minute)},
		Inputs:         []composer.NodeInput{{Name: "secret-input"}},
	}
	p, err := activities.GraphPage(composer.Graph{Nodes: []composer.Node{node}}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := contract.LoadGraphResult{Nodes: []contract.GraphNode{{
		ID: "web.database", Dependencies: []string{"web.network"}, Engine: "terraform", Queue: "nestor-engine-terraform",
		Definition: "db@1.2.3", ForwardOnly: true, Retain: true, Timeout: 90, Destroy: 60,
	}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if data, err := json.Marshal(p); err != nil || strings.Contains(string(data), "secret-input") {
		t.Errorf("inputs travel: %s %v", data, err)
	}
	if beyond, err := activities.GraphPage(composer.Graph{Nodes: []composer.Node{node}}, 7, 1000); err != nil || len(beyond.Nodes) != 0 || beyond.More {
		t.Errorf("a page behind the end: %+v %v", beyond, err)
	}
}

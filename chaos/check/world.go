// SPDX-License-Identifier: Apache-2.0

package check

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

// node of a resource's key, if it belongs to the run's environment.
func (r Run) node(key string) (string, bool) {
	address, err := url.PathUnescape(key)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(address, r.Deployment.String()+"/")
}

// world holds what the graph asks for, once, and nothing else.
func (r Run) world(f *Findings, resources []cloud.Resource, heads []orchestrator.NodeHead) {
	id := r.Deployment.ID
	want := r.settled().Attributes(r.Story.Application, r.Token)
	there := map[string]int{}
	for _, resource := range resources {
		node, ours := r.node(resource.Key)
		if !ours {
			continue
		}
		there[node]++
		attributes, wanted := want[node]
		switch {
		case there[node] > 1:
			f.duplicate("after %s there are %d resources of %s", id, there[node], node)
		case r.excepted(node):
		case !wanted && !slices.ContainsFunc(heads, func(h orchestrator.NodeHead) bool { return h.Node == node }):
			f.orphan("after %s the resource %s of %s is named by nothing", id, resource.ID, node)
		case !wanted:
			f.orphan("after %s the resource %s of %s is in no graph", id, resource.ID, node)
		case r.Listed() && r.Step.Kind == orchestrator.KindDestroy:
		case !same(attributes, resource.Attributes):
			f.lost("after %s the resource of %s is not as its graph says: %s", id, node, differing(attributes, resource.Attributes))
		}
	}
	if r.Listed() && r.Step.Kind == orchestrator.KindDestroy {
		return
	}
	for _, node := range slices.Sorted(maps.Keys(want)) {
		if there[node] == 0 && !r.excepted(node) {
			f.lost("after %s there is no resource of %s", id, node)
		}
	}
}

func same(a, b any) bool {
	left, errLeft := canonical.JSON(a)
	right, errRight := canonical.JSON(b)
	return errLeft == nil && errRight == nil && string(left) == string(right)
}

// differing names attributes, and no values: some are secret.
func differing(a, b map[string]any) string {
	var names []string
	for name := range a {
		if !same(a[name], b[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// effects are those of an undisturbed run: each node that the deployment brings,
// changes or takes away is created, updated or destroyed once, and no other is
// touched. What a rollback does twice is bounded by what it did once.
func (r Run) effects(f *Findings) {
	done := r.done(f)
	if !r.AsWanted() {
		return
	}
	target := r.Step.Graph
	want := effects(r.Step.Before, target, r.Story.Application, r.Token)
	rolledBack := r.Step.Want == orchestrator.StatusRolledBack
	for _, node := range slices.Sorted(maps.Keys(done)) {
		for _, verb := range []cloud.Verb{cloud.Create, cloud.Update, cloud.Destroy} {
			most := want[node][verb]
			if rolledBack {
				// What was updated is updated back, what was created is destroyed.
				most = want[node][verb] * 2
				if verb == cloud.Destroy {
					most = want[node][cloud.Create]
				}
			}
			if n := done[node][verb]; n > most {
				f.duplicate("%s has the effect %q on %s %d times, want %d", r.Deployment.ID, verb, node, n, most)
			}
		}
	}
	if rolledBack {
		return
	}
	for _, node := range slices.Sorted(maps.Keys(want)) {
		for verb, n := range want[node] {
			if done[node][verb] < n {
				f.lost("%s has no effect %q on %s", r.Deployment.ID, verb, node)
			}
		}
	}
}

// done counts the effects of the deployment, by node.
func (r Run) done(f *Findings) map[string]map[cloud.Verb]int {
	done := map[string]map[cloud.Verb]int{}
	for _, entry := range r.Ledger {
		node, ours := r.node(entry.Key)
		if !ours {
			continue
		}
		if entry.Duplicate {
			f.duplicate("%s made %s of %s, which was there", r.Deployment.ID, entry.ID, node)
		}
		if done[node] == nil {
			done[node] = map[cloud.Verb]int{}
		}
		done[node][entry.Verb]++
	}
	return done
}

// effects of going from one graph to another.
func effects(before, after story.Graph, application, token string) map[string]map[cloud.Verb]int {
	all := map[string]map[cloud.Verb]int{}
	was, will := before.Attributes(application, token), after.Attributes(application, token)
	for node, attributes := range will {
		old, there := was[node]
		switch {
		case !there:
			all[node] = map[cloud.Verb]int{cloud.Create: 1}
		case !same(old, attributes):
			all[node] = map[cloud.Verb]int{cloud.Update: 1}
		}
	}
	for node := range was {
		if _, stays := will[node]; !stays {
			all[node] = map[cloud.Verb]int{cloud.Destroy: 1}
		}
	}
	return all
}

// real looks at the environment's ledger of the OpenTofu nodes.
func (r Run) real(f *Findings, heads []orchestrator.NodeHead) {
	balance := map[string]int{}
	for line := range strings.Lines(r.RealLedger) {
		verb, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "create":
			balance[name]++
		case "destroy":
			balance[name]--
		}
	}
	want := r.settled().RealNames(r.Story.Application)
	for _, name := range slices.Sorted(maps.Keys(balance)) {
		suffix, ours := strings.CutPrefix(name, r.Story.Application+"-")
		node := story.Instance + "." + suffix
		n, wanted := balance[name], slices.Contains(want, name)
		switch {
		case !ours:
		case n > 1: // also one that is listed: it is never created again blindly
			f.duplicate("after %s OpenTofu's %s exists %d times", r.Deployment.ID, name, n)
		case r.excepted(node):
		case n == 1 && !wanted && !slices.ContainsFunc(heads, func(h orchestrator.NodeHead) bool { return h.Node == node }):
			f.orphan("after %s OpenTofu's %s is named by nothing", r.Deployment.ID, name)
		}
	}
	if r.Listed() && r.Step.Kind == orchestrator.KindDestroy {
		return
	}
	for _, name := range want {
		node := story.Instance + "." + strings.TrimPrefix(name, r.Story.Application+"-")
		if balance[name] < 1 && !r.excepted(node) {
			f.lost("after %s OpenTofu's %s is not there", r.Deployment.ID, name)
		}
	}
}

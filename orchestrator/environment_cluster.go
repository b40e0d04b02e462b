// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/internal/suggest"
)

// clusters checks the environment's Kubernetes clusters, and that it has one
// where an engine needs it.
func (c environmentCheck) clusters() {
	spec := c.e.Spec
	names := slices.Sorted(maps.Keys(spec.Clusters))
	for _, name := range names {
		at := manifest.Member("spec.clusters", name)
		if err := catalog.CheckName("cluster", name); err != nil {
			c.report(at, err.Error(), "")
		}
		c.cluster(at, spec.Clusters[name])
	}
	c.defaultCluster(names)
	if len(names) > 0 {
		return
	}
	for i, engine := range spec.Engines {
		if engine == EngineHelm || engine == EngineCrossplane {
			c.report(manifest.Index("spec.engines", i), engine+" works on a Kubernetes cluster, and the environment has none",
				"describe one under spec.clusters, or remove the engine")
		}
	}
}

// defaultCluster checks the name of the cluster that is used where a definition
// names none. Without clusters it is only a word for templates.
func (c environmentCheck) defaultCluster(names []string) {
	name := c.e.Spec.Cluster
	switch {
	case len(names) == 0 || slices.Contains(names, name):
	case name == "" && len(names) == 1:
		c.report("spec.cluster", "missing, expected the cluster that is used where a definition names none", fmt.Sprintf("write %q", names[0]))
	case name == "":
		c.report("spec.cluster", "missing, expected the cluster that is used where a definition names none", "one of "+strings.Join(names, ", "))
	default:
		hint := "one of " + strings.Join(names, ", ")
		if near, ok := suggest.Nearest(name, names); ok {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.report("spec.cluster", fmt.Sprintf("there is no cluster %q under spec.clusters", name), hint)
	}
}

func (c environmentCheck) cluster(at string, cluster Cluster) {
	switch {
	case cluster.Kubeconfig == "" && !cluster.InCluster:
		c.report(at, "expected a kubeconfig or inCluster", "name a secret of the platform as kubeconfig, or set inCluster: true for the worker's own cluster")
	case cluster.Kubeconfig != "" && cluster.InCluster:
		c.report(at, "kubeconfig and inCluster exclude each other", "remove one of them")
	case cluster.InCluster && cluster.Context != "":
		c.report(at+".context", "a context is of a kubeconfig, and there is none", "remove it")
	}
	if cluster.Kubeconfig != "" {
		// Its message does not quote the value, which may be a kubeconfig.
		_, err := secretref.Parse(secretref.Platform, cluster.Kubeconfig)
		var wrong *secretref.Error
		if errors.As(err, &wrong) {
			c.report(at+".kubeconfig", wrong.Message, wrong.Hint+", never the kubeconfig itself")
		}
	}
	c.namespace(at+".namespace", cluster.Namespace)
}

// namespace checks a template for namespaces: with names in the place of its
// placeholders it must be one.
func (c environmentCheck) namespace(at, template string) {
	if template == "" {
		return
	}
	const hint = "the placeholders are {team}, {application} and {environment}"
	filled := strings.NewReplacer("{team}", "t", "{application}", "a", "{environment}", "e").Replace(template)
	if left := regexp.MustCompile(`\{[^}]*\}?`).FindString(filled); left != "" {
		c.report(at, fmt.Sprintf("%q is no placeholder", left), hint)
		return
	}
	if err := catalog.CheckName("namespace", filled); err != nil {
		c.report(at, fmt.Sprintf("%q makes no namespace: it has to become a DNS label", template), hint)
	}
}

// states checks where engines other than Terraform keep their state.
func (c environmentCheck) states() {
	keep := []string{EnginePulumi}
	for _, engine := range slices.Sorted(maps.Keys(c.e.Spec.States)) {
		at := manifest.Member("spec.states", engine)
		near, found := suggest.Nearest(engine, append([]string{EngineTerraform}, keep...))
		switch {
		case slices.Contains(keep, engine):
		case engine == EngineTerraform || found && near == EngineTerraform:
			c.report(at, "Terraform's state has a field of its own", "move it to spec.state")
		case found:
			c.report(at, fmt.Sprintf("engine %q is not known", engine), fmt.Sprintf("did you mean %q?", near))
		case slices.Contains(OfferedEngines(), engine):
			c.report(at, engine+" keeps no state of its own: what it knows is in the cluster", "remove it")
		default:
			c.report(at, fmt.Sprintf("engine %q is not known", engine), "engines with a state: "+strings.Join(keep, ", "))
		}
	}
}

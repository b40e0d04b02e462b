// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/orchestrator"
)

// reach gives an engine that works on Kubernetes access to the environment's
// clusters.
func (s *Steps) reach(ctx context.Context, req *engine.Request, scope orchestrator.Scope, env orchestrator.Environment) error {
	switch s.Engine.Name() {
	case orchestrator.EngineHelm, orchestrator.EngineCrossplane:
	default:
		return nil
	}
	placeholders := strings.NewReplacer(
		"{team}", scope.Team, "{application}", scope.Application, "{environment}", scope.Environment)
	req.Cluster = env.Spec.Cluster
	req.Clusters = make(map[string]engine.Cluster, len(env.Spec.Clusters))
	for name, c := range env.Spec.Clusters {
		namespace := c.Namespace
		if namespace == "" {
			namespace = orchestrator.DefaultClusterNamespace
		}
		cluster := engine.Cluster{
			Context: c.Context, InCluster: c.InCluster, Namespace: placeholders.Replace(namespace),
		}
		if c.Kubeconfig != "" {
			value, err := s.Secrets.Resolve(ctx, secretref.Platform, c.Kubeconfig)
			if err != nil {
				return &inputError{fmt.Errorf("kubeconfig of cluster %s of environment %s: %w", name, env.Metadata.Name, err)}
			}
			cluster.Kubeconfig = []byte(value)
		}
		req.Clusters[name] = cluster
	}
	return nil
}

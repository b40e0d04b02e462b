// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/HatiCode/nestor/bench/cluster"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/orchestrator"
)

//go:embed helm-chart
var helmChart embed.FS

const (
	helmChartDir  = "helm-chart"
	helmNamespace = "default"
	helmTimeout   = time.Minute
)

// helm is a chart with one ConfigMap, in a control plane of its own.
func helm(ctx context.Context, s setup) (contestant, error) {
	files, err := bundle.Pack(helmChart, []string{helmChartDir})
	if err != nil {
		return contestant{}, err
	}
	source, err := fs.Sub(helmChart, helmChartDir)
	if err != nil {
		return contestant{}, err
	}
	if err := os.CopyFS(s.under("chart"), source); err != nil {
		return contestant{}, err
	}
	kube, err := cluster.Start(ctx, s.bin, s.under("kube"), "")
	if err != nil {
		return contestant{}, err
	}
	b := upgrade{setup: s, kubeconfig: kube.Path}
	return contestant{
		definition: catalog.Definition{
			APIVersion: catalog.APIVersion, Kind: catalog.Kind,
			Metadata: catalog.Metadata{Name: "settings", Version: "1.0.0"},
			Spec: catalog.Spec{
				Provider: live.Provider, Category: "settings", ResourceType: "configmap", Engines: []string{orchestrator.EngineHelm},
				Inputs:  []catalog.Field{{Name: "content", Type: catalog.TypeString, Required: true}},
				Outputs: []catalog.Field{{Name: "name", Type: catalog.TypeString}},
				Implementations: map[string]catalog.Implementation{orchestrator.EngineHelm: {
					Module: helmChartDir,
					Settings: map[string]any{
						"namespace": helmNamespace, "outputs": map[string]any{"name": map[string]any{"value": "${release.name}"}},
					},
				}},
			},
		},
		files:       files,
		environment: reach,
		variables:   []string{kubeconfigVariable + "=" + string(kube.Kubeconfig)},
		inputs:      func(name string) map[string]any { return map[string]any{"content": name} },
		bare:        b.run,
		stop:        kube.Stop,
		note:        "install or upgrade with --wait by Helm's own library, one ConfigMap, real API server",
	}, nil
}

// kubeconfigVariable is a credential of the platform.
const kubeconfigVariable = "NESTOR_CREDENTIAL_KUBECONFIG"

// reach adds the control plane to the environment.
func reach(spec *orchestrator.EnvironmentSpec) {
	const name = "bench"
	spec.Cluster = name
	spec.Clusters = map[string]orchestrator.Cluster{name: {Kubeconfig: "secret://env/" + kubeconfigVariable, Namespace: "default"}}
}

// upgrade is Helm without Nestor.
type upgrade struct {
	setup
	kubeconfig string
}

// run does what `helm upgrade --install --wait` does, without starting a
// program.
func (b upgrade) run(ctx context.Context, name string) error {
	flags := genericclioptions.NewConfigFlags(true)
	namespace, cache := helmNamespace, b.under("cache")
	flags.KubeConfig, flags.Namespace, flags.CacheDir = &b.kubeconfig, &namespace, &cache
	config := new(action.Configuration)
	if err := config.Init(flags, namespace, "secret", func(string, ...any) {}); err != nil {
		return fmt.Errorf("helm: %w", err)
	}
	chart, err := loader.LoadDir(b.under("chart"))
	if err != nil {
		return fmt.Errorf("helm: %w", err)
	}
	values := map[string]any{"content": name}
	_, err = config.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		install := action.NewInstall(config)
		install.ReleaseName, install.Namespace, install.Wait, install.Timeout = name, namespace, true, helmTimeout
		if _, err := install.RunWithContext(ctx, chart, values); err != nil {
			return fmt.Errorf("helm install: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("helm: %w", err)
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = namespace, true, helmTimeout
	if _, err := upgrade.RunWithContext(ctx, name, chart, values); err != nil {
		return fmt.Errorf("helm upgrade: %w", err)
	}
	return nil
}

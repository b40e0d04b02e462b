// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

const (
	providerProgram = "crossplane-provider-kubernetes"
	// ProviderConfigName is the provider's configuration for this cluster: the
	// ProviderConfig of kubernetes.crossplane.io, and the
	// ClusterProviderConfig of kubernetes.m.crossplane.io.
	ProviderConfigName = "default"

	clusterGroup    = "kubernetes.crossplane.io"
	namespacedGroup = "kubernetes.m.crossplane.io"
)

// provider makes the objects that compositions ask for, in this cluster.
func (c *ControlPlane) provider() Part {
	ports := c.options.Ports
	return Part{
		Name: "provider-kubernetes", Program: providerProgram,
		Args: []string{
			"--enable-watches", // an Object with spec.watch is looked at when what it made changes
			"--poll=" + pollInterval, fmt.Sprintf("--webhook-port=%d", ports.ProviderWebhook),
			"--health-probe-bind-addr=" + loopback(ports.Provider), "--metrics-bind-address=" + loopback(ports.ProviderMetrics),
		},
		Env: []string{c.home(), "KUBECONFIG=" + c.users.kubeconfig(providerUser), "TLS_SERVER_CERTS_DIR=" + c.keys.server()},
		Prepare: func(ctx context.Context) error {
			if err := c.prepareProvider(ctx); err != nil {
				return fmt.Errorf("prepare the cluster for provider-kubernetes: %w", err)
			}
			return nil
		},
		Ready: c.askProvider,
	}
}

func (c *ControlPlane) prepareProvider(ctx context.Context) error {
	const secret = providerProgram
	if err := c.applyCRDs(ctx, providerProgram, c.convertHere); err != nil {
		return err
	}
	access, err := c.kubeconfig(providerUser)
	if err != nil {
		return err
	}
	config := func(group, kind, plural string) object {
		return object{"/apis/" + group + "/v1alpha1/" + plural + "/" + ProviderConfigName, fields{
			"apiVersion": group + "/v1alpha1", "kind": kind, "metadata": fields{"name": ProviderConfigName},
			"spec": fields{"credentials": fields{"source": "Secret", "secretRef": fields{
				"namespace": crossplaneNamespace, "name": secret, "key": "kubeconfig",
			}}},
		}}
	}
	return c.apply(ctx, append(mayDoAnything(providerUser),
		namespaceObject(crossplaneNamespace),
		object{"/api/v1/namespaces/" + crossplaneNamespace + "/secrets/" + secret, fields{
			"apiVersion": "v1", "kind": "Secret", "metadata": fields{"name": secret, "namespace": crossplaneNamespace},
			"stringData": fields{"kubeconfig": string(access)},
		}},
		config(clusterGroup, "ProviderConfig", "providerconfigs"),
		config(namespacedGroup, "ClusterProviderConfig", "clusterproviderconfigs"),
	)...)
}

// convertHere has a CRD of several versions converted by the provider's own
// process: in a cluster that is a service.
func (c *ControlPlane) convertHere(crd []byte) ([]byte, error) {
	if !strings.Contains(string(crd), "strategy: Webhook") {
		return crd, nil
	}
	var definition fields
	if err := yaml.Unmarshal(crd, &definition); err != nil {
		return nil, fmt.Errorf("read the CRD: %w", err)
	}
	spec, is := definition["spec"].(fields)
	if !is {
		return nil, errors.New("read the CRD: it has no spec")
	}
	authority, err := os.ReadFile(c.keys.authority())
	if err != nil {
		return nil, err
	}
	spec["conversion"] = fields{"strategy": "Webhook", "webhook": fields{
		"conversionReviewVersions": []string{"v1"},
		"clientConfig": fields{
			"url": "https://" + loopback(c.options.Ports.ProviderWebhook) + "/convert", "caBundle": authority,
		},
	}}
	return json.Marshal(definition)
}

// askProvider looks for the workers of both kinds of Object in the provider's
// metrics: it starts them when it has seen the CRDs.
func (c *ControlPlane) askProvider(ctx context.Context) error {
	ports := c.options.Ports
	for _, path := range []string{"/healthz", "/readyz"} {
		if _, err := c.api.plain(ports.Provider).do(ctx, http.MethodGet, path, "", nil); err != nil {
			return err
		}
	}
	metrics, err := c.api.plain(ports.ProviderMetrics).do(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return err
	}
	for _, group := range []string{clusterGroup, namespacedGroup} {
		if !strings.Contains(string(metrics), `controller_runtime_active_workers{controller="managed/object.`+group) {
			return errors.New("the provider does not work on objects of " + group + " yet")
		}
	}
	return nil
}

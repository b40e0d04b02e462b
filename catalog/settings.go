// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// HelmSettings are an implementation's settings for Helm. Strings marked
// "template" may hold "${inputs.<name>}"; see package internal/expand.
//
// A chart comes from Implementation.Module (a chart's directory in the bundle),
// from an OCI registry or from a repository. Inputs become values: under the
// dotted path that Implementation.Inputs maps them to, otherwise under their
// own name, unless Values mentions them.
type HelmSettings struct {
	// Chart is "oci://host/path/name", or a chart's name in Repository; empty
	// with a module.
	Chart string `json:"chart,omitempty"`
	// Repository is the URL of a chart repository.
	Repository string `json:"repository,omitempty"`
	// Version of the chart, exact; required with Chart.
	Version string `json:"version,omitempty"`
	// Cluster of the environment (template); empty means its default one.
	Cluster string `json:"cluster,omitempty"`
	// Namespace of the release (template); empty means the cluster's. It is
	// created when CreateNamespace says so.
	Namespace       string `json:"namespace,omitempty"`
	CreateNamespace bool   `json:"createNamespace,omitempty"`
	// Release is the release's name (template); empty derives it from the
	// node's address.
	Release string `json:"release,omitempty"`
	// Values of the chart (templates).
	Values map[string]any `json:"values,omitempty"`
	// DisableHooks keeps the chart's hooks from running.
	DisableHooks bool `json:"disableHooks,omitempty"`
	// Outputs by declared name.
	Outputs map[string]ObjectOutput `json:"outputs,omitempty"`
}

// CrossplaneSettings are an implementation's settings for Crossplane: one
// claim, composite or managed resource.
type CrossplaneSettings struct {
	// Cluster of the environment (template); empty means its default one.
	Cluster string `json:"cluster,omitempty"`
	// Namespace of the object, where its kind has one (template); empty means
	// the cluster's. It is created when CreateNamespace says so.
	Namespace       string `json:"namespace,omitempty"`
	CreateNamespace bool   `json:"createNamespace,omitempty"`
	// Object is the resource (templates): apiVersion, kind, spec, and what else
	// it needs. Its name is metadata.name, or derived from the node's address.
	Object map[string]any `json:"object"`
	// Outputs by declared name; one that is not listed is status.<name>.
	Outputs map[string]ObjectOutput `json:"outputs,omitempty"`
}

// ObjectOutput says where an output comes from: a template, a field of a
// Kubernetes object, or a key of a connection secret.
type ObjectOutput struct {
	// Value is a template over inputs, "${release.name}", "${release.namespace}"
	// and, for Crossplane, "${object.name}", "${object.namespace}".
	Value any `json:"value,omitempty"`
	// Object to read Path of; nil means Crossplane's own object.
	Object *ObjectReference `json:"object,omitempty"`
	// Path is a JSONPath such as "{.status.endpoint}".
	Path string `json:"path,omitempty"`
	// SecretKey is a key of the secret that spec.writeConnectionSecretToRef
	// names (Crossplane alone).
	SecretKey string `json:"secretKey,omitempty"`
	// Base64 decodes what Path found: a value of a Secret's data.
	Base64 bool `json:"base64,omitempty"`
}

// ObjectReference names a Kubernetes object. Name and Namespace are templates;
// an empty namespace means the release's or the object's.
type ObjectReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace,omitempty"`
}

// PulumiSettings are an implementation's settings for Pulumi. The program is
// Implementation.Module; inputs become its configuration, under the key that
// Implementation.Inputs maps them to, and Implementation.Outputs maps outputs
// to the stack's.
type PulumiSettings struct {
	// Config is set beside the inputs (templates), keys with or without a
	// namespace: "aws:region".
	Config map[string]any `json:"config,omitempty"`
	// Plugins that the program needs: "<name>" → version. They are looked for
	// in the worker's program directories and PATH, then in Pulumi's own home.
	Plugins map[string]string `json:"plugins,omitempty"`
}

// Settings decodes an implementation's settings for an engine, and refuses
// fields that the engine does not know.
func Settings[T HelmSettings | CrossplaneSettings | PulumiSettings](i Implementation) (T, error) {
	var s T
	text, err := json.Marshal(i.Settings)
	if err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

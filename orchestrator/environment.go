// SPDX-License-Identifier: Apache-2.0

// Package orchestrator holds the records of what is deployed where: the
// Environment a platform team owns, the Deployment of one graph, the Plan
// behind it, the NodeHead that is true of one node, and the Events that tell
// the story.
//
// It holds types and their rules. Walking a graph is orchestrator/walk,
// writing these records is orchestrator/registry (nobody else writes them),
// and the names that workflows and activities share are orchestrator/contract.
package orchestrator

// APIVersion and Kind of an environment file.
const (
	APIVersion      = "orchestrator.nestor.io/v1"
	KindEnvironment = "Environment"
)

// Environment is a place to deploy to, owned by the platform team.
type Environment struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Metadata   EnvironmentMetadata `json:"metadata"`
	Spec       EnvironmentSpec     `json:"spec"`
}

// EnvironmentMetadata names an environment.
type EnvironmentMetadata struct {
	Name string `json:"name"` // DNS label
}

// EnvironmentSpec is its content.
type EnvironmentSpec struct {
	Description string `json:"description,omitempty"`
	// Provider and Region that compositions get unless they override them.
	Provider string `json:"provider"`
	Region   string `json:"region,omitempty"`
	// AllowedProviders and AllowedRegions bound a composition's override; empty
	// allows only Provider, and any region.
	AllowedProviders []string `json:"allowedProviders,omitempty"`
	AllowedRegions   []string `json:"allowedRegions,omitempty"`
	// SharedProviders are available beside Provider for any composition, such
	// as "kubernetes". A definition of one of these is used as it is.
	SharedProviders []string `json:"sharedProviders,omitempty"`
	// Cluster is the one of Clusters that is used where a definition names none.
	Cluster string `json:"cluster,omitempty"`
	// Clusters that Helm and Crossplane reach, by name.
	Clusters map[string]Cluster `json:"clusters,omitempty"`
	// Engines that are enabled, in no order: the definition's order decides.
	Engines []string `json:"engines"`
	// State is where Terraform keeps its state.
	State Backend `json:"state,omitempty"`
	// States says the same of other engines that keep one, by engine ("pulumi").
	States map[string]Backend `json:"states,omitempty"`
	// Credentials are set in the environment of engine processes: variable
	// name → reference to a secret of the platform
	// ("secret://env/NESTOR_CREDENTIAL_NAME", "secret://file/_platform/path").
	Credentials map[string]string `json:"credentials,omitempty"`
	// Variables are set there, too: plain settings, which are shown wherever a
	// program repeats them.
	Variables map[string]string `json:"variables,omitempty"`
	// Approvals that a deployment needs beyond its principal's own.
	Approvals Approvals `json:"approvals,omitempty"`
	// After names the environment that comes before this one in the pipeline;
	// empty for the first.
	After string `json:"after,omitempty"`
	// Shared lists "<team>/<application>" whose outputs any team may reference
	// here.
	Shared []string          `json:"shared,omitempty"`
	Labels map[string]string `json:"labels,omitempty"` // seen by templates as .env.labels
	// MaxInFlight bounds the steps of one deployment that run at once;
	// 0 means 200, at most 500.
	MaxInFlight int `json:"maxInFlight,omitempty"`
	// Drift is looked for on a schedule; nil: only when somebody asks.
	Drift *DriftPolicy `json:"drift,omitempty"`
}

// StateOf is where an engine keeps its state.
func (s EnvironmentSpec) StateOf(engine string) Backend {
	if engine == EngineTerraform || engine == EngineFake {
		return s.State
	}
	return s.States[engine]
}

// DefaultClusterNamespace is Cluster.Namespace where it is empty.
const DefaultClusterNamespace = "{team}-{application}"

// Cluster gives access to a Kubernetes cluster.
type Cluster struct {
	// Kubeconfig is a reference to a secret of the platform whose value is the
	// content of a kubeconfig file.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Context of the kubeconfig; empty means its current one.
	Context string `json:"context,omitempty"`
	// InCluster uses the service account of the worker's pod instead.
	InCluster bool `json:"inCluster,omitempty"`
	// Namespace for what names none; it may contain the placeholders "{team}",
	// "{application}" and "{environment}". Empty means "{team}-{application}".
	Namespace string `json:"namespace,omitempty"`
}

// Backend says where an engine keeps its state.
type Backend struct {
	// Type is the engine's own name for it: "local" (the default), "s3", …
	Type string `json:"type,omitempty"`
	// Config is passed to the backend; strings may contain the placeholder
	// "{address}", which becomes the node's state address. For "local", "path"
	// is a directory (default: "state" in the worker's data directory).
	Config map[string]any `json:"config,omitempty"`
}

// Approvals required by an environment.
type Approvals struct {
	Required int `json:"required,omitempty"` // distinct principals besides the one who asked
}

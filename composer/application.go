// SPDX-License-Identifier: Apache-2.0

package composer

// Application is what `nestor generate` finds in one repository, written to
// .nestor/application.yaml. Claims are ordered by instance.
type Application struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Metadata   ApplicationMetadata `json:"metadata"`
	Spec       ApplicationSpec     `json:"spec"`
}

// ApplicationMetadata names the application inside its team.
type ApplicationMetadata struct {
	Name string `json:"name"` // DNS label
	Team string `json:"team"` // DNS label
}

// ApplicationSpec is its content.
type ApplicationSpec struct {
	Claims []Claim `json:"claims"`
}

// Claim is one annotation: a composition with parameters.
type Claim struct {
	Instance    string `json:"instance"` // DNS label; name=… or the composition's name
	Composition string `json:"composition"`
	// Parameters as written; they take their declared types when the release
	// is made.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Environments holds parameters for one environment only, written
	// "production.replicas=5". They win over Parameters.
	Environments map[string]map[string]string `json:"environments,omitempty"`
	File         string                       `json:"file"` // slash-separated, relative to the repository's root
	Line         int                          `json:"line"` // from 1
}

// SPDX-License-Identifier: Apache-2.0

package orchestrator

// MaxAdoptedState bounds the state that an adoption brings along, in bytes.
const MaxAdoptedState = 8 << 20

// Adoption is what a deployment of KindAdopt takes over into one node. It is
// either a state, which holds secrets and is therefore kept aside, sealed, until
// the deployment is over (see registry), or the name of something that exists.
type Adoption struct {
	Node string `json:"node"`
	// State says that a state was handed in.
	State bool `json:"state,omitempty"`
	// Source is the SHA-256 of the state and its moves as they were sealed when
	// the adoption was accepted ("sha256:" and hex): what is approved is what is
	// adopted. It is taken of the ciphertext, which differs with each sealing, so
	// that nobody can try guesses of a state's passwords against it. The registry
	// sets it.
	Source string `json:"source,omitempty"`
	// Reference names what exists: "<namespace>/<release>" for Helm,
	// "<namespace>/<name>" or "<name>" for Crossplane.
	Reference string `json:"reference,omitempty"`
	// AllowChanges accepts what the definition and its inputs make of it: the
	// adoption changes nothing, the next apply does.
	AllowChanges bool `json:"allowChanges,omitempty"`
}

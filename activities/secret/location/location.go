// SPDX-License-Identifier: Apache-2.0

// Package location says where in a source the secrets of an owner lie: below a
// prefix, or in a namespace, that the platform team configures with the
// placeholder "{team}". No two owners have a place in common, whatever the
// teams are called.
package location

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/secretref"
)

// placeholder of the owner's name.
const placeholder = "{team}"

// Prefix is a path with the owner as one of its steps.
type Prefix struct{ template string }

// NewPrefix checks a template such as "nestor/{team}/".
func NewPrefix(template string) (Prefix, error) {
	steps := strings.Split(strings.Trim(template, "/"), "/")
	plain := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	owners := 0
	for _, step := range steps {
		switch {
		case step == placeholder:
			owners++
		case !plain.MatchString(step) || step == "." || step == "..":
			return Prefix{}, fmt.Errorf("%q is no prefix: a step of a path is letters, digits and \"_.-\", or %s alone", template, placeholder)
		}
	}
	if owners != 1 {
		return Prefix{}, fmt.Errorf("%q is no prefix: expected %s as one whole step, as in \"nestor/%s/\", so that each team has its own", template, placeholder, placeholder)
	}
	return Prefix{strings.Join(steps, "/") + "/"}, nil
}

// Of is where a reference leads, without a slash before it.
func (p Prefix) Of(ref secretref.Reference) string {
	return strings.Replace(p.template, placeholder, ref.Owner, 1) + ref.Path
}

// Namespace is where the Secrets of an owner are.
type Namespace struct{ template, platform string }

// NewNamespace checks a template such as "team-{team}", and the platform's own
// namespace, which no team may share.
func NewNamespace(template, platform string) (Namespace, error) {
	label := regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	if strings.Count(template, placeholder) != 1 || !label.MatchString(strings.Replace(template, placeholder, "t", 1)) {
		return Namespace{}, fmt.Errorf("%q is no namespace of a team: expected %s once in it, as in \"team-%s\"", template, placeholder, placeholder)
	}
	if !label.MatchString(platform) {
		return Namespace{}, fmt.Errorf("%q is no namespace", platform)
	}
	return Namespace{template, platform}, nil
}

// Of is an owner's namespace.
func (n Namespace) Of(owner string) (string, error) {
	if owner == secretref.Platform {
		return n.platform, nil
	}
	name := strings.Replace(n.template, placeholder, owner, 1)
	switch {
	case name == n.platform:
		return "", fmt.Errorf("the namespace of team %s would be the platform's, %s; give one of them another name", owner, name)
	case len(name) > 63:
		return "", fmt.Errorf("the namespace of team %s would be %s, which is longer than 63 characters", owner, name)
	case slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, name):
		return "", fmt.Errorf("the namespace of team %s would be %s, which is Kubernetes' own", owner, name)
	}
	return name, nil
}

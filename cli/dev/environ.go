// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"strings"
)

const (
	secretsVariable = "NESTOR_SECRETS_DIR"
	queuesVariable  = "NESTOR_QUEUES"
)

// defaults are variables that the children get where the user has not set them.
func (p *platform) defaults() []string {
	var set []string
	given := p.options.Environ
	if valueOf(given, queuesVariable) == "" {
		set = append(set, queuesVariable+"="+strings.Join(p.queues(), ","))
	}
	if p.cluster != nil && valueOf(given, secretsVariable) == "" {
		set = append(set, secretsVariable+"="+p.data.file(secretsDir))
	}
	return set
}

// queues are those that a worker of this machine can serve. Helm and Crossplane
// need no program; a cluster they need is the environment's to name.
func (p *platform) queues() []string {
	queues := []string{"control", "terraform", "helm", "crossplane"}
	if _, err := p.options.Search.pulumi(); err == nil {
		queues = append(queues, "pulumi")
	}
	return queues
}

// valueOf is the last value of a variable in an environment.
func valueOf(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if is, after, _ := strings.Cut(entry, "="); is == name {
			value = after
		}
	}
	return value
}

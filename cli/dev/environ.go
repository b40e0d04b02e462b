// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"fmt"
	"strings"
)

const (
	secretsVariable = "NESTOR_SECRETS_DIR"
	queuesVariable  = "NESTOR_QUEUES"
)

// codecPath is api.CodecPath, which the CLI does not link for its sake.
const codecPath = "/temporal/codec"

// codec lets the Web UI, under either of its names, have payloads decoded
// without a token: whoever reaches it can read and change all of Temporal, too.
func (p *platform) codec() []string {
	return []string{
		fmt.Sprintf("NESTOR_TEMPORAL_UI=http://127.0.0.1:%d,http://localhost:%d", p.ports.UI, p.ports.UI),
		"NESTOR_CODEC_ACCESS=origin",
	}
}

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

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/workers"
)

// Set by the linker (see the Makefile).
var (
	version = "dev"
	commit  string //nolint:gochecknoglobals // the linker can set nothing else
)

// versionLine is what `nestor-worker version` prints.
func versionLine() string {
	line := "nestor-worker " + version
	if commit != "" {
		line += " (" + commit + ")"
	}
	return line + "\n"
}

// usage is what `nestor-worker --help` prints.
func usage() string {
	variables := [][2]string{
		{"NESTOR_DATA", "directory of the records, blobs and keys; required"},
		{"NESTOR_TEMPORAL_ADDRESS", "Temporal's frontend (" + workers.DefaultTemporalAddress + ")"},
		{"NESTOR_TEMPORAL_NAMESPACE", "namespace of the workflows (" + workers.DefaultNamespace + ")"},
		{"NESTOR_QUEUES", fmt.Sprintf("roles, separated by commas: %s (%s,%s)",
			strings.Join(workers.RoleNames(), ", "), workers.RoleControl, workers.RoleTerraform)},
		{"NESTOR_SLOTS", "steps of any one engine that run at once, at most"},
		{"NESTOR_<ENGINE>_SLOTS", "the same for one engine"},
		{"NESTOR_<ENGINE>_MEMORY", "memory for an engine's steps, such as 2GiB (a share of the machine's)"},
		{"NESTOR_<ENGINE>_CPU", "cores for an engine's steps, such as 1.5 (the machine's)"},
		{"NESTOR_<ENGINE>_STEP_MEMORY", "memory that one step takes"},
		{"NESTOR_<ENGINE>_STEP_CPU", "cores that one step takes"},
		{"NESTOR_SECRETS_DIR", "directory behind secret://file/…, one below it per team"},
		{"NESTOR_SECRET_<TEAM>__<NAME>", "a team's secret, behind secret://env/…"},
		{"NESTOR_CREDENTIAL_<NAME>", "a secret of the platform, behind secret://env/…"},
		{"NESTOR_SECRETS_SOURCES", "more sources, separated by commas: kubernetes, aws-secretsmanager, aws-ssm, vault"},
		{"NESTOR_SECRETS_KUBECONFIG", "cluster of secret://kubernetes/… (the pod's own)"},
		{"NESTOR_SECRETS_KUBERNETES_NAMESPACE", "namespace of a team's Secrets (" + workers.DefaultSecretNamespace + ")"},
		{"NESTOR_SECRETS_KUBERNETES_PLATFORM_NAMESPACE", "of the platform's (" + workers.DefaultPlatformSecretNamespace + ")"},
		{"NESTOR_SECRETS_AWS_PREFIX", "where an owner's secrets and parameters are (" + workers.DefaultAWSPrefix + ")"},
		{"NESTOR_SECRETS_VAULT_PREFIX", "mount and path of an owner's secrets (" + workers.DefaultVaultPrefix + ")"},
		{"NESTOR_SECRETS_VAULT_ROLE", "role of Vault's Kubernetes login (VAULT_TOKEN_FILE, or VAULT_TOKEN)"},
		{"NESTOR_KEYSET", "file of the keys (keyset.json in the data directory)"},
		{"NESTOR_PAYLOAD_ENCRYPTION", "on or off: whether Temporal keeps payloads encrypted (on)"},
		{"NESTOR_BIN", "directories searched for engine programs before PATH"},
		{"NESTOR_PROVIDER_MIRROR", "provider mirror for OpenTofu and Terraform"},
		{"NESTOR_ENGINE_GRACE", fmt.Sprintf("how long engines may take to stop (%s)", workers.DefaultGrace)},
		{"NESTOR_LOG_RETENTION", fmt.Sprintf("how long logs of ended deployments are kept; 0 keeps them (%s)", workers.DefaultLogRetention)},
		{"NESTOR_WORKER_DEPLOYMENT", "name that all versions of the workers share; unset, there are none"},
		{"NESTOR_BUILD_ID", "version of this worker (the program's version and commit)"},
		{"NESTOR_FAKE_WORLD", "address of the fake engine's world, in tests (the data directory)"},
		{"NESTOR_LOG_LEVEL", "debug, info, warn or error (info)"},
	}
	var b strings.Builder
	b.WriteString(`nestor-worker serves Temporal task queues: workflows and records (role control)
and engines. It runs until SIGTERM or Ctrl-C.

Usage:
  nestor-worker            serve
  nestor-worker version    print the version
  nestor-worker help       print this

Versions of the workers, by NESTOR_WORKER_DEPLOYMENT:
`)
	commands := rolloutCommands()
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		fmt.Fprintf(&b, "  nestor-worker %s\n      %s\n", commands[name].usage, commands[name].summary)
	}
	b.WriteString(`
Variables (defaults in parentheses):
`)
	for _, v := range variables {
		fmt.Fprintf(&b, "  %-29s %s\n", v[0], v[1])
	}
	return b.String()
}

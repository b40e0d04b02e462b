// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"fmt"
)

// crossplaneNamespace is Crossplane's own.
const crossplaneNamespace = "crossplane-system"

// pollInterval is how often Crossplane and its provider look at what nobody
// told them about.
const pollInterval = "10s"

func crossplaneProgram(version string) string { return "crossplane-" + version }

// crossplane runs the core controllers. What a pod of it would mount or be
// given by its init container, it gets from files and Prepare. Its webhooks
// (ordering of deletions by Usages alone) are off.
func (c *ControlPlane) crossplane() Part {
	program, ports := crossplaneProgram(c.options.Crossplane), c.options.Ports
	args := []string{
		"core", "start", "--package-runtime=External", "--namespace=" + crossplaneNamespace,
		"--cache-dir=" + c.file("crossplane", "packages"),
		"--tls-server-certs-dir=" + c.keys.server(), "--tls-client-certs-dir=" + c.keys.client(),
		"--enable-webhooks=false", "--poll-interval=" + pollInterval,
		fmt.Sprintf("--health-probe-port=%d", ports.Crossplane), "--metrics-port=0",
	}
	if c.options.Crossplane == CrossplaneV2 {
		// What 2.0 watches of composed resources it reports to a composite
		// without its namespace: a namespaced one hears nothing. Without
		// watches it looks by itself, every second at first.
		args = append(args, "--enable-realtime-compositions=false")
	}
	return Part{
		Name: "crossplane", Program: program, Args: args,
		Env: []string{c.home(), "KUBECONFIG=" + c.users.kubeconfig(crossplaneUser), "POD_NAMESPACE=" + crossplaneNamespace},
		Prepare: func(ctx context.Context) error {
			if err := c.prepareCrossplane(ctx, program); err != nil {
				return fmt.Errorf("prepare the cluster for Crossplane: %w", err)
			}
			return nil
		},
		// Its controllers have worked on what Prepare wrote.
		Ready: c.sawFunction,
	}
}

func (c *ControlPlane) prepareCrossplane(ctx context.Context, program string) error {
	if err := c.applyCRDs(ctx, program, nil); err != nil {
		return err
	}
	if err := c.apply(ctx, append(mayDoAnything(crossplaneUser), namespaceObject(crossplaneNamespace))...); err != nil {
		return err
	}
	return c.registerFunction(ctx)
}

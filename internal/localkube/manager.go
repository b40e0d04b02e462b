// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"fmt"
	"path/filepath"
)

// manager is the controller manager.
func (c *ControlPlane) manager() Part {
	port := c.options.Ports.Manager
	config := c.users.kubeconfig(managerUser)
	return Part{
		Name: "kube-controller-manager", Program: "kube-controller-manager", Env: []string{c.home()},
		Args: []string{
			"--kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--authentication-skip-lookup", // nobody but readiness asks it anything
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
			"--tls-cert-file=" + filepath.Join(c.keys.server(), certificateFile),
			"--tls-private-key-file=" + filepath.Join(c.keys.server(), keyFile),
			"--service-account-private-key-file=" + c.keys.accounts(),
			"--root-ca-file=" + c.keys.authority(),
			"--use-service-account-credentials",
			"--leader-elect=false",
			// It asks for a token per controller when it starts.
			"--kube-api-qps=1000", "--kube-api-burst=1000",
			// Nodes do not come and go here, and none is ever lost.
			"--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
		},
		Ready: func(ctx context.Context) error {
			if err := c.api.at(port).get(ctx, "/healthz", nil); err != nil {
				return err
			}
			// A controller made it: they do not only listen.
			return c.api.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		},
	}
}

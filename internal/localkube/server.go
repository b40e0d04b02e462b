// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"fmt"
	"path/filepath"
)

// issuerURL names the API server in the tokens of service accounts.
const issuerURL = "https://kubernetes.default.svc.cluster.local"

// server is the API server.
func (c *ControlPlane) server() Part {
	ports := c.options.Ports
	args := []string{
		"--etcd-servers=https://" + loopback(ports.Etcd),
		"--etcd-cafile=" + c.keys.authority(),
		"--etcd-certfile=" + filepath.Join(c.keys.client(), certificateFile),
		"--etcd-keyfile=" + filepath.Join(c.keys.client(), keyFile),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports.API),
		// Its own address is on loopback, which no Endpoints may name.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + filepath.Join(c.keys.server(), certificateFile),
		"--tls-private-key-file=" + filepath.Join(c.keys.server(), keyFile),
		"--token-auth-file=" + c.users.file(),
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + issuerURL,
		"--service-account-key-file=" + c.keys.accounts(),
		"--service-account-signing-key-file=" + c.keys.accounts(),
		"--service-cluster-ip-range=10.0.0.0/16",
		"--allow-privileged",
		"--watch-cache=true",
	}
	if c.options.Kwok {
		args = append(args, placingArgs()...)
	}
	return Part{
		Name: "kube-apiserver", Program: "kube-apiserver", Args: args, Env: []string{c.home()},
		// It then has seen etcd, filled its caches and made the roles.
		Ready: func(ctx context.Context) error { return c.api.get(ctx, "/readyz", nil) },
	}
}

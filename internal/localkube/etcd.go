// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"path/filepath"
)

func (c *ControlPlane) etcd() Part {
	ports := c.options.Ports
	client, peer := "https://"+loopback(ports.Etcd), "https://"+loopback(ports.EtcdPeer)
	certificate, key := filepath.Join(c.keys.server(), certificateFile), filepath.Join(c.keys.server(), keyFile)
	args := []string{
		"--name=local", "--data-dir=" + c.file("etcd"), "--log-level=error",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=local=" + peer,
		"--cert-file=" + certificate, "--key-file=" + key,
		"--trusted-ca-file=" + c.keys.authority(), "--client-cert-auth",
		"--peer-cert-file=" + certificate, "--peer-key-file=" + key,
		"--peer-trusted-ca-file=" + c.keys.authority(), "--peer-client-cert-auth",
		// The API server compacts what is old; this gives the space free.
		"--auto-compaction-mode=revision", "--auto-compaction-retention=10000",
	}
	if c.options.Volatile {
		args = append(args, "--unsafe-no-fsync")
	}
	return Part{
		Name: "etcd", Program: "etcd", Args: args, Env: []string{c.home()},
		Ready: func(ctx context.Context) error {
			return c.api.at(ports.Etcd).get(ctx, "/readyz", nil)
		},
	}
}

// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"encoding/base64"
	"fmt"
	"os"

	"github.com/HatiCode/nestor/internal/atomicfile"
)

// ContextName is what the kubeconfigs call the cluster and their context.
const ContextName = "nestor-dev"

// kubeconfigFormat takes the name, the authority, the address and the token.
const kubeconfigFormat = `apiVersion: v1
kind: Config
current-context: %[1]s
clusters:
  - name: %[1]s
    cluster:
      certificate-authority-data: %[2]s
      server: %[3]s
contexts:
  - name: %[1]s
    context: {cluster: %[1]s, user: %[1]s}
users:
  - name: %[1]s
    user: {token: %[4]s}
`

// Kubeconfig is the administrator's. It holds all that it refers to.
func (c *ControlPlane) Kubeconfig() ([]byte, error) { return c.kubeconfig(admin) }

// KubeconfigPath is the file that holds Kubeconfig.
func (c *ControlPlane) KubeconfigPath() string { return c.users.kubeconfig(admin) }

func (c *ControlPlane) kubeconfig(of user) ([]byte, error) {
	authority, err := os.ReadFile(c.keys.authority())
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return fmt.Appendf(nil, kubeconfigFormat, ContextName,
		base64.StdEncoding.EncodeToString(authority), c.Endpoint(), c.users.token(of)), nil
}

func (c *ControlPlane) writeKubeconfigs() error {
	for _, of := range allUsers() {
		content, err := c.kubeconfig(of)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(c.users.kubeconfig(of), content); err != nil {
			return fmt.Errorf("write a kubeconfig: %w", err)
		}
	}
	return nil
}

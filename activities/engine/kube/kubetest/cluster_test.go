// SPDX-License-Identifier: Apache-2.0

package kubetest_test

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/HatiCode/nestor/internal/testkube"
)

func TestMain(m *testing.M) { os.Exit(testkube.Main(m)) }

func cluster(t *testing.T) (*rest.Config, []byte) {
	t.Helper()
	c := testkube.Start(t, testkube.Options{})
	return c.REST(), c.Kubeconfig
}

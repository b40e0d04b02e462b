// SPDX-License-Identifier: Apache-2.0

package testkube

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/HatiCode/nestor/internal/localkube"
)

// Free ports are picked below those that systems give to outgoing connections,
// so that no connection takes one before its process listens there.
const (
	lowestFree = 10000
	countFree  = 20000
	freeTries  = 64
)

// pickPorts sets each port to a free one. All are held until all are known, so
// that no two get the same.
func pickPorts(ctx context.Context, ports []localkube.Port) error {
	var listen net.ListenConfig
	for _, port := range ports {
		var err error
		for range freeTries {
			var listener net.Listener
			number := lowestFree + rand.IntN(countFree) //nolint:gosec // any port will do
			listener, err = listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
			if err == nil {
				defer listener.Close() //nolint:errcheck // nothing was ever accepted on it
				*port.Number = number
				break
			}
		}
		if err != nil {
			return fmt.Errorf("find a free port for %s: %w", port.What, err)
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

// Command nestor-supervisor stands between nestor-worker and an engine's
// program, as package supervise says. nestor-worker can do it itself; this is
// the same in a small program, of which dozens may run at once: it starts in a
// millisecond or two, and takes a tenth of the memory.
package main

import (
	"fmt"
	"os"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

func main() {
	if supervise.Main() {
		return
	}
	fmt.Fprintln(os.Stderr, "nestor-supervisor is started by nestor-worker, with "+supervise.Variable+" set; see nestor-worker --help")
	os.Exit(2)
}

// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"flag"
	"os"
	"testing"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/testkube"
)

func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	flag.Parse()
	// The applications of this test wait for their platform most of the time, so
	// that there may be more of them than processors.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	os.Exit(testkube.Main(m))
}

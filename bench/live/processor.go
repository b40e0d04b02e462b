// SPDX-License-Identifier: Apache-2.0

package live

import (
	"time"

	"github.com/HatiCode/nestor/bench/memory"
)

// Processor is the time that the platform's programs have used so far, by their
// names.
func (p *Platform) Processor() (map[string]time.Duration, error) {
	return memory.Processor(p.command.Process.Pid)
}

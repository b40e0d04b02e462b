// SPDX-License-Identifier: Apache-2.0

package workers

import "go.temporal.io/sdk/worker"

// Options are those of every worker of Nestor that is of no version, before a
// role adds its own. The benchmarks measure bare Temporal with the same.
func Options() worker.Options { return options(Versioning{}) }

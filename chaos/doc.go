// SPDX-License-Identifier: Apache-2.0

// Package chaos holds the harness behind `make chaos`: it runs Nestor's real
// programs, deploys seeded random graphs with them, kills, pauses and cuts off
// what it can meanwhile, and then looks whether anything is doubled, missing,
// left over, locked or leaked.
//
//   - fault: what can be done to a process, a connection and the store;
//   - world: the process that keeps the ledger of side effects;
//   - site: the programs under a small supervisor, and the disturbances;
//   - story: what is deployed, and what the world should look like then;
//   - check: what must be true after each deployment and at the end;
//   - run: the stories side by side, the points, the figures.
//
// It is not a test of single functions, and not for platforms that somebody
// uses: it works in a directory of its own.
package chaos

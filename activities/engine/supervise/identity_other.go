// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package supervise

// bootID is not known here: no process is provably dead then, and leases are
// told to be free by their flock alone.
func bootID() (string, error) { return "", nil }

// pidNamespace is the only one there is.
func pidNamespace() (string, error) { return "all", nil }

// machineID is not known here.
func machineID(string) string { return "" }

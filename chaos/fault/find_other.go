// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package fault

// Below finds nothing here: where processes work is told by Linux alone.
func Below(string) ([]Process, error) { return nil, nil }

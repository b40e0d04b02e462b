// SPDX-License-Identifier: Apache-2.0

package workflows

import "go.temporal.io/sdk/workflow"

// A workflow outlives the program that began it. Two things keep it whole, and
// each workflow is registered with the one that it needs:
//
//   - A run that comes to an end stays with the version of the workers that it
//     began on (stays). An operator may move one to another version, if its
//     history replays there: `nestor-worker move` finds out.
//   - A run that has no end of its own moves on to each new version (movesOn),
//     in the middle of its history.
//
// Without Worker Versioning every run is of the second kind.
//
// So a change that alters the commands of a released workflow is guarded:
//
//	if workflow.GetVersion(ctx, changeX, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
//		… as it was …
//	} else {
//		… as it is now …
//	}
//
// The rules of such a change:
//
//   - Its id is a constant in this file, named change… after what is different,
//     with a comment that says what is and since which release. It is never used
//     for anything else, also when the guard has long gone.
//   - A further change at the same place raises the number; it takes no new id.
//   - GetVersion is asked at the place of the change, not in advance: what is
//     asked before the change is reached decides for runs that are not there yet.
//     In a loop it answers the same in each round of a run.
//   - The branch for DefaultVersion goes once no run can need it: no open run is
//     older (`nestor-worker versions`), and no release that may be upgraded from
//     has recorded histories without the change. Then the folder of that release
//     goes from testdata/history, too.
//   - The histories of a release are recorded when it is made, by
//     `make histories RELEASE=…`, and never again afterwards.
//
// No change is guarded so far: 0.1.0 is the first release.

// stays registers a workflow whose runs end on the version that they began on,
// also across continue-as-new.
func stays(name string) workflow.RegisterOptions {
	return workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned}
}

// movesOn registers a workflow whose runs go on with each version that becomes
// the current one.
func movesOn(name string) workflow.RegisterOptions {
	return workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade}
}

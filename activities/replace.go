// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// replacing are digests of the resources that a preview replaces, as they are now;
// an empty one for what the engine cannot tell of.
func replacing(p engine.Preview) []string {
	var out []string
	for _, change := range p.Changes {
		if change.Action != orchestrator.ActionReplace {
			continue
		}
		digest := ""
		if now, told := p.Instances[change.Address]; told {
			digest = instanceDigest(change.Address, now)
		}
		out = append(out, digest)
	}
	return out
}

// allThere says that everything which was to be replaced is there as it was: the
// engine was refused before it took anything away. It must have ended by itself, so
// that what it has seen is what is there.
func (j *job) allThere(seen engine.Observation) bool {
	replacing := j.attempt.Run.Replacing
	if j.attempt.Head == nil || j.attempt.Head.Creating != 0 {
		return false
	}
	there := make(map[string]bool, len(seen.Instances))
	for address, now := range seen.Instances {
		there[instanceDigest(address, now)] = true
	}
	for _, digest := range replacing {
		if !there[digest] {
			return false
		}
	}
	return len(replacing) > 0
}

// madeAgain says that a step replaced something. A restoration that creates something
// has found less than allThere did.
func (j *job) madeAgain(counts orchestrator.Counts) bool {
	run := j.attempt.Run
	back := j.in.Action == orchestrator.StepRestore && len(run.Replacing) > 0
	return run.Replaced || counts.Replace > 0 || back && counts.Create > 0
}

func instanceDigest(address, instance string) string {
	sum := sha256.Sum256([]byte(address + "\x00" + instance))
	return hex.EncodeToString(sum[:])
}

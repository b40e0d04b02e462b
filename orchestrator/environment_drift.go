// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron"

	"github.com/HatiCode/nestor/catalog"
)

// DriftPolicy says when an environment is compared with what is deployed in it,
// and what follows from a difference.
type DriftPolicy struct {
	Schedule DriftSchedule `json:"schedule"`
	// Policy is DriftReport (the default) or DriftRepair.
	Policy DriftAction `json:"policy,omitempty"`
	// Jitter delays each round by a random time up to this, so that environments
	// with one schedule do not begin together.
	Jitter catalog.Duration `json:"jitter,omitempty"`
}

// DriftSchedule has one of its fields.
type DriftSchedule struct {
	Every catalog.Duration `json:"every,omitempty"`
	// Cron has five fields: minute, hour, day of the month, month and day of
	// the week; in UTC.
	Cron string `json:"cron,omitempty"`
}

func (s DriftSchedule) String() string {
	if s.Cron != "" {
		return "at " + s.Cron
	}
	return "every " + time.Duration(s.Every).String()
}

// DriftAction is what follows from drift that was found on schedule.
type DriftAction string

// The choices.
const (
	// DriftReport tells of it.
	DriftReport DriftAction = "report"
	// DriftRepair queues a deployment of the release that is deployed, bound to
	// what the check has shown; the environment's approvals hold for it.
	DriftRepair DriftAction = "repair"
)

// Repairs says that drift found on schedule shall be repaired.
func (p *DriftPolicy) Repairs() bool { return p != nil && p.Policy == DriftRepair }

// Bounds of EnvironmentSpec.Drift.
const (
	minDriftInterval = time.Minute
	maxDriftInterval = 31 * 24 * time.Hour
)

func (c environmentCheck) drift() {
	policy := c.e.Spec.Drift
	if policy == nil {
		return
	}
	every, expression := time.Duration(policy.Schedule.Every), policy.Schedule.Cron
	switch {
	case every == 0 && expression == "":
		c.report("spec.drift.schedule", "missing, expected every or cron", "such as {every: 6h}; leave spec.drift out to look for drift only with `nestor drift`")
	case every != 0 && expression != "":
		c.report("spec.drift.schedule", "every and cron exclude each other", "remove one of them")
	case expression != "":
		if err := checkCron(expression); err != nil {
			c.report("spec.drift.schedule.cron", err.Error(), `write five fields in UTC: minute, hour, day of the month, month and day of the week, such as "0 */6 * * *"`)
		}
	case every < minDriftInterval || every > maxDriftInterval:
		c.report("spec.drift.schedule.every", fmt.Sprintf("%s is not between %s and %s", every, minDriftInterval, maxDriftInterval), "")
	}
	switch policy.Policy {
	case "", DriftReport, DriftRepair:
	default:
		c.report("spec.drift.policy", fmt.Sprintf("%q is unknown", policy.Policy), "expected report or repair")
	}
	if jitter := time.Duration(policy.Jitter); every > 0 && jitter > every || jitter > maxDriftInterval {
		c.report("spec.drift.jitter", fmt.Sprintf("%s is longer than the time between two rounds", jitter), "")
	}
}

// checkCron takes what Temporal takes of cron's usual form, and no more: what
// is only known to one of the two would be found out too late.
func checkCron(expression string) error {
	const fields = 5
	if n := len(strings.Fields(expression)); n != fields {
		return fmt.Errorf("%q has %d field(s), expected %d", expression, n, fields)
	}
	if strings.ContainsAny(expression, "=@#?") {
		return fmt.Errorf("%q has something other than numbers, names, *, -, / and commas", expression)
	}
	if _, err := cron.ParseStandard(expression); err != nil {
		return fmt.Errorf("%q is no cron expression: %w", expression, err)
	}
	return nil
}

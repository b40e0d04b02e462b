// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A saved plan is in the workspace, as a file whose name is the preview's token:
// what Pulumi is held to, and the checkpoint that it was made for.
const (
	planPrefix   = "plan-"
	planSuffix   = ".json"
	statedSuffix = ".state"
	keepPlans    = 4
)

// unchanged is the token of a preview that needs no run of the program.
const unchanged = "unchanged"

// plan is Pulumi's update plan as far as this engine looks at it.
type plan struct {
	Resources map[string]struct {
		Goal *struct {
			Dependencies map[string][]string `json:"propertyDependencies"`
		} `json:"goal"`
		State map[string]any `json:"state"`
	} `json:"resourcePlans"`
}

func readPlan(path string) (plan, error) {
	var p plan
	text, err := os.ReadFile(path) //nolint:gosec // inside the workspace
	if err == nil {
		err = decode(text, &p)
	}
	return p, err
}

// dependencies by URN and property.
func (p plan) dependencies() map[string]map[string][]string {
	out := map[string]map[string][]string{}
	for urn, r := range p.Resources {
		if r.Goal != nil {
			out[urn] = r.Goal.Dependencies
		}
	}
	return out
}

// newPlan is a file of this user alone, for Pulumi to write a plan into.
func (n *node) newPlan() (string, error) {
	if err := n.prunePlans(); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(n.req.Workspace, planPrefix+"*"+planSuffix)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// savedPlan is the path of a token's plan. A token is a file's name in this
// workspace, nothing else.
func (n *node) savedPlan(token string) (string, error) {
	if filepath.Base(token) != token || !strings.HasPrefix(token, planPrefix) || !strings.HasSuffix(token, planSuffix) {
		return "", invalid("preview token %q is none of this engine", token)
	}
	path := n.path(token)
	if _, err := os.Stat(path); err != nil {
		return "", overtaken("the previewed plan is gone")
	}
	return path, nil
}

func dropPlan(path string) error {
	return errors.Join(os.RemoveAll(path), os.RemoveAll(path+statedSuffix))
}

// prunePlans removes all but the newest saved plans.
func (n *node) prunePlans() error {
	plans, err := filepath.Glob(n.path(planPrefix + "*" + planSuffix))
	if err != nil {
		return err
	}
	age := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(plans, func(a, b string) int { return int(min(max(age(b)-age(a), -1), 1)) })
	for _, path := range plans[min(len(plans), keepPlans-1):] {
		if err := dropPlan(path); err != nil {
			return err
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/activities/engine/program"
)

// programKind is what to look for. terraform-exec tells the number of a version,
// but not which of the two programs it is.
func programKind() program.Kind {
	printedVersion := regexp.MustCompile(`(?m)^(OpenTofu|Terraform) v(\S+)`)
	return program.Kind{
		Engine: Name, Wanted: "OpenTofu 1.6 or newer, or Terraform 1.5 or newer", Names: []string{"tofu", "terraform"},
		Env: []string{"CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE=" + os.DevNull},
		Parse: func(printed string) (product, version string, err error) {
			m := printedVersion.FindStringSubmatch(printed)
			if m == nil {
				return "", "", errors.New("which is neither OpenTofu nor Terraform")
			}
			return strings.ToLower(m[1]), m[2], nil
		},
		Fits: func(product string, v *semver.Version) string {
			least := semver.New(1, 6, 0, "", "")
			if product == "terraform" {
				least = semver.New(1, 5, 0, "", "")
			}
			if v.LessThan(least) {
				return "too old"
			}
			return ""
		},
	}
}

// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"errors"
	"os"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/activities/engine/program"
)

// programKind is what to look for: from 3.206 on events come without a
// file, and update plans know refreshes.
func programKind() program.Kind {
	least := semver.New(3, 206, 0, "", "")
	return program.Kind{
		Engine: Name, Wanted: "Pulumi 3.206 or newer (below 4)", Names: []string{Name},
		Env: []string{"HOME=" + os.TempDir(), "PULUMI_SKIP_UPDATE_CHECK=true"},
		Parse: func(printed string) (product, version string, err error) {
			version, isVersion := strings.CutPrefix(strings.TrimSpace(printed), "v")
			if !isVersion {
				return "", "", errors.New("which is no Pulumi")
			}
			return Name, version, nil
		},
		Fits: func(_ string, v *semver.Version) string {
			switch {
			case v.LessThan(least):
				return "too old"
			case v.Major() > least.Major():
				return "too new"
			}
			return ""
		},
	}
}

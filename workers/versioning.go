// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/worker"
)

// Versioning says which version of which worker deployment a process is. A
// deployment that runs stays with the version that began it; see ADR 31.
type Versioning struct {
	// Deployment is the name that all versions share; empty: the process is of
	// no version, as under `nestor dev`.
	Deployment string
	// BuildID of the process; two programs with the same one must behave the
	// same.
	BuildID string
}

// maxVersioningName is well below what Temporal takes by default.
const maxVersioningName = 255

// VersioningFromEnv reads NESTOR_WORKER_DEPLOYMENT and NESTOR_BUILD_ID; build is
// the program's own build id, empty when it does not know it.
func VersioningFromEnv(getenv func(string) string, build string) (Versioning, error) {
	v := Versioning{Deployment: getenv("NESTOR_WORKER_DEPLOYMENT"), BuildID: or(getenv("NESTOR_BUILD_ID"), build)}
	if !v.Enabled() {
		return Versioning{}, nil
	}
	var errs []error
	if strings.ContainsAny(v.Deployment, ".:'\n") || strings.HasPrefix(v.Deployment, "__") || len(v.Deployment) > maxVersioningName {
		errs = append(errs, fmt.Errorf("NESTOR_WORKER_DEPLOYMENT: %q is no name of a worker deployment; use at most %d bytes without '.', ':' and quotes that do not begin with \"__\"",
			v.Deployment, maxVersioningName))
	}
	switch {
	case v.BuildID == "":
		errs = append(errs, errors.New("NESTOR_BUILD_ID is not set, and this program was built without a version; set it to what tells this build from every other"))
	case strings.HasPrefix(v.BuildID, "__") || strings.ContainsAny(v.BuildID, "'\n") || len(v.BuildID) > maxVersioningName:
		errs = append(errs, fmt.Errorf("NESTOR_BUILD_ID: %q is no build id; use at most %d bytes without quotes that do not begin with \"__\"", v.BuildID, maxVersioningName))
	}
	return v, errors.Join(errs...)
}

// Enabled says that the process is of a version.
func (v Versioning) Enabled() bool { return v.Deployment != "" }

// Version as Temporal names it.
func (v Versioning) Version() worker.WorkerDeploymentVersion {
	return worker.WorkerDeploymentVersion{DeploymentName: v.Deployment, BuildID: v.BuildID}
}

// options for a worker. There is no behavior by default: package workflows says
// of each workflow what a new version means to it.
func (v Versioning) options() worker.DeploymentOptions {
	if !v.Enabled() {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{UseVersioning: true, Version: v.Version()}
}

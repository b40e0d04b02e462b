// SPDX-License-Identifier: Apache-2.0

package workers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/workers"
)

func TestVersioningFromEnv(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		deployment, id, build string
		want                  workers.Versioning
		fails, reason         string
	}{
		"none":          {build: "1.0", id: "x", reason: "without a name there are no versions"},
		"program's own": {deployment: "nestor", build: "1.0", want: workers.Versioning{Deployment: "nestor", BuildID: "1.0"}, reason: "a program knows its build"},
		"set":           {deployment: "nestor", id: "x", build: "1.0", want: workers.Versioning{Deployment: "nestor", BuildID: "x"}, reason: "the operator knows better"},
		"unknown build": {deployment: "nestor", fails: "NESTOR_BUILD_ID is not set", reason: "two builds must not pass for one"},
		"dotted name":   {deployment: "nestor.prod", build: "1.0", fails: `NESTOR_WORKER_DEPLOYMENT: "nestor.prod"`, reason: "Temporal joins name and build with it"},
		"quoted id":     {deployment: "nestor", id: "it's", fails: `NESTOR_BUILD_ID: "it's"`, reason: "it goes into queries"},
		"quoted name":   {deployment: "it's", id: "1", fails: `NESTOR_WORKER_DEPLOYMENT: "it's"`, reason: "it goes into queries, too"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"NESTOR_WORKER_DEPLOYMENT": test.deployment, "NESTOR_BUILD_ID": test.id}
			got, err := workers.VersioningFromEnv(func(name string) string { return env[name] }, test.build)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("%s: %v, want %s", test.reason, err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

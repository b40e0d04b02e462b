// SPDX-License-Identifier: Apache-2.0

package workers_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/workers"
)

func defaults() workers.Config {
	return workers.Config{
		DataDir: "data", TemporalAddress: "127.0.0.1:7233", TemporalNamespace: "default",
		Roles:        []string{workers.RoleControl, workers.RoleTerraform},
		LogRetention: 720 * time.Hour, Grace: time.Minute, LeaseTTL: 15 * time.Second, PayloadEncryption: true,
	}
}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env    map[string]string
		want   func(*workers.Config)
		reason string
	}{
		"defaults": {env: nil, want: func(*workers.Config) {}, reason: "a data directory is all it needs"},
		"all": {
			env: map[string]string{
				"NESTOR_TEMPORAL_ADDRESS": "temporal:7233", "NESTOR_TEMPORAL_NAMESPACE": "infra",
				"NESTOR_QUEUES": "fake", "NESTOR_SLOTS": "7", "NESTOR_SECRETS_DIR": "secrets",
				"NESTOR_BIN": "one" + string(filepath.ListSeparator) + "two", "NESTOR_PROVIDER_MIRROR": "mirror",
				"NESTOR_LOG_RETENTION": "90m", "NESTOR_ENGINE_GRACE": "5s",
			},
			want: func(c *workers.Config) {
				c.TemporalAddress, c.TemporalNamespace, c.Roles, c.Slots = "temporal:7233", "infra", []string{workers.RoleFake}, 7
				c.SecretsDir, c.BinDirs, c.MirrorDir = "secrets", []string{"one", "two"}, "mirror"
				c.LogRetention, c.Grace = 90*time.Minute, 5*time.Second
			},
			reason: "each variable counts",
		},
		"untidy queues": {
			env:    map[string]string{"NESTOR_QUEUES": " terraform, ,control,terraform,"},
			want:   func(c *workers.Config) { c.Roles = []string{workers.RoleTerraform, workers.RoleControl} },
			reason: "spaces, holes and repetitions do no harm",
		},
		"keys": {
			env:  map[string]string{"NESTOR_KEYSET": "keys.json", "NESTOR_PAYLOAD_ENCRYPTION": "off"},
			want: func(c *workers.Config) { c.Keyset, c.PayloadEncryption = "keys.json", false }, reason: "Temporal may be trusted with payloads",
		},
		"logs for ever": {
			env: map[string]string{"NESTOR_LOG_RETENTION": "0"}, want: func(c *workers.Config) { c.LogRetention = 0 },
			reason: "0 keeps them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := workers.FromEnv(func(variable string) string {
				if variable == "NESTOR_DATA" {
					return "data"
				}
				return tc.env[variable]
			})
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tc.want(&want)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(workers.Config{}, "Admission", "Secrets")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFromEnvRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env    map[string]string
		want   []string
		reason string
	}{
		"no data":      {map[string]string{"NESTOR_DATA": ""}, []string{"NESTOR_DATA is not set"}, "nothing to work on"},
		"queue":        {map[string]string{"NESTOR_QUEUES": "control,terrafrom"}, []string{`NESTOR_QUEUES: "terrafrom" is unknown`, "control, crossplane, fake, helm, pulumi, terraform"}, "a misspelt queue"},
		"no queue":     {map[string]string{"NESTOR_QUEUES": " , "}, []string{"NESTOR_QUEUES names no queue"}, "a worker that serves nothing"},
		"no slots":     {map[string]string{"NESTOR_SLOTS": "0"}, []string{`NESTOR_SLOTS: "0"`}, "nothing could run"},
		"slots":        {map[string]string{"NESTOR_SLOTS": "many"}, []string{`NESTOR_SLOTS: "many"`}, "no number"},
		"retention":    {map[string]string{"NESTOR_LOG_RETENTION": "30 days"}, []string{`NESTOR_LOG_RETENTION: "30 days"`, "720h"}, "no duration"},
		"less than no": {map[string]string{"NESTOR_LOG_RETENTION": "-1h"}, []string{`NESTOR_LOG_RETENTION: "-1h"`}, "it would prune what is to come"},
		"grace":        {map[string]string{"NESTOR_ENGINE_GRACE": "-1s"}, []string{`NESTOR_ENGINE_GRACE: "-1s"`}, "no duration"},
		"all at once": {
			map[string]string{"NESTOR_DATA": "", "NESTOR_SLOTS": "-2", "NESTOR_QUEUES": "x"},
			[]string{"NESTOR_DATA", "NESTOR_SLOTS", "NESTOR_QUEUES"},
			"nobody wants to start it three times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := workers.FromEnv(func(variable string) string {
				if value, set := tc.env[variable]; set || variable != "NESTOR_DATA" {
					return value
				}
				return "data"
			})
			if err == nil {
				t.Fatalf("%s: accepted", tc.reason)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not hold %q", tc.reason, err, want)
				}
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package workers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/workers"
)

func TestSecretsFromEnv(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env    map[string]string
		want   []secretref.Source
		aws    string // where alpha's db is
		fails  string
		reason string
	}{
		"none": {nil, nil, "nestor/alpha/db", "", "environment and files are always there"},
		"all": {
			map[string]string{"NESTOR_SECRETS_SOURCES": "kubernetes, aws-ssm,aws-secretsmanager,vault", "VAULT_ADDR": "https://vault", "NESTOR_SECRETS_AWS_PREFIX": "teams/{team}/nestor"},
			[]secretref.Source{secretref.Kubernetes, secretref.SSM, secretref.SecretsManager, secretref.Vault},
			"teams/alpha/nestor/db", "", "each is asked for by name",
		},
		"unknown":    {map[string]string{"NESTOR_SECRETS_SOURCES": "gopher"}, nil, "", `NESTOR_SECRETS_SOURCES: "gopher" is unknown`, "a slip must not go unnoticed"},
		"no address": {map[string]string{"NESTOR_SECRETS_SOURCES": "vault"}, nil, "", "VAULT_ADDR is not set", "Vault's own default is nobody's Vault"},
		"shared":     {map[string]string{"NESTOR_SECRETS_VAULT_PREFIX": "secret/nestor/"}, nil, "", "NESTOR_SECRETS_VAULT_PREFIX", "all teams would share it"},
		"namespace":  {map[string]string{"NESTOR_SECRETS_KUBERNETES_NAMESPACE": "teams"}, nil, "", "NESTOR_SECRETS_KUBERNETES_NAMESPACE", "all teams would share it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := workers.FromEnv(func(variable string) string {
				if variable == "NESTOR_DATA" {
					return "data"
				}
				return tc.env[variable]
			})
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("%s: got %v, want %q", tc.reason, err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Secrets.Offered); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if at := got.Secrets.AWS.Prefix.Of(secretref.Reference{Owner: "alpha", Path: "db"}); at != tc.aws {
				t.Errorf("%s: alpha's db is at %q, want %q", tc.reason, at, tc.aws)
			}
		})
	}
}

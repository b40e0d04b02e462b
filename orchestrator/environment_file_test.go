// SPDX-License-Identifier: Apache-2.0

package orchestrator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
)

const staging = `apiVersion: orchestrator.nestor.io/v1
kind: Environment
metadata: {name: staging}
spec:
  description: for tests
  provider: aws
  region: us-west-2
  allowedProviders: [aws, gcp]
  allowedRegions: [us-west-2, us-central1]
  sharedProviders: [kubernetes]
  cluster: main
  engines: [terraform]
  state: {type: s3, config: {bucket: state, key: "{address}"}}
  credentials: {AWS_PROFILE: "secret://env/NESTOR_CREDENTIAL_AWS"}
  approvals: {required: 1}
  after: dev
  shared: [alpha/network]
  labels: {tier: test}
  maxInFlight: 50
`

func TestParseEnvironments(t *testing.T) {
	t.Parallel()
	second := strings.NewReplacer("name: staging", "name: production", "after: dev", "after: staging").Replace(staging)
	got, err := orchestrator.ParseEnvironments("environments.yaml", []byte(staging+"---\n"+second))
	if err != nil {
		t.Fatal(err)
	}
	want := orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec: orchestrator.EnvironmentSpec{
			Description: "for tests", Provider: "aws", Region: "us-west-2",
			AllowedProviders: []string{"aws", "gcp"}, AllowedRegions: []string{"us-west-2", "us-central1"},
			SharedProviders: []string{"kubernetes"}, Cluster: "main", Engines: []string{"terraform"},
			State:       orchestrator.Backend{Type: "s3", Config: map[string]any{"bucket": "state", "key": "{address}"}},
			Credentials: map[string]string{"AWS_PROFILE": "secret://env/NESTOR_CREDENTIAL_AWS"},
			Approvals:   orchestrator.Approvals{Required: 1}, After: "dev", Shared: []string{"alpha/network"},
			Labels: map[string]string{"tier": "test"}, MaxInFlight: 50,
		},
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(got) != 2 || got[1].Metadata.Name != "production" || got[1].Spec.After != "staging" {
		t.Errorf("the second document: %+v", got[1:])
	}
}

func TestParseEnvironmentsRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		old, new string
		text     string // instead of a change
		want     []string
		reason   string
	}{
		"empty":            {text: "# nothing\n", want: []string{"e.yaml:1:1:", "holds no Environment", "kind: Environment"}, reason: "nothing in it"},
		"malformed":        {text: "kind: [", want: []string{"e.yaml:1:"}, reason: "no YAML"},
		"kind":             {old: "kind: Environment", new: "kind: Environments", want: []string{"e.yaml:2:7: kind: expected Environment", `"Environments"`}, reason: "another kind"},
		"apiVersion":       {old: "nestor.io/v1", new: "nestor.io/v2", want: []string{"e.yaml:1:13: apiVersion: expected orchestrator.nestor.io/v1"}, reason: "another version"},
		"name":             {old: "name: staging", new: "name: ../up", want: []string{"e.yaml:3:18: metadata.name", "not a DNS label"}, reason: "names become paths"},
		"no name":          {old: "{name: staging}", new: "{}", want: []string{"e.yaml:3:", "environment name is missing"}, reason: "a name is needed"},
		"unknown field":    {old: "  cluster: main", new: "  clutser: main", want: []string{"e.yaml:11:", "clutser", "cluster"}, reason: "a misspelt field"},
		"duplicate key":    {old: "  cluster: main", new: "  region: elsewhere", want: []string{"e.yaml:11:", "region"}, reason: "which one is meant"},
		"mistyped":         {old: "maxInFlight: 50", new: "maxInFlight: many", want: []string{"e.yaml:19:", "spec.maxInFlight"}, reason: "no number"},
		"after":            {old: "after: dev", new: "after: DEV", want: []string{"e.yaml:16:10: spec.after", "DNS label"}, reason: "no name"},
		"after itself":     {old: "after: dev", new: "after: staging", want: []string{"e.yaml:16:10: spec.after", "after itself"}, reason: "a cycle of one"},
		"provider":         {old: "  provider: aws\n", new: "", want: []string{"spec.provider: missing"}, reason: "compositions need one"},
		"own provider":     {old: "[aws, gcp]", new: "[gcp]", want: []string{"spec.allowedProviders", `"aws"`, "add it"}, reason: "it would allow all but its own"},
		"own region":       {old: "[us-west-2, us-central1]", new: "[us-central1]", want: []string{"spec.allowedRegions", `"us-west-2"`}, reason: "it would allow all but its own"},
		"no engines":       {old: "  engines: [terraform]\n", new: "", want: []string{"spec.engines: missing", "terraform"}, reason: "nothing could act"},
		"unknown engine":   {old: "[terraform]", new: "[teraform]", want: []string{"e.yaml:12:13: spec.engines[0]", `did you mean "terraform"?`}, reason: "a misspelt engine"},
		"no such engine":   {old: "[terraform]", new: "[terraform, pulumi]", want: []string{"e.yaml:12:24: spec.engines[1]: this version of Nestor has no engine pulumi yet; it runs terraform (remove it"}, reason: "nothing would ever run its steps"},
		"engine twice":     {old: "[terraform]", new: "[terraform, fake, terraform]", want: []string{"spec.engines[2]", "listed already"}, reason: "once is enough"},
		"variable":         {old: "AWS_PROFILE:", new: "AWS-PROFILE:", want: []string{"no name of an environment variable"}, reason: "no variable has that name"},
		"secret in clear":  {old: "secret://env/NESTOR_CREDENTIAL_AWS", new: "hunter2", want: []string{"spec.credentials.AWS_PROFILE", "no reference to a secret", "never the secret itself"}, reason: "a pasted secret"},
		"team's secret":    {old: "env/NESTOR_CREDENTIAL_AWS", new: "env/NESTOR_SECRET_ALPHA__AWS", want: []string{"spec.credentials.AWS_PROFILE", "is not the platform's", "secret://env/NESTOR_CREDENTIAL_<NAME> or secret://file/_platform/<path>"}, reason: "an environment serves all teams"},
		"team's file":      {old: "env/NESTOR_CREDENTIAL_AWS", new: "file/platform/aws", want: []string{"spec.credentials.AWS_PROFILE", "is not the platform's"}, reason: "a team may be called platform"},
		"shared":           {old: "[alpha/network]", new: "[network]", want: []string{"spec.shared[0]", "<team>/<application>"}, reason: "whose network"},
		"shared path":      {old: "[alpha/network]", new: "[alpha/network/x]", want: []string{"spec.shared[0]"}, reason: "two parts"},
		"approvals":        {old: "required: 1", new: "required: -1", want: []string{"spec.approvals.required: -1 is not between 0 and 20"}, reason: "less than none"},
		"too many at once": {old: "maxInFlight: 50", new: "maxInFlight: 501", want: []string{"spec.maxInFlight: 501 is not between 0 (the default) and 500"}, reason: "above the limit"},
		"twice":            {text: staging + "---\n" + staging, want: []string{"e.yaml:23:18: metadata.name", `"staging" is in this file already`}, reason: "which one is meant"},
		"all at once": {
			text: strings.NewReplacer("name: staging", "name: A", "provider: aws\n", "provider: \"\"\n", "maxInFlight: 50", "maxInFlight: -1").Replace(staging),
			want: []string{"metadata.name", "spec.provider", "spec.maxInFlight"}, reason: "nobody wants to run it three times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := tc.text
			if text == "" {
				if text = strings.Replace(staging, tc.old, tc.new, 1); text == staging {
					t.Fatalf("%q is not in the file", tc.old)
				}
			}
			got, err := orchestrator.ParseEnvironments("e.yaml", []byte(text))
			var problems manifest.Problems
			if !errors.As(err, &problems) || got != nil {
				t.Fatalf("%s: got %v, %v", tc.reason, got, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q is not in\n%v", tc.reason, want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the message repeats a secret")
			}
		})
	}
}

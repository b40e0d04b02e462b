// SPDX-License-Identifier: Apache-2.0

package orchestrator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
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
  clusters:
    main: {kubeconfig: "secret://file/_platform/main", context: admin, namespace: "{team}-{application}-{environment}"}
    edge: {inCluster: true}
  engines: [terraform]
  state: {type: s3, config: {bucket: state, key: "{address}"}}
  states: {pulumi: {type: "s3://pulumi"}}
  credentials: {AWS_PROFILE: "secret://env/NESTOR_CREDENTIAL_AWS"}
  approvals: {required: 1}
  after: dev
  shared: [alpha/network]
  labels: {tier: test}
  maxInFlight: 50
  drift: {schedule: {every: 6h}, policy: repair, jitter: 10m}
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
			Clusters: map[string]orchestrator.Cluster{
				"main": {Kubeconfig: "secret://file/_platform/main", Context: "admin", Namespace: "{team}-{application}-{environment}"},
				"edge": {InCluster: true},
			},
			States:      map[string]orchestrator.Backend{"pulumi": {Type: "s3://pulumi"}},
			State:       orchestrator.Backend{Type: "s3", Config: map[string]any{"bucket": "state", "key": "{address}"}},
			Credentials: map[string]string{"AWS_PROFILE": "secret://env/NESTOR_CREDENTIAL_AWS"},
			Approvals:   orchestrator.Approvals{Required: 1}, After: "dev", Shared: []string{"alpha/network"},
			Labels: map[string]string{"tier": "test"}, MaxInFlight: 50,
			Drift: &orchestrator.DriftPolicy{
				Schedule: orchestrator.DriftSchedule{Every: catalog.Duration(6 * time.Hour)},
				Policy:   orchestrator.DriftRepair, Jitter: catalog.Duration(10 * time.Minute),
			},
		},
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(got) != 2 || got[1].Metadata.Name != "production" || got[1].Spec.After != "staging" {
		t.Errorf("the second document: %+v", got[1:])
	}
}

// withoutClusters is the file with a cluster that is only a word for templates.
func withoutClusters() string {
	before, rest, _ := strings.Cut(staging, "  clusters:\n")
	_, after, _ := strings.Cut(rest, "{inCluster: true}\n")
	return before + after
}

func TestParseEnvironmentsRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		old, new string
		text     string // instead of a change
		want     []string
		reason   string
	}{
		"empty":             {text: "# nothing\n", want: []string{"e.yaml:1:1:", "holds no Environment", "kind: Environment"}, reason: "nothing in it"},
		"malformed":         {text: "kind: [", want: []string{"e.yaml:1:"}, reason: "no YAML"},
		"kind":              {old: "kind: Environment", new: "kind: Environments", want: []string{"e.yaml:2:7: kind: expected Environment", `"Environments"`}, reason: "another kind"},
		"apiVersion":        {old: "nestor.io/v1", new: "nestor.io/v2", want: []string{"e.yaml:1:13: apiVersion: expected orchestrator.nestor.io/v1"}, reason: "another version"},
		"name":              {old: "name: staging", new: "name: ../up", want: []string{"e.yaml:3:18: metadata.name", "not a DNS label"}, reason: "names become paths"},
		"no name":           {old: "{name: staging}", new: "{}", want: []string{"e.yaml:3:", "environment name is missing"}, reason: "a name is needed"},
		"unknown field":     {old: "  cluster: main", new: "  clutser: main", want: []string{"e.yaml:11:", "clutser", "cluster"}, reason: "a misspelt field"},
		"duplicate key":     {old: "  cluster: main", new: "  region: elsewhere", want: []string{"e.yaml:11:", "region"}, reason: "which one is meant"},
		"mistyped":          {old: "maxInFlight: 50", new: "maxInFlight: many", want: []string{"e.yaml:23:", "spec.maxInFlight"}, reason: "no number"},
		"after":             {old: "after: dev", new: "after: DEV", want: []string{"e.yaml:20:10: spec.after", "DNS label"}, reason: "no name"},
		"after itself":      {old: "after: dev", new: "after: staging", want: []string{"e.yaml:20:10: spec.after", "after itself"}, reason: "a cycle of one"},
		"provider":          {old: "  provider: aws\n", new: "", want: []string{"spec.provider: missing"}, reason: "compositions need one"},
		"own provider":      {old: "[aws, gcp]", new: "[gcp]", want: []string{"spec.allowedProviders", `"aws"`, "add it"}, reason: "it would allow all but its own"},
		"own region":        {old: "[us-west-2, us-central1]", new: "[us-central1]", want: []string{"spec.allowedRegions", `"us-west-2"`}, reason: "it would allow all but its own"},
		"no engines":        {old: "  engines: [terraform]\n", new: "", want: []string{"spec.engines: missing", "terraform"}, reason: "nothing could act"},
		"unknown engine":    {old: "[terraform]", new: "[teraform]", want: []string{"e.yaml:15:13: spec.engines[0]", `did you mean "terraform"?`}, reason: "a misspelt engine"},
		"no drift schedule": {old: "{every: 6h}", new: "{}", want: []string{"e.yaml:24:", "spec.drift.schedule: missing", "every: 6h"}, reason: "when is it looked for"},
		"two schedules":     {old: "{every: 6h}", new: "{every: 6h, cron: \"0 */6 * * *\"}", want: []string{"e.yaml:24:", "spec.drift.schedule: every and cron exclude each other"}, reason: "which one counts"},
		"short interval":    {old: "{every: 6h}", new: "{every: 5s}", want: []string{"e.yaml:24:", "spec.drift.schedule.every: 5s is not between"}, reason: "it would never end"},
		"no duration":       {old: "{every: 6h}", new: "{every: daily}", want: []string{"e.yaml:24:", "spec.drift.schedule.every"}, reason: "a word is no duration"},
		"cron fields":       {old: "{every: 6h}", new: "{cron: \"0 6 *\"}", want: []string{"e.yaml:24:", "spec.drift.schedule.cron", "3 field(s), expected 5"}, reason: "too few"},
		"cron macro":        {old: "{every: 6h}", new: "{cron: \"0 6 * * ?\"}", want: []string{"spec.drift.schedule.cron", "something other than"}, reason: "Temporal reads it otherwise"},
		"cron range":        {old: "{every: 6h}", new: "{cron: \"61 6 * * *\"}", want: []string{"spec.drift.schedule.cron", "is no cron expression"}, reason: "there is no such minute"},
		"drift policy":      {old: "policy: repair", new: "policy: fix", want: []string{"e.yaml:24:", "spec.drift.policy: \"fix\" is unknown", "report or repair"}, reason: "an unknown policy"},
		"jitter":            {old: "jitter: 10m", new: "jitter: 7h", want: []string{"e.yaml:24:", "spec.drift.jitter: 7h0m0s is longer"}, reason: "rounds would overlap"},
		"no cluster": {
			text: strings.Replace(withoutClusters(), "[terraform]", "[terraform, helm, crossplane]", 1),
			want: []string{"spec.engines[1]: helm works on a Kubernetes cluster, and the environment has none (describe one under spec.clusters", "spec.engines[2]: crossplane"}, reason: "nothing could be reached",
		},
		"unknown cluster":    {old: "cluster: main", new: "cluster: mian", want: []string{"spec.cluster: there is no cluster \"mian\"", "did you mean \"main\"?"}, reason: "definitions would be applied nowhere"},
		"no default":         {old: "  cluster: main\n", new: "", want: []string{"spec.cluster: missing", "one of edge, main"}, reason: "which one is meant"},
		"cluster name":       {old: "    edge:", new: "    Edge:", want: []string{"e.yaml:14:", "spec.clusters.Edge", "DNS label"}, reason: "names are shown and stored"},
		"no access":          {old: "{inCluster: true}", new: "{}", want: []string{"spec.clusters.edge: expected a kubeconfig or inCluster"}, reason: "nobody could get in"},
		"two accesses":       {old: "{inCluster: true}", new: "{inCluster: true, kubeconfig: \"secret://file/_platform/edge\"}", want: []string{"spec.clusters.edge: kubeconfig and inCluster exclude each other"}, reason: "which one counts"},
		"context of none":    {old: "{inCluster: true}", new: "{inCluster: true, context: admin}", want: []string{"spec.clusters.edge.context"}, reason: "it would be ignored"},
		"kubeconfig":         {old: "secret://file/_platform/main", new: "hunter2", want: []string{"spec.clusters.main.kubeconfig", "no reference to a secret", "never the kubeconfig itself"}, reason: "a pasted kubeconfig"},
		"team's kubeconfig":  {old: "secret://file/_platform/main", new: "secret://file/alpha/main", want: []string{"spec.clusters.main.kubeconfig", "is not the platform's"}, reason: "an environment serves all teams"},
		"placeholder":        {old: "{team}-{application}-{environment}", new: "{team}-{app}", want: []string{"spec.clusters.main.namespace: \"{app}\" is no placeholder", "{application}"}, reason: "it would be taken literally"},
		"namespace":          {old: "{team}-{application}-{environment}", new: "{team}/x", want: []string{"spec.clusters.main.namespace", "DNS label"}, reason: "no namespace has such a name"},
		"state of terraform": {old: "states: {pulumi:", new: "states: {terraform:", want: []string{"spec.states.terraform", "move it to spec.state"}, reason: "there are two places for it"},
		"state of helm":      {old: "states: {pulumi:", new: "states: {helm:", want: []string{"spec.states.helm", "keeps no state of its own"}, reason: "it would be ignored"},
		"state of nobody":    {old: "states: {pulumi:", new: "states: {pulimi:", want: []string{"spec.states.pulimi", "did you mean \"pulumi\"?"}, reason: "a misspelt engine"},
		"engine twice":       {old: "[terraform]", new: "[terraform, fake, terraform]", want: []string{"spec.engines[2]", "listed already"}, reason: "once is enough"},
		"variable":           {old: "AWS_PROFILE:", new: "AWS-PROFILE:", want: []string{"no name of an environment variable"}, reason: "no variable has that name"},
		"secret in clear":    {old: "secret://env/NESTOR_CREDENTIAL_AWS", new: "hunter2", want: []string{"spec.credentials.AWS_PROFILE", "no reference to a secret", "never the secret itself"}, reason: "a pasted secret"},
		"secret variable":    {old: "  credentials: {", new: "  variables: {X: \"secret://env/NESTOR_CREDENTIAL_AWS\"}\n  credentials: {", want: []string{"spec.variables.X", "move it to spec.credentials"}, reason: "a variable is shown in clear"},
		"set twice":          {old: "  credentials: {", new: "  variables: {AWS_PROFILE: x}\n  credentials: {", want: []string{"spec.variables.AWS_PROFILE", "among the credentials already"}, reason: "one of them would win silently"},
		"variable's name":    {old: "  credentials: {", new: "  variables: {A-B: x}\n  credentials: {", want: []string{"spec.variables.A-B", "no name of an environment variable"}, reason: "no program could read it"},
		"team's secret":      {old: "env/NESTOR_CREDENTIAL_AWS", new: "env/NESTOR_SECRET_ALPHA__AWS", want: []string{"spec.credentials.AWS_PROFILE", "is not the platform's", "secret://env/NESTOR_CREDENTIAL_<NAME> or secret://file/_platform/<path>"}, reason: "an environment serves all teams"},
		"team's file":        {old: "env/NESTOR_CREDENTIAL_AWS", new: "file/platform/aws", want: []string{"spec.credentials.AWS_PROFILE", "is not the platform's"}, reason: "a team may be called platform"},
		"shared":             {old: "[alpha/network]", new: "[network]", want: []string{"spec.shared[0]", "<team>/<application>"}, reason: "whose network"},
		"shared path":        {old: "[alpha/network]", new: "[alpha/network/x]", want: []string{"spec.shared[0]"}, reason: "two parts"},
		"approvals":          {old: "required: 1", new: "required: -1", want: []string{"spec.approvals.required: -1 is not between 0 and 20"}, reason: "less than none"},
		"too many at once":   {old: "maxInFlight: 50", new: "maxInFlight: 501", want: []string{"spec.maxInFlight: 501 is not between 0 (the default) and 500"}, reason: "above the limit"},
		"twice":              {text: staging + "---\n" + staging, want: []string{"e.yaml:28:18: metadata.name", `"staging" is in this file already`}, reason: "which one is meant"},
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

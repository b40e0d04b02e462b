// SPDX-License-Identifier: Apache-2.0

package pulumi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/orchestrator"
)

// bucket makes one in a real object store.
func bucket(t *testing.T, store testkube.S3, name string) {
	t.Helper()
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(store.Endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
}

// TestObjectStore keeps state in S3, as production does.
func TestObjectStore(t *testing.T) {
	t.Parallel()
	store := testkube.MinIO(t)
	const name = "pulumi-state"
	bucket(t, store, name)
	host := strings.TrimPrefix(store.Endpoint, "http://")
	s := newSmall(t, stash, map[string]any{"value": "one"}, engine.OutputSpec{Name: "value", Type: "string", Sensitive: true})
	s.req.Sensitive["value"] = true
	s.req.Env = map[string]string{
		"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey,
		"PULUMI_CONFIG_PASSPHRASE": "of-the-environment",
	}
	in := func(bucket string) orchestrator.Backend {
		return orchestrator.Backend{Type: "s3", Config: map[string]any{
			"url": "s3://" + bucket + "?endpoint=" + host + "&disableSSL=true&s3ForcePathStyle=true&region=us-east-1",
		}}
	}
	s.req.Backend = in(name)
	seen, err := s.engine.Observe(t.Context(), s.req)
	if err != nil || seen.Exists {
		t.Fatalf("observed %+v, %v before anything was made", seen, err)
	}
	_, first := s.up(t, s.req)
	p, second := s.up(t, s.req)
	if diff := cmp.Diff(first, second); diff != "" || !p.Empty() {
		t.Errorf("applied again with changes %+v (-first +second):\n%s", p.Changes, diff)
	}
	if first.Outputs["value"] != "one" {
		t.Errorf("outputs are %v", first.Outputs)
	}

	// Another worker, with nothing but the environment's settings.
	other, err := open(t.TempDir(), program())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.req
	elsewhere.Workspace = filepath.Join(t.TempDir(), "work")
	if seen, err := other.Observe(t.Context(), elsewhere); err != nil || seen.Outputs["value"] != "one" {
		t.Errorf("another worker observed %+v, %v", seen, err)
	}
	wrong := elsewhere
	wrong.Env = map[string]string{
		"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey, "PULUMI_CONFIG_PASSPHRASE": "another",
	}
	_, err = other.Observe(t.Context(), wrong)
	wantError(t, err, engine.Unreadable, "passphrase")
	wrong.Env = map[string]string{
		"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": "not-the-secret-key", "PULUMI_CONFIG_PASSPHRASE": "another",
	}
	_, err = other.Observe(t.Context(), wrong)
	wantError(t, err, engine.Unreadable)
	elsewhere.Backend = in("no-such-bucket")
	_, err = other.Observe(t.Context(), elsewhere)
	wantError(t, err, engine.Unreadable)

	for range 2 {
		if err := s.engine.Destroy(t.Context(), s.req); err != nil {
			t.Fatalf("destroy: %v", err)
		}
		if seen, err := s.engine.Observe(t.Context(), s.req); err != nil || seen.Exists {
			t.Errorf("observed %+v, %v after the destruction", seen, err)
		}
	}
}

// TestRenamedProject: a definition must not lose its nodes' state.
func TestRenamedProject(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"}, engine.OutputSpec{Name: "value", Type: "string"})
	s.up(t, s.req)
	seen, err := s.engine.Observe(t.Context(), s.req)
	if err != nil {
		t.Fatal(err)
	}
	if err := bundle(s.dir, &s.req, strings.Replace(stash, "name: small", "name: large", 1)); err != nil {
		t.Fatal(err)
	}
	_, err = s.engine.Observe(t.Context(), s.req)
	wantError(t, err, engine.Invalid, "small", "large")
	s.req.StateRef = seen.StateRef
	_, err = s.engine.Preview(t.Context(), s.req)
	wantError(t, err, engine.Invalid, "small", "large")
}

// TestLongAddress has a stack name of its own and within Pulumi's bounds.
func TestLongAddress(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"})
	refs := map[string]bool{}
	for _, end := range []string{"a", "b"} {
		req := s.req
		req.Address = strings.Repeat("team", 30) + "/shop/staging/web." + strings.Repeat("node", 30) + end
		seen, err := s.engine.Observe(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		refs[seen.StateRef] = true
		if _, name, _ := strings.Cut(seen.StateRef, "/"); len(name) > 100 {
			t.Errorf("stack name %q is too long", name)
		}
	}
	if len(refs) != 2 {
		t.Errorf("two addresses share %v", refs)
	}
}

// TestWrongPassphrase: state that cannot be decrypted stops the node.
func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"}, engine.OutputSpec{Name: "value", Type: "string", Sensitive: true})
	s.req.Sensitive["value"] = true
	s.up(t, s.req)
	s.req.Env = map[string]string{"PULUMI_CONFIG_PASSPHRASE": "another"}
	_, err := s.engine.Observe(t.Context(), s.req)
	wantError(t, err, engine.Unreadable, "passphrase")
	_, err = s.engine.Preview(t.Context(), s.req)
	wantError(t, err, engine.Unreadable, "passphrase")
}

// edit changes the node's checkpoint behind everybody's back.
func edit(t *testing.T, s *small, change func(latest map[string]any)) {
	t.Helper()
	path := found(t, s.dir, "stacks/*/*.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	latest, ok := file["checkpoint"].(map[string]any)["latest"].(map[string]any)
	if !ok {
		t.Fatal("the checkpoint is empty")
	}
	change(latest)
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text))
}

// cutOff makes the checkpoint say that the creation of the thing was cut off,
// as it is after a kill.
func cutOff(t *testing.T, s *small) {
	t.Helper()
	edit(t, s, func(latest map[string]any) {
		resources, _ := latest["resources"].([]any)
		var left []any
		for _, entry := range resources {
			r, _ := entry.(map[string]any)
			if r["type"] != "thing:index:Thing" {
				left = append(left, entry)
				continue
			}
			delete(r, "id")
			delete(r, "outputs")
			latest["pending_operations"] = []any{map[string]any{"type": "creating", "resource": r}}
		}
		latest["resources"] = left
	})
}

// TestAPersonsWord: after a person's word a plan goes on, and it settles nothing.
func TestAPersonsWord(t *testing.T) {
	t.Parallel()
	s := newThing(t)
	s.up(t, s.req)
	cutOff(t, s)
	req := s.req
	req.Plan = true
	_, err := s.engine.Preview(t.Context(), req)
	wantError(t, err, engine.Uncertain, thing, "nestor forget "+req.Node)
	req.Settled = true
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil || p.Empty() {
		t.Errorf("previewed %+v, %v; want the creation", p.Changes, err)
	}
	_, err = s.engine.Preview(t.Context(), s.req)
	wantError(t, err, engine.Uncertain, thing)
}

// TestIdentityWithoutJournal: another workspace, or a lost one. The inputs of
// now count if the resource shows that they were the same.
func TestIdentityWithoutJournal(t *testing.T) {
	t.Parallel()
	for name, renamed := range map[string]bool{"the same inputs": false, "another name": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newThing(t)
			s.up(t, s.req)
			cutOff(t, s)
			req := s.req
			if renamed {
				req = s.with(map[string]any{"name": "beta"})
			}
			req.Workspace = filepath.Join(s.dir, "another")
			req.Implementation.Identity = map[string]string{thing: "${inputs.world}/thing-${inputs.name}"}
			p, _, err := s.apply(t.Context(), req)
			if renamed {
				wantError(t, err, engine.Uncertain, thing)
			} else if err != nil || !p.Empty() {
				t.Errorf("applied %+v, %v; want it found", p.Changes, err)
			}
			if n := strings.Count(s.ledger(t), "create"); n != 1 {
				t.Errorf("created %d times", n)
			}
		})
	}
}

// TestCutOffReplacement: what replaces is found, and what it replaces is not
// forgotten.
func TestCutOffReplacement(t *testing.T) {
	t.Parallel()
	s := newThing(t)
	s.req.Implementation.Identity = map[string]string{thing: "${inputs.world}/thing-${inputs.name}"}
	s.up(t, s.req)
	var before map[string]any
	edit(t, s, func(latest map[string]any) {
		for _, entry := range latest["resources"].([]any) {
			if r, _ := entry.(map[string]any); r["type"] == "thing:index:Thing" {
				before = r
			}
		}
	})
	// The replacement was made, and neither recorded nor was the old one deleted.
	text, err := os.ReadFile(filepath.Join(s.dir, "world", "thing-alpha"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "world", "thing-beta"), strings.ReplaceAll(string(text), `"Name":"alpha"`, `"Name":"beta"`))
	edit(t, s, func(latest map[string]any) {
		made := map[string]any{}
		inputs := map[string]any{}
		for k, v := range before["inputs"].(map[string]any) {
			inputs[k] = v
		}
		inputs["name"] = "beta"
		for k, v := range before {
			if k != "id" && k != "outputs" {
				made[k] = v
			}
		}
		made["inputs"] = inputs
		latest["pending_operations"] = []any{map[string]any{"type": "creating", "resource": made}}
	})
	req := s.with(map[string]any{"name": "beta"})
	req.Implementation.Identity = s.req.Implementation.Identity
	req.Workspace = filepath.Join(s.dir, "another")
	s.up(t, req)
	if p, r := s.up(t, req); !p.Empty() || !strings.HasSuffix(r.Outputs["id"].(string), "thing-beta") {
		t.Errorf("changes %+v, outputs %v", p.Changes, r.Outputs)
	}
	if got := s.ledger(t); strings.Contains(got, "create beta") || strings.Count(got, "destroy alpha") != 1 {
		t.Errorf("ledger:\n%s", got)
	}
}

// TestAdoptEncrypted takes over a stack whose secrets are encrypted, with its
// passphrase from the environment.
func TestAdoptEncrypted(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "secret-value"}, engine.OutputSpec{Name: "value", Type: "string", Sensitive: true})
	s.req.Sensitive["value"] = true
	for _, d := range []string{"outside", "outside-state"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.dir, "outside", "Pulumi.yaml"), strings.Replace(stash, "name: small", "name: theirs", 1))
	outside(t, s.dir, "stack", "init", "dev")
	outside(t, s.dir, "config", "set", "value", "secret-value", "--secret", "--stack", "dev")
	outside(t, s.dir, "up", "--yes", "--skip-preview", "--stack", "dev")
	source := engine.Source{State: []byte(outside(t, s.dir, "stack", "export", "--stack", "dev"))}
	adopter, ok := s.engine.(engine.Adopter)
	if !ok {
		t.Fatal("the engine adopts nothing")
	}
	_, err := adopter.Adopt(t.Context(), s.req, source)
	wantError(t, err, engine.Invalid, "--show-secrets", "passphrase")
	s.req.Env = map[string]string{"PULUMI_CONFIG_PASSPHRASE": "of-a-person"}
	adopted, err := adopter.Adopt(t.Context(), s.req, source)
	if err != nil || adopted.Outputs["value"] != "secret-value" {
		t.Fatalf("adopted %+v, %v", adopted, err)
	}
	s.req.StateRef = adopted.StateRef
	if p, _ := s.up(t, s.req); !p.Empty() {
		t.Errorf("the preview after the adoption has %+v", p.Changes)
	}
	source.Moves = map[string]string{"pulumi:index:Stash::absent": "pulumi:index:Stash::kept"}
	_, err = adopter.Adopt(t.Context(), s.req, source)
	wantError(t, err, engine.Invalid, "absent")
}

// TestPlanSettlesNothing: a plan is made beside a deployment, whose operations
// are pending as long as it runs.
func TestPlanSettlesNothing(t *testing.T) {
	t.Parallel()
	s := newThing(t)
	s.up(t, s.req)
	cutOff(t, s)
	before, err := os.ReadFile(checkpoint(t, s.dir))
	if err != nil {
		t.Fatal(err)
	}
	plan := s.req
	plan.Plan, plan.Workspace = true, filepath.Join(s.dir, "plan")
	plan.Implementation.Identity = map[string]string{thing: "${inputs.world}/thing-${inputs.name}"}
	if _, err := s.engine.Preview(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(checkpoint(t, s.dir))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the plan wrote the checkpoint (%v)", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// canaryLines is a secret of several lines with characters that encodings
// change.
const canaryLines = "-----BEGIN canary-L1-8b52e6-----\ncanary+L2/8b52e6==&x\n-----END canary-L3-8b52e6-----\n"

// traces are the texts by which canaryLines would be recognised, however it was
// quoted or encoded.
func traces() []string {
	return []string{
		"canary-L1-8b52e6", "canary+L2/8b52e6", "canary-L3-8b52e6", "canary%2BL2", "L2%2F8b52e6",
		base64.StdEncoding.EncodeToString([]byte(canaryLines))[:40],
		base64.URLEncoding.EncodeToString([]byte(canaryLines))[:40],
	}
}

// lockedBuffer takes what several goroutines write.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// TestNoTraceOfASecret lets OpenTofu print a secret, as it is, in base64 and
// URL-encoded, in the error of a deployment that fails for good, and another one
// give it as a sensitive output, and looks for traces of it wherever something
// leaves a step. (OpenTofu's own state is the user's backend.)
func TestNoTraceOfASecret(t *testing.T) {
	t.Parallel()
	const application = "canary"
	temporal := testplatform.StartTemporal(t, application)
	s := newSite(t, temporal, application)
	log := &lockedBuffer{}
	s.WorkerLog = log
	s.StartWorker()
	params := map[string]string{"key": "secret://env/NESTOR_SECRET_ALPHA__LINES"}
	plan := s.plan(s.release(params))
	made := s.Await(s.apply(s.release(params)), patience)
	s.wantStatus(made, orchestrator.StatusSucceeded)
	s.wantRevealed("web.database", canaryLines)
	params["databaseBreaks"] = "true"
	failing, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, AutoApprove: true,
		OnFailure: orchestrator.OnFailureStop, Release: s.release(params).Digest,
	})
	s.must(err)
	failed := s.Await(failing, patience)
	s.wantStatus(failed, orchestrator.StatusFailed)
	if !strings.Contains(failed.Error, "broken half way, with (sensitive)") {
		t.Errorf("the error is shown without the secret, got %q", failed.Error)
	}
	destroy := s.Plan(compile.PlanRequest{Scope: s.scope("staging"), Kind: orchestrator.KindDestroy})

	s.wantNoTrace("the worker's log", log.String())
	s.must(filepath.WalkDir(s.Config.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/state/") {
			return err
		}
		data, err := os.ReadFile(path)
		s.wantNoTrace(path, string(data))
		return err
	}))
	lane := orchestrator.ApplicationWorkflowID(s.team, s.application)
	for _, id := range []string{lane, made.ID, failed.ID, "plan/" + plan.ID, "plan/" + destroy.ID} {
		s.wantNoTrace("the history of "+id, decodedText(rawHistory(t, s.Temporal, id)))
	}
	address := s.serveAPI(temporal.Address)
	for _, id := range []string{made.ID, failed.ID} {
		for _, part := range []string{"", "/events", "/nodes", "/graph", "/logs"} {
			path := "/api/v1/deployments/" + id + part
			s.wantNoTrace(path, get(t, address+path))
		}
	}
	for _, path := range []string{"plans/" + plan.ID, "plans/" + destroy.ID, "applications/alpha/canary/environments/staging", "environments", "deployments", "releases"} {
		s.wantNoTrace(path, get(t, address+"/api/v1/"+path))
	}
	if logs := get(t, address+"/api/v1/deployments/"+failed.ID+"/logs"); !strings.Contains(logs, "broken half way") {
		t.Errorf("the log does not hold what OpenTofu said, so that its silence proves nothing: %.500s", logs)
	}
}

// wantRevealed: the secret reached the engine, so that its absence elsewhere
// proves something.
func (s *site) wantRevealed(node, value string) {
	s.t.Helper()
	head, err := s.Registry.Head(s.t.Context(), s.scope("staging"), node)
	s.must(err)
	outputs, err := s.Registry.RevealOutputs(s.t.Context(), head)
	s.must(err)
	for _, v := range outputs {
		if v.Value == value {
			return
		}
	}
	s.t.Fatalf("%s has no output with the secret", node)
}

func (s *site) wantNoTrace(where, text string) {
	s.t.Helper()
	for _, trace := range traces() {
		if at := strings.Index(text, trace); at >= 0 {
			s.t.Errorf("%s holds a trace of the secret: …%s…", where, url.QueryEscape(text[max(0, at-120):min(len(text), at+120)]))
			return
		}
	}
}

// get reads an answer, or of an endless one what comes within a second.
func get(t *testing.T, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err != nil || closeErr != nil {
		t.Fatalf("%s: %v, %v", address, err, closeErr)
	}
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusNotFound {
		t.Fatalf("%s: %s: %s", address, response.Status, body)
	}
	return string(body)
}

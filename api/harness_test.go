// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/apitest"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/catalog"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/seal"
	"github.com/HatiCode/nestor/store/sqlite"
)

// The tokens of the tests.
const (
	platformToken = "platform-token-0123456789"
	alphaToken    = "alpha-token-0123456789-xx"
	betaToken     = "beta-token-0123456789-xxx"
	strangerToken = "stranger-token-0123456789" // in no file
	everyToken    = "every-team-token-01234567"

	tokensYAML = `
- {token: platform-token-0123456789, principal: "user:pat", teams: [], roles: [platform]}
- {token: alpha-token-0123456789-xx, principal: "user:ada", teams: [alpha], roles: [team]}
- {token: beta-token-0123456789-xxx, principal: "user:bob", teams: [beta], roles: [team]}
- {token: every-team-token-01234567, principal: "token:ci", teams: ["*"], roles: [team, platform]}
`
)

// harness is a server over real stores, and a client that holds every answer
// to openapi.yaml.
type harness struct {
	t        *testing.T
	server   *api.Server
	url      string
	client   *http.Client
	contract *apitest.Contract
	store    store.Store
	records  *registry.Registry
	temporal *fakeTemporal
	tokens   string // file
	log      *lockedBuffer
}

// lockedBuffer is written by handlers and read by tests.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessWith(t, api.Config{Version: "test", Poll: 5 * time.Millisecond}, tokensYAML)
}

// newHarnessWith starts a server; empty tokens mean one without a tokens file.
func newHarnessWith(t *testing.T, config api.Config, tokens string) *harness {
	t.Helper()
	data := t.TempDir()
	records, err := sqlite.Open(t.Context(), filepath.Join(data, "nestor.db"))
	check(t, err)
	t.Cleanup(func() { check(t, records.Close()) })
	blobs, err := blob.OpenDirectory(filepath.Join(data, "blobs"))
	check(t, err)
	keyset, err := seal.LoadOrCreateKeyset(filepath.Join(data, "keyset.json"))
	check(t, err)
	h := &harness{t: t, store: records, log: &lockedBuffer{}}
	if tokens != "" {
		h.tokens = filepath.Join(data, "tokens.yaml")
		check(t, os.WriteFile(h.tokens, []byte(tokens), 0o600))
		config.Tokens = h.tokens
	}
	now := func() time.Time { return time.Now().UTC() }
	definitions := catalog.NewService(records, blobs)
	teams := compositions.New(records, blobs)
	h.records = registry.New(records, blobs, keyset, now)
	h.temporal = &fakeTemporal{records: h.records}
	h.server, err = api.New(t.Context(), config, api.Dependencies{
		Log:          slog.New(slog.NewJSONHandler(h.log, nil)),
		Store:        records,
		Catalog:      definitions,
		Compositions: teams,
		Records:      h.records,
		Compiler:     compile.New(definitions, teams, h.records, now, func() string { return ulid.Make().String() }),
		Temporal:     h.temporal,
	})
	check(t, err)
	h.contract, err = apitest.NewContract(t.Context())
	check(t, err)
	listening := httptest.NewServer(h.server.Handler())
	h.url = listening.URL
	h.client = &http.Client{Transport: &apitest.Transport{Contract: h.contract, Base: &http.Transport{}}}
	t.Cleanup(func() {
		h.server.StopStreams()
		h.client.CloseIdleConnections()
		listening.Close()
	})
	return h
}

// in is the harness for a subtest.
func (h *harness) in(t *testing.T) *harness {
	t.Helper()
	c := *h
	c.t = t
	return &c
}

// answer is a response with its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// header sets a header of a request.
type header struct{ name, value string }

// do sends a request. A body that is a string goes as it is, any other as JSON.
func (h *harness) do(token, method, path string, body any, headers ...header) answer {
	h.t.Helper()
	response := h.send(h.t.Context(), token, method, path, body, headers...)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	check(h.t, err)
	return answer{t: h.t, status: response.StatusCode, header: response.Header, body: data}
}

func (h *harness) send(ctx context.Context, token, method, path string, body any, headers ...header) *http.Response {
	h.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		check(h.t, err)
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, h.url+path, reader)
	check(h.t, err)
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for _, x := range headers {
		request.Header.Set(x.name, x.value)
	}
	client := *h.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	check(h.t, err)
	return response
}

func (h *harness) get(token, path string, headers ...header) answer {
	h.t.Helper()
	return h.do(token, http.MethodGet, path, nil, headers...)
}

func (h *harness) post(token, path string, body any, headers ...header) answer {
	h.t.Helper()
	return h.do(token, http.MethodPost, path, body, headers...)
}

// want checks the status and returns the answer.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d; body: %s", a.status, status, a.body)
	}
	return a
}

// problem checks status and type of a problem document and returns it.
func (a answer) problem(status int, typ string) problem.Problem {
	a.t.Helper()
	a.want(status)
	p := decode[problem.Problem](a)
	if p.Type != typ || p.Status != status || p.Detail == "" || p.Instance == "" {
		a.t.Fatalf("problem %+v, want type %s with status %d, a detail and an instance", p, typ, status)
	}
	if got := a.header.Get("Content-Type"); got != problem.ContentType {
		a.t.Fatalf("content type %q, want %q", got, problem.ContentType)
	}
	return p
}

func decode[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("decode %s: %v", a.body, err)
	}
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fakeTemporal stands for the workflows: it accepts as the Application workflow
// does, and remembers what it was told.
type fakeTemporal struct {
	records *registry.Registry

	mu       sync.Mutex
	down     bool
	calls    []any
	pollers  map[string][]api.Poller
	failures []error           // of the next calls
	endings  map[string]string // of the workflows of plans and drift checks

	scheduled []string // environments whose schedules were to be looked at
}

var _ api.Temporal = (*fakeTemporal)(nil)

func (f *fakeTemporal) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *fakeTemporal) record(call any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return &problem.UnavailableError{What: "the Temporal server at temporal.test:7233"}
	}
	if len(f.failures) > 0 {
		err := f.failures[0]
		f.failures = f.failures[1:]
		return err
	}
	if call != nil {
		f.calls = append(f.calls, call)
	}
	return nil
}

func (f *fakeTemporal) seen() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]any(nil), f.calls...)
}

// clear forgets what was asked so far.
func (f *fakeTemporal) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

func (f *fakeTemporal) Deploy(ctx context.Context, r contract.DeployRequest) (contract.DeployAccepted, error) {
	if err := f.record(r); err != nil {
		return contract.DeployAccepted{}, err
	}
	d, err := f.records.Accept(ctx, r, "")
	return contract.DeployAccepted{Deployment: d.ID}, err
}

func (f *fakeTemporal) Promote(_ context.Context, _, _ string, s contract.PromoteSignal) error {
	return f.record(s)
}

// decided is a decision with its name.
type decided struct {
	Name   string
	Signal contract.DecisionSignal
}

func (f *fakeTemporal) Approve(_ context.Context, _, _ string, s contract.DecisionSignal) error {
	return f.record(decided{contract.SignalApprove, s})
}

func (f *fakeTemporal) Reject(_ context.Context, _, _ string, s contract.DecisionSignal) error {
	return f.record(decided{contract.SignalReject, s})
}

func (f *fakeTemporal) Cancel(_ context.Context, _, _ string, s contract.CancelSignal) error {
	return f.record(s)
}

func (f *fakeTemporal) StartPlan(_ context.Context, in contract.PlanInput) error { return f.record(in) }

func (f *fakeTemporal) CancelPlan(_ context.Context, plan string) error {
	return f.record(canceled(plan))
}

// canceled is a plan that somebody wants stopped.
type canceled string

func (f *fakeTemporal) StartDrift(_ context.Context, in contract.DriftInput) error {
	return f.record(in)
}

func (f *fakeTemporal) DriftEnding(ctx context.Context, _ orchestrator.Scope, id string) (string, error) {
	return f.PlanEnding(ctx, id)
}

func (f *fakeTemporal) ScheduleDrift(_ context.Context, e orchestrator.Environment) error {
	if err := f.record(nil); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scheduled = append(f.scheduled, e.Metadata.Name)
	return nil
}

func (f *fakeTemporal) end(plan, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endings = map[string]string{plan: why}
}

func (f *fakeTemporal) PlanEnding(_ context.Context, plan string) (string, error) {
	if err := f.record(nil); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endings[plan], nil
}

func (f *fakeTemporal) Pollers(_ context.Context, queue string) ([]api.Poller, error) {
	if err := f.record(nil); err != nil {
		return nil, err
	}
	return f.pollers[queue], nil
}

func (f *fakeTemporal) Ready(ctx context.Context) error { return f.Check(ctx) }

func (f *fakeTemporal) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return &problem.UnavailableError{What: "the Temporal server at temporal.test:7233"}
	}
	return nil
}

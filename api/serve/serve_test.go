// SPDX-License-Identifier: Apache-2.0

package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/api/apitest"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/api/serve"
)

const patience = 20 * time.Second

// run runs the program with arguments and an environment, to its end.
func run(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = serve.Main(t.Context(), serve.Build{Version: "1.2.3", Commit: "abc"},
		serve.Streams{Out: &stdout, Err: &stderr, Getenv: func(name string) string { return env[name] }}, args)
	return code, stdout.String(), stderr.String()
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if code, out, _ := run(t, nil, "version"); code != 0 || out != "nestor-api 1.2.3 (abc)\n" {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	tests := map[string]struct {
		reason, message string
		env             map[string]string
		args            []string
	}{
		"no data":        {"nothing is guessed", "NESTOR_DATA", nil, nil},
		"exposed":        {"no tokens, no public address", "without tokens", map[string]string{"NESTOR_LISTEN": "0.0.0.0:0"}, []string{"--data", t.TempDir()}},
		"missing tokens": {"a named file has to be there", "tokens file", nil, []string{"--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tokens", "/nonexistent/tokens.yaml"}},
		"taken":          {"another process listens", taken.Addr().String(), map[string]string{"NESTOR_DATA": t.TempDir()}, []string{"--listen", taken.Addr().String()}},
		"log level":      {"named with what is expected", "debug, info", map[string]string{"NESTOR_LOG_LEVEL": "loud"}, []string{"--data", t.TempDir()}},
		"log format":     {"named with what is expected", "json", nil, []string{"--data", t.TempDir(), "--log-format", "xml"}},
		"argument":       {"serve takes none", "unknown command", nil, []string{"now"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := run(t, test.env, append([]string{"serve"}, test.args...)...)
			if code != 1 || out != "" || !strings.Contains(errs, test.message) {
				t.Errorf("%s: exit code %d, output %q, errors %q; want 1 and %q", test.reason, code, out, errs, test.message)
			}
		})
	}
}

// TestServeWithoutTemporal runs the whole process against a Temporal address
// where nobody listens.
func TestServeWithoutTemporal(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	const token = "token-of-enough-letters"
	tokens := "- {token: " + token + ", principal: \"user:ada\", teams: [\"*\"], roles: [platform, team]}\n"
	if err := os.WriteFile(filepath.Join(data, "tokens.yaml"), []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, out := io.Pipe()
	ended := make(chan int, 1)
	var log bytes.Buffer // read after the end alone
	go func() {
		ended <- serve.Main(ctx, serve.Build{Version: "test"},
			serve.Streams{Out: out, Err: &log, Getenv: func(string) string { return "" }},
			[]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--temporal-address", "127.0.0.1:1", "--log-format", "json"})
		_ = out.Close()
	}()
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	_, url, found := strings.Cut(strings.TrimSpace(line), "ready at ")
	if !found {
		t.Fatalf("ready line %q", line)
	}
	contract, err := apitest.NewContract(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &apitest.Transport{Contract: contract, Base: &http.Transport{}}, Timeout: patience}
	health := get[gen.Health](t, client, url+"/readyz", "", http.StatusServiceUnavailable)
	if health.Checks["store"] != "ok" || !strings.Contains(health.Checks["temporal"], "127.0.0.1:1") {
		t.Errorf("checks %v", health.Checks)
	}
	get[gen.Health](t, client, url+"/healthz", "", http.StatusOK)
	get[gen.ResourceList](t, client, url+"/api/v1/resources", token, http.StatusOK)
	p := get[problem.Problem](t, client, url+"/api/v1/engines", token, http.StatusServiceUnavailable)
	if !strings.Contains(p.Detail, "Temporal server at 127.0.0.1:1") {
		t.Errorf("detail %q", p.Detail)
	}
	client.CloseIdleConnections()
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, log.String())
		}
	case <-time.After(patience):
		t.Fatal("the process did not end")
	}
	if strings.Contains(log.String(), token) {
		t.Error("the log holds a token")
	}
}

func get[T any](t *testing.T, client *http.Client, url, token string, status int) T {
	t.Helper()
	var v T
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != status {
		t.Fatalf("%s: %s, want %d", url, response.Status, status)
	}
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/activities/secret/vault"
	"github.com/HatiCode/nestor/internal/secretref"
)

const canary = "canary-e52b90"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server answers as Vault does, by its API documentation: a KV engine of
// version 2 at secret/ and one of version 1 at old/, a policy that denies team
// beta's path, and the Kubernetes login. Vault itself is not built for tests:
// its module needs an SDK that it is not published with.
type server struct {
	*httptest.Server
	token  atomic.Value // the one that is valid
	logins atomic.Int32
}

type object = map[string]any

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.token.Store("first")
	version2 := func(values any) object {
		return object{"data": object{"data": values, "metadata": object{"version": 1}}}
	}
	answers := map[string]object{
		"sys/internal/ui/mounts/secret":       {"data": object{"path": "secret/", "type": "kv", "options": object{"version": "2"}}},
		"sys/internal/ui/mounts/old":          {"data": object{"path": "old/", "type": "kv", "options": nil}},
		"sys/internal/ui/mounts/pki":          {"data": object{"path": "pki/", "type": "pki", "options": nil}},
		"secret/data/nestor/alpha/prod/db":    version2(object{"password": canary, "port": 5432}),
		"secret/data/nestor/alpha/large":      version2(object{"password": strings.Repeat("x", secret.MaxSize) + canary}),
		"secret/data/nestor/_platform/cloud":  version2(object{"key": "cloud's"}),
		"old/nestor/alpha/db":                 {"data": object{"password": canary}},
		"secret/data/nestor/alpha/deleted":    version2(nil),
		"secret/data/nestor/alpha/sealed-now": nil,
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		fail := func(status int, said ...string) { reply(t, w, status, object{"errors": said}) }
		switch {
		case path == "auth/kubernetes/login":
			s.login(t, w, r)
			return
		case r.Header.Get("X-Vault-Token") != s.token.Load():
			fail(http.StatusForbidden, "permission denied")
			return
		case strings.Contains(path, "/beta/"):
			fail(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
			return
		case path == "secret/data/nestor/alpha/sealed-now":
			fail(http.StatusServiceUnavailable, "Vault is sealed")
			return
		}
		if rest, mounts := strings.CutPrefix(path, "sys/internal/ui/mounts/"); mounts {
			first, _, _ := strings.Cut(rest, "/")
			path = "sys/internal/ui/mounts/" + first
		}
		answer, there := answers[path]
		switch {
		case !there:
			fail(http.StatusNotFound)
		case strings.HasSuffix(path, "/deleted"): // Vault tells of it all the same
			reply(t, w, http.StatusNotFound, answer)
		default:
			reply(t, w, http.StatusOK, answer)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) login(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	var body struct {
		Role string `json:"role"`
		JWT  string `json:"jwt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Role != "nestor" || body.JWT != "the-pod" {
		reply(t, w, http.StatusBadRequest, object{"errors": []string{"invalid role name"}})
		return
	}
	s.logins.Add(1)
	reply(t, w, http.StatusOK, object{"auth": object{"client_token": s.token.Load()}})
}

func reply(t *testing.T, w http.ResponseWriter, status int, body object) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		t.Errorf("answer: %v", err)
	}
}

func resolver(t *testing.T, address, prefix string, login vault.Login) *secret.Resolver {
	t.Helper()
	p, err := location.NewPrefix(prefix)
	must(t, err)
	r := secret.New(func(string) (string, bool) { return "", false }, "")
	r.Offer(secretref.Vault, vault.New(vault.Config{Address: address, Prefix: p, Login: login}))
	return r
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
	return path
}

func TestRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const prefix = "secret/nestor/{team}/"
	token := vault.Login{Token: "first"}
	pod := vault.Login{Role: "nestor", AuthMount: "kubernetes", JWTFile: file(t, "the-pod")}
	for name, tc := range map[string]struct {
		prefix           string
		login            vault.Login
		owner, ref, want string
		fails            error
		says, reason     string
	}{
		"version 2":      {prefix, token, "alpha", "secret://vault/alpha/prod/db#password", canary, nil, "", "the newest version"},
		"number":         {prefix, token, "alpha", "secret://vault/alpha/prod/db#port", "5432", nil, "", "what is no text is taken as JSON"},
		"version 1":      {"old/nestor/{team}", token, "alpha", "secret://vault/alpha/db#password", canary, nil, "", "an older engine"},
		"platform's":     {prefix, token, secretref.Platform, "secret://vault/_platform/cloud#key", "cloud's", nil, "", "an environment's credential"},
		"token file":     {prefix, vault.Login{TokenFile: file(t, "first")}, "alpha", "secret://vault/alpha/prod/db#password", canary, nil, "", "as Vault's agent writes it"},
		"Kubernetes":     {prefix, pod, "alpha", "secret://vault/alpha/prod/db#password", canary, nil, "", "the worker's service account"},
		"no key":         {prefix, token, "alpha", "secret://vault/alpha/prod/db#user", "", secret.ErrMissing, "has no key user", "the secret has others"},
		"missing":        {prefix, token, "alpha", "secret://vault/alpha/none#x", "", secret.ErrMissing, "secret/nestor/alpha/none", "it is not there"},
		"deleted":        {prefix, token, "alpha", "secret://vault/alpha/deleted#x", "", secret.ErrMissing, "", "its newest version is gone"},
		"denied":         {prefix, token, "beta", "secret://vault/beta/db#x", "", secret.ErrDenied, "403", "no policy lets the worker"},
		"bad token":      {prefix, vault.Login{Token: "wrong"}, "alpha", "secret://vault/alpha/prod/db#x", "", secret.ErrDenied, "403", "the worker's token is refused"},
		"no token":       {prefix, vault.Login{}, "alpha", "secret://vault/alpha/prod/db#x", "", secret.ErrDenied, "VAULT_TOKEN", "the worker has none"},
		"no token file":  {prefix, vault.Login{TokenFile: "/nonexistent/token"}, "alpha", "secret://vault/alpha/prod/db#x", "", secret.ErrDenied, "VAULT_TOKEN_FILE", "the file is not there"},
		"no role":        {prefix, vault.Login{Role: "other", AuthMount: "kubernetes", JWTFile: pod.JWTFile}, "alpha", "secret://vault/alpha/prod/db#x", "", secret.ErrDenied, "role other", "Vault knows no such role"},
		"no engine":      {"none/{team}", token, "alpha", "secret://vault/alpha/db#x", "", secret.ErrMissing, "none/", "nothing is mounted there"},
		"other engine":   {"pki/{team}", token, "alpha", "secret://vault/alpha/db#x", "", secret.ErrReference, "no KV engine", "certificates are no secrets to read"},
		"another team's": {prefix, token, "alpha", "secret://vault/beta/db#x", "", secret.ErrReference, "not team alpha's", "it is beta's"},
		"large":          {prefix, token, "alpha", "secret://vault/alpha/large#password", "", secret.ErrReference, "larger than", "no secret is so large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := resolver(t, s.URL, tc.prefix, tc.login).Resolve(t.Context(), tc.owner, tc.ref)
			want(t, tc.reason, got, tc.want, err, tc.fails, tc.says)
		})
	}
}

func want(t *testing.T, reason, got, want string, err, fails error, says string) {
	t.Helper()
	if got != want || !errors.Is(err, fails) {
		t.Errorf("%s: got %d bytes, %v; want %q, %v", reason, len(got), err, want, fails)
	}
	if err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), canary)) {
		t.Errorf("%s: the error does not say %q, or holds a secret: %v", reason, says, err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for address, ref := range map[string]string{
		s.URL:                "secret://vault/alpha/sealed-now#x",
		"http://127.0.0.1:1": "secret://vault/alpha/prod/db#password",
	} {
		got, err := resolver(t, address, "secret/nestor/{team}/", vault.Login{Token: "first"}).Resolve(t.Context(), "alpha", ref)
		want(t, "Vault may come back", got, "", err, secret.ErrUnreachable, "")
	}
}

// TestTokenIsReplaced: a login holds until Vault refuses its token.
func TestTokenIsReplaced(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := resolver(t, s.URL, "secret/nestor/{team}/", vault.Login{Role: "nestor", AuthMount: "kubernetes", JWTFile: file(t, "the-pod")})
	read := func() {
		t.Helper()
		got, err := r.Resolve(t.Context(), "alpha", "secret://vault/alpha/prod/db#password")
		want(t, "a token that holds", got, canary, err, nil, "")
	}
	read()
	read()
	if n := s.logins.Load(); n != 1 {
		t.Errorf("%d logins for two reads, want 1", n)
	}
	s.token.Store("second")
	read()
	if n := s.logins.Load(); n != 2 {
		t.Errorf("%d logins after the token ended, want 2", n)
	}
}

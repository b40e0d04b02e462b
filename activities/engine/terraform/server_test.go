// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// stateServer keeps one state, and a lock that only its owner or force takes
// away.
type stateServer struct {
	url   string
	close func()

	mu     sync.Mutex
	state  []byte
	holder []byte
	broken int // the status of every answer, when not 0
}

func serveState(t *testing.T) *stateServer {
	t.Helper()
	s := &stateServer{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url, s.close = server.URL, server.Close
	return s
}

func (s *stateServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || s.broken != 0 {
		w.WriteHeader(max(s.broken, http.StatusBadRequest))
		return
	}
	switch r.Method {
	case http.MethodGet:
		if s.state == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(s.state)
	case http.MethodPost:
		s.state = body
	case "LOCK":
		if s.holder != nil {
			w.WriteHeader(http.StatusLocked)
			_, _ = w.Write(s.holder)
			return
		}
		s.holder = body
	case "UNLOCK":
		// A forced unlock sends no lock information on some versions.
		if given := decode(body); given != nil && given["ID"] != nil && given["ID"] != decode(s.holder)["ID"] {
			w.WriteHeader(http.StatusConflict)
			return
		}
		s.holder = nil
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *stateServer) put(state []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

func (s *stateServer) lock(info map[string]any) {
	text, err := json.Marshal(info)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder = text
}

func (s *stateServer) unlock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder = nil
}

func (s *stateServer) locked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder != nil
}

func (s *stateServer) fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = status
}

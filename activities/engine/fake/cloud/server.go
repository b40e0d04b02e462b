// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// maxCall bounds a call's body in bytes.
const maxCall = 8 << 20

// call is the body of every call.
type call struct {
	Resource Resource `json:"resource"`
	// Prefix of a new resource's id.
	Prefix string `json:"prefix,omitempty"`
	// Text of the ledger's entry.
	Text string `json:"text,omitempty"`
	// To is where Resource.Key moves.
	To string `json:"to,omitempty"`
	// After is the last entry of the ledger that is known.
	After int `json:"after,omitempty"`
	// For is how long effects are to be late.
	For time.Duration `json:"for,omitempty"`
}

// answer of every call.
type answer struct {
	Resource   *Resource  `json:"resource,omitempty"`
	Identities []string   `json:"identities,omitempty"`
	Resources  []Resource `json:"resources,omitempty"`
	Ledger     []Entry    `json:"ledger,omitempty"`
	Error      string     `json:"error,omitempty"`
	Missing    bool       `json:"missing,omitempty"`
}

// Server serves a world over HTTP.
type Server struct {
	world   *World
	latency time.Duration

	mu   sync.Mutex
	drop int
	slow time.Time // until when effects and their answers are late
}

// NewServer serves a world. An effect comes half of the latency after it was
// asked for, and its answer the other half later.
func NewServer(world *World, latency time.Duration) *Server {
	return &Server{world: world, latency: latency}
}

// Paths of the calls.
const (
	pathFind      = "/find"
	pathList      = "/list"
	pathCreate    = "/create"
	pathUpdate    = "/update"
	pathDestroy   = "/destroy"
	pathMove      = "/move"
	pathDrop      = "/drop"
	pathSlow      = "/slow"
	pathResources = "/resources"
	pathLedger    = "/ledger"
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c call
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil {
		http.Error(w, "the call is malformed: "+err.Error(), http.StatusBadRequest)
		return
	}
	a, effect, err := s.do(r.URL.Path, c)
	if err != nil {
		a = answer{Error: err.Error(), Missing: errors.Is(err, ErrMissing)}
	}
	if effect {
		s.wait()
		if s.dropped() {
			panic(http.ErrAbortHandler) // the effect is there and its answer is lost
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(a); err != nil {
		panic(http.ErrAbortHandler) // whoever asked is gone
	}
}

// do carries a call out and says whether it has had an effect.
func (s *Server) do(path string, c call) (a answer, effect bool, err error) {
	key, identity := c.Resource.Key, c.Resource.Identity
	switch path {
	case pathFind:
		if found, ok := s.world.Find(key, identity); ok {
			a.Resource = &found
		}
	case pathList:
		a.Identities = s.world.Identities(key)
	case pathCreate:
		s.wait()
		var made Resource
		made, err = s.world.Create(c.Resource, c.Prefix, c.Text)
		a.Resource, effect = &made, true
	case pathUpdate:
		s.wait()
		effect, err = true, s.world.Update(key, identity, c.Resource.Attributes, c.Text)
	case pathDestroy:
		s.wait()
		effect, err = true, s.world.Destroy(key, identity, c.Text)
	case pathMove:
		s.world.Move(key, c.To)
	case pathDrop:
		s.mu.Lock()
		s.drop++
		s.mu.Unlock()
	case pathSlow:
		s.mu.Lock()
		s.slow = time.Now().Add(c.For)
		s.mu.Unlock()
	case pathResources:
		a.Resources = s.world.Resources()
	case pathLedger:
		a.Ledger = s.world.Ledger(c.After)
	default:
		err = fmt.Errorf("there is no call %s", path)
	}
	return a, effect, err
}

// wait takes half of the latency, or what is left of the time in which the world
// is slow. A call whose sender died takes its effect all the same: it has left
// the sender.
func (s *Server) wait() {
	s.mu.Lock()
	slow := time.Until(s.slow)
	s.mu.Unlock()
	<-time.After(max(s.latency/2, slow))
}

// dropped says whether this answer is to be lost.
func (s *Server) dropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop == 0 {
		return false
	}
	s.drop--
	return true
}

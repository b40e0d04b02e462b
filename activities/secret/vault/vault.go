// SPDX-License-Identifier: Apache-2.0

// Package vault reads secrets from a KV engine, of version 1 or 2, of HashiCorp
// Vault or OpenBao: "secret://vault/<team>/<path>#<key>". Address, TLS and
// namespace come from the variables that Vault's own programs read (VAULT_ADDR,
// VAULT_CACERT, VAULT_NAMESPACE, …).
//
// It reads the newest version of a secret. It renews no lease: KV has none.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/secretref"
)

var _ secret.Source = (*Source)(nil)

// Config of the source. Of Login one way is used.
type Config struct {
	// Address overrides VAULT_ADDR; for tests.
	Address string
	// Prefix of paths, the engine's mount in front, such as
	// "secret/nestor/{team}/".
	Prefix location.Prefix
	Login  Login
}

// Source reads a KV engine.
type Source struct {
	config Config

	mu     sync.Mutex
	client *api.Client
	token  string // of a login that still holds
	mounts map[string]mount
}

// mount of a KV engine.
type mount struct {
	path      string // with a slash after it
	versioned bool   // KV version 2
}

// New makes a source. It asks Vault nothing until it reads.
func New(c Config) *Source { return &Source{config: c, mounts: map[string]mount{}} }

// Read implements secret.Source. A token that Vault no longer takes is replaced
// once.
func (s *Source) Read(ctx context.Context, ref secretref.Reference) (string, error) {
	value, err := s.read(ctx, ref)
	if s.config.Login.renewable() && errors.Is(err, secret.ErrDenied) && s.forgetToken() {
		return s.read(ctx, ref)
	}
	return value, err
}

func (s *Source) read(ctx context.Context, ref secretref.Reference) (string, error) {
	client, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	path := s.config.Prefix.Of(ref)
	at, err := s.mountOf(ctx, client, path)
	if err != nil {
		return "", err
	}
	actual := path
	if at.versioned {
		actual = at.path + "data/" + strings.TrimPrefix(path, at.path)
	}
	found, err := client.Logical().ReadWithContext(ctx, actual)
	if err != nil {
		return "", explain("the secret "+path+" of Vault", err)
	}
	var values map[string]any
	if found != nil {
		values = found.Data
		if at.versioned { // nil where the newest version is deleted
			values, _ = found.Data["data"].(map[string]any)
		}
	}
	if values == nil {
		return "", fmt.Errorf("vault has no secret %s: %w", path, secret.ErrMissing)
	}
	return member(path, values, ref.Key)
}

// member is one value of a secret.
func member(path string, values map[string]any, key string) (string, error) {
	value, there := values[key]
	if !there || value == nil {
		return "", fmt.Errorf("the secret %s of Vault has no key %s: %w", path, key, secret.ErrMissing)
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value) // a number, a list: as JSON
	if err != nil {
		return "", fmt.Errorf("the key %s of the secret %s of Vault is no text: %w", key, path, secret.ErrReference)
	}
	return string(text), nil
}

// connect returns a client with a token.
func (s *Source) connect(ctx context.Context) (*api.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		config := api.DefaultConfig()
		if config.Error != nil {
			return nil, fmt.Errorf("vault's variables: %w: %w", secret.ErrDenied, config.Error)
		}
		if s.config.Address != "" {
			config.Address = s.config.Address
		}
		client, err := api.NewClient(config)
		if err != nil {
			return nil, fmt.Errorf("vault's variables: %w: %w", secret.ErrDenied, err)
		}
		client.ClearToken()
		s.client = client
	}
	if s.token == "" {
		token, err := s.config.Login.token(ctx, s.client)
		if err != nil {
			return nil, err
		}
		s.token = token
	}
	client, err := s.client.CloneWithHeaders()
	if err != nil {
		return nil, fmt.Errorf("vault's variables: %w: %w", secret.ErrDenied, err)
	}
	client.SetToken(s.token)
	return client, nil
}

// forgetToken says whether there was a token to forget.
func (s *Source) forgetToken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.token != ""
	s.token = ""
	return held
}

// mountOf asks, once for each owner's prefix, where the engine is mounted and
// which version it has. Vault lets everybody ask who may read below it.
func (s *Source) mountOf(ctx context.Context, client *api.Client, path string) (mount, error) {
	first, _, _ := strings.Cut(path, "/")
	s.mu.Lock()
	for _, known := range s.mounts {
		if strings.HasPrefix(path, known.path) {
			s.mu.Unlock()
			return known, nil
		}
	}
	s.mu.Unlock()
	answer, err := client.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	if err != nil {
		return mount{}, explain("the engine at "+first+"/ of Vault", err)
	}
	if answer == nil {
		return mount{}, fmt.Errorf("vault has no engine at %s/: %w", first, secret.ErrMissing)
	}
	at := mount{}
	at.path, _ = answer.Data["path"].(string)
	options, _ := answer.Data["options"].(map[string]any)
	at.versioned = options["version"] == "2"
	if kind := answer.Data["type"]; at.path == "" || kind != "kv" && kind != "generic" {
		return mount{}, fmt.Errorf("the engine at %s/ of Vault is no KV engine: %w", first, secret.ErrReference)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mounts[at.path] = at
	return at, nil
}

// explain sorts an error of Vault. Of an answer the status and Vault's own words
// are told; they hold no value.
func explain(what string, err error) error {
	var answered *api.ResponseError
	if !errors.As(err, &answered) {
		if errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return fmt.Errorf("%s: %w: %w", what, secret.ErrUnreachable, err)
	}
	class := secret.ErrUnreachable
	switch answered.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		class = secret.ErrDenied
	case http.StatusNotFound:
		class = secret.ErrMissing
	case http.StatusBadRequest:
		class = secret.ErrReference
	}
	return fmt.Errorf("%s: %w (Vault answers %d: %s)", what, class, answered.StatusCode, strings.Join(answered.Errors, "; "))
}

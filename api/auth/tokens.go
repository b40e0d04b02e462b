// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml"

	"github.com/HatiCode/nestor/store"
)

// minToken is the shortest token that is accepted: 16 random bytes in any
// usual encoding are longer.
const minToken = 20

// ErrNoTokens says that a tokens file lets nobody in.
var ErrNoTokens = errors.New("the tokens file holds no token")

// entry is one element of the tokens file.
type entry struct {
	Token     string   `yaml:"token"`
	Principal string   `yaml:"principal"`
	Teams     []string `yaml:"teams"`
	Roles     []Role   `yaml:"roles"`
}

// Tokens knows principals by their tokens' hashes. It is immutable.
type Tokens struct {
	known []knownToken
}

type knownToken struct {
	hash      [sha256.Size]byte
	principal Principal
}

// Parse reads a tokens file: a YAML list of {token, principal, teams, roles}.
// Its errors name the entry by number, never a token.
func Parse(data []byte) (*Tokens, error) {
	var entries []entry
	if err := yaml.UnmarshalWithOptions(data, &entries, yaml.Strict()); err != nil {
		// Not wrapped: the default form of this error quotes the file.
		return nil, fmt.Errorf("tokens file: %s", yaml.FormatError(err, false, false))
	}
	if len(entries) == 0 {
		return nil, ErrNoTokens
	}
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	tokens := &Tokens{}
	seen := map[[sha256.Size]byte]int{}
	for i, e := range entries {
		if err := e.check(label); err != nil {
			return nil, fmt.Errorf("tokens file: entry %d: %w", i+1, err)
		}
		hash := sha256.Sum256([]byte(e.Token))
		if first, again := seen[hash]; again {
			return nil, fmt.Errorf("tokens file: entry %d: the same token as entry %d", i+1, first)
		}
		seen[hash] = i + 1
		tokens.known = append(tokens.known, knownToken{
			hash:      hash,
			principal: Principal{Name: store.Principal(e.Principal), Teams: e.Teams, Roles: e.Roles},
		})
	}
	return tokens, nil
}

func (e entry) check(label *regexp.Regexp) error {
	if len(e.Token) < minToken {
		return fmt.Errorf("token: shorter than %d characters; make one with \"openssl rand -hex 24\"", minToken)
	}
	if e.Principal == "" {
		return errors.New(`principal: missing; write one such as "user:ada" or "token:ci"`)
	}
	for _, team := range e.Teams {
		if team != AllTeams && !label.MatchString(team) {
			return fmt.Errorf("teams: %q is neither a DNS label nor \"*\"", team)
		}
	}
	for _, role := range e.Roles {
		if role != RolePlatform && role != RoleTeam {
			return fmt.Errorf("roles: %q is neither \"platform\" nor \"team\"", role)
		}
	}
	return nil
}

// Authenticate returns the principal of a token. It compares with every known
// token in constant time, so that its duration tells nothing.
func (t *Tokens) Authenticate(token string) (Principal, bool) {
	hash := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.known {
		if subtle.ConstantTimeCompare(hash[:], t.known[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Principal{}, false
	}
	return t.known[found].principal, true
}

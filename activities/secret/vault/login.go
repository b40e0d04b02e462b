// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/HatiCode/nestor/activities/secret"
)

// Login is how the worker gets a token: with Role, by Kubernetes; otherwise from
// TokenFile, which is read again when its token is refused; otherwise Token.
type Login struct {
	Token     string
	TokenFile string
	// Role of the Kubernetes auth method mounted at AuthMount; JWTFile holds
	// the service account's token.
	Role      string
	AuthMount string
	JWTFile   string
}

// Where Kubernetes auth is, unless told otherwise.
const (
	DefaultAuthMount = "kubernetes"
	DefaultJWTFile   = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// maxTokenBytes is far above any token.
const maxTokenBytes = 64 << 10

// renewable says whether asking again can give another token.
func (l Login) renewable() bool { return l.Role != "" || l.TokenFile != "" }

func (l Login) token(ctx context.Context, client *api.Client) (string, error) {
	switch {
	case l.Role != "":
		return l.byKubernetes(ctx, client)
	case l.TokenFile != "":
		return readToken("VAULT_TOKEN_FILE", l.TokenFile)
	case l.Token != "":
		return l.Token, nil
	default:
		return "", fmt.Errorf("the worker has no token for Vault (VAULT_TOKEN, VAULT_TOKEN_FILE or NESTOR_SECRETS_VAULT_ROLE): %w", secret.ErrDenied)
	}
}

func (l Login) byKubernetes(ctx context.Context, client *api.Client) (string, error) {
	jwt, err := readToken("the service account's token", l.JWTFile)
	if err != nil {
		return "", err
	}
	answer, err := client.Logical().WriteWithContext(ctx, "auth/"+l.AuthMount+"/login", map[string]any{"role": l.Role, "jwt": jwt})
	if err != nil {
		// Whatever is wrong with the login, it is no secret that is missing.
		err = explain("the login to Vault with the role "+l.Role, err)
		if !errors.Is(err, secret.ErrUnreachable) && !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %s", secret.ErrDenied, err) //nolint:errorlint // its class is replaced
		}
		return "", err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return "", fmt.Errorf("the login to Vault with the role %s gave no token: %w", l.Role, secret.ErrDenied)
	}
	return answer.Auth.ClientToken, nil
}

func readToken(what, path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxTokenBytes {
		return "", fmt.Errorf("%s: %s is larger than a token: %w", what, path, secret.ErrDenied)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the operator's configuration names it
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", what, secret.ErrDenied, err)
	}
	return strings.TrimSpace(string(data)), nil
}

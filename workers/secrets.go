// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/aws"
	"github.com/HatiCode/nestor/activities/secret/kubernetes"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/activities/secret/vault"
	"github.com/HatiCode/nestor/internal/secretref"
)

// Secrets says which sources of secrets a worker offers beside its environment
// and files, and where in them the owners' secrets lie.
type Secrets struct {
	// Offered are sources other than env and file. Clients of others are never
	// made.
	Offered    []secretref.Source
	Kubernetes kubernetes.Config
	AWS        aws.Config
	Vault      vault.Config
}

// Defaults of the places.
const (
	DefaultSecretNamespace         = "team-{team}"
	DefaultPlatformSecretNamespace = "nestor-platform"
	DefaultAWSPrefix               = "nestor/{team}/"
	DefaultVaultPrefix             = "secret/nestor/{team}/"
)

// secretsFromEnv reads NESTOR_SECRETS_*.
func secretsFromEnv(getenv func(string) string) (Secrets, error) {
	var s Secrets
	var errs []error
	failed := func(variable string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", variable, err))
		}
	}
	var err error
	s.Offered, err = offered(getenv("NESTOR_SECRETS_SOURCES"))
	failed("NESTOR_SECRETS_SOURCES", err)
	s.Kubernetes.Kubeconfig = getenv("NESTOR_SECRETS_KUBECONFIG")
	s.Kubernetes.Namespace, err = location.NewNamespace(
		or(getenv("NESTOR_SECRETS_KUBERNETES_NAMESPACE"), DefaultSecretNamespace),
		or(getenv("NESTOR_SECRETS_KUBERNETES_PLATFORM_NAMESPACE"), DefaultPlatformSecretNamespace))
	failed("NESTOR_SECRETS_KUBERNETES_NAMESPACE", err)
	s.AWS.Prefix, err = location.NewPrefix(or(getenv("NESTOR_SECRETS_AWS_PREFIX"), DefaultAWSPrefix))
	failed("NESTOR_SECRETS_AWS_PREFIX", err)
	s.Vault.Prefix, err = location.NewPrefix(or(getenv("NESTOR_SECRETS_VAULT_PREFIX"), DefaultVaultPrefix))
	failed("NESTOR_SECRETS_VAULT_PREFIX", err)
	s.Vault.Login = vault.Login{
		Token: getenv("VAULT_TOKEN"), TokenFile: getenv("VAULT_TOKEN_FILE"),
		Role:      getenv("NESTOR_SECRETS_VAULT_ROLE"),
		AuthMount: strings.Trim(or(getenv("NESTOR_SECRETS_VAULT_AUTH_MOUNT"), vault.DefaultAuthMount), "/"),
		JWTFile:   or(getenv("NESTOR_SECRETS_VAULT_JWT_FILE"), vault.DefaultJWTFile),
	}
	if slices.Contains(s.Offered, secretref.Vault) && getenv("VAULT_ADDR") == "" {
		errs = append(errs, errors.New("VAULT_ADDR is not set, and NESTOR_SECRETS_SOURCES names vault"))
	}
	return s, errors.Join(errs...)
}

func offered(list string) ([]secretref.Source, error) {
	var sources []secretref.Source
	for _, name := range split(list) {
		source := secretref.Source(name)
		if !slices.Contains(secretref.Sources(), source) {
			return nil, fmt.Errorf("%q is unknown; expected some of %v", name, secretref.Sources())
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// resolver of the worker's steps.
func (c Config) resolver() *secret.Resolver {
	r := secret.New(os.LookupEnv, c.SecretsDir)
	for _, name := range c.Secrets.Offered {
		switch name {
		case secretref.Kubernetes:
			r.Offer(name, kubernetes.New(c.Secrets.Kubernetes))
		case secretref.SecretsManager:
			r.Offer(name, aws.NewSecretsManager(c.Secrets.AWS))
		case secretref.SSM:
			r.Offer(name, aws.NewSSM(c.Secrets.AWS))
		case secretref.Vault:
			r.Offer(name, vault.New(c.Secrets.Vault))
		case secretref.Env, secretref.File: // always there
		}
	}
	return r
}

// SPDX-License-Identifier: Apache-2.0

// Package aws reads secrets from AWS Secrets Manager
// ("secret://aws-secretsmanager/<team>/<name>", with "#<key>" for a key of the
// JSON inside) and from the parameters of AWS Systems Manager
// ("secret://aws-ssm/<team>/<path>"). Region, endpoint and credentials come
// from the SDK's standard chain; so does the retrying of what is throttled.
package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/secretref"
)

var (
	_ secret.Source = (*SecretsManager)(nil)
	_ secret.Source = (*SSM)(nil)
)

// Config of both sources.
type Config struct {
	// Prefix of the names of secrets and parameters.
	Prefix location.Prefix
	// Options are applied over the SDK's own chain; tests choose an endpoint
	// and credentials with them.
	Options []func(*config.LoadOptions) error
}

// account loads the SDK's configuration when it is first needed. It is loaded
// again after a failure.
type account struct {
	options []func(*config.LoadOptions) error

	mu     sync.Mutex
	loaded *aws.Config
}

func (a *account) config(ctx context.Context) (aws.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.loaded != nil {
		return *a.loaded, nil
	}
	loaded, err := config.LoadDefaultConfig(ctx, a.options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("the worker's AWS configuration: %w: %w", secret.ErrDenied, err)
	}
	a.loaded = &loaded
	return loaded, nil
}

// SecretsManager reads AWS Secrets Manager. It needs
// secretsmanager:GetSecretValue below the prefix, and kms:Decrypt where a
// secret has a key of its own.
type SecretsManager struct {
	account account
	prefix  location.Prefix
}

// NewSecretsManager makes a source. It asks AWS nothing until it reads.
func NewSecretsManager(c Config) *SecretsManager {
	return &SecretsManager{account: account{options: c.Options}, prefix: c.Prefix}
}

// Read implements secret.Source.
func (s *SecretsManager) Read(ctx context.Context, ref secretref.Reference) (string, error) {
	loaded, err := s.account.config(ctx)
	if err != nil {
		return "", err
	}
	name := s.prefix.Of(ref)
	found, err := secretsmanager.NewFromConfig(loaded).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", explain("the secret "+name+" of AWS Secrets Manager", err)
	}
	value := string(found.SecretBinary)
	if found.SecretString != nil {
		value = *found.SecretString
	}
	if ref.Key == "" {
		return value, nil
	}
	return member(name, value, ref.Key)
}

// member is a key of the JSON object in a secret.
func member(name, text, key string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil { // its error may quote the secret
		return "", fmt.Errorf("the secret %s holds no JSON object to take %s from: %w", name, key, secret.ErrReference)
	}
	raw, there := object[key]
	if !there {
		return "", fmt.Errorf("the secret %s has no key %s: %w", name, key, secret.ErrMissing)
	}
	var value string
	if json.Unmarshal(raw, &value) == nil {
		return value, nil
	}
	return string(raw), nil // a number, a list: as it is written
}

// SSM reads parameters of AWS Systems Manager, SecureStrings decrypted. It needs
// ssm:GetParameter below the prefix, and kms:Decrypt where a parameter has a key
// of its own.
type SSM struct {
	account account
	prefix  location.Prefix
}

// NewSSM makes a source. It asks AWS nothing until it reads.
func NewSSM(c Config) *SSM {
	return &SSM{account: account{options: c.Options}, prefix: c.Prefix}
}

// Read implements secret.Source.
func (s *SSM) Read(ctx context.Context, ref secretref.Reference) (string, error) {
	loaded, err := s.account.config(ctx)
	if err != nil {
		return "", err
	}
	name := "/" + s.prefix.Of(ref)
	found, err := ssm.NewFromConfig(loaded).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", explain("the parameter "+name+" of AWS Systems Manager", err)
	}
	if found.Parameter == nil || found.Parameter.Value == nil {
		return "", fmt.Errorf("the parameter %s has no value: %w", name, secret.ErrMissing)
	}
	return *found.Parameter.Value, nil
}

// explain sorts an error of AWS. Of an answer the code is told, not the text.
func explain(what string, err error) error {
	transient := retry.NewStandard().IsErrorRetryable(err) || errors.Is(err, context.DeadlineExceeded)
	var answered smithy.APIError
	switch {
	case !errors.As(err, &answered) && errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", what, err)
	case answered == nil && transient:
		return fmt.Errorf("%s: %w: %w", what, secret.ErrUnreachable, err)
	case answered == nil: // no region, no credentials
		return fmt.Errorf("%s: %w: %w", what, secret.ErrDenied, err)
	}
	class := secret.ErrDenied
	switch answered.ErrorCode() {
	case "ResourceNotFoundException", "ParameterNotFound":
		class = secret.ErrMissing
	case "ValidationException", "InvalidParameterException", "InvalidRequestException": // also: it is marked for deletion
		class = secret.ErrReference
	default:
		if transient || answered.ErrorFault() == smithy.FaultServer {
			class = secret.ErrUnreachable
		}
	}
	return fmt.Errorf("%s: %w (AWS answers %s)", what, class, answered.ErrorCode())
}

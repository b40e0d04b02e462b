// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/HatiCode/nestor/activities/secret"
	secretaws "github.com/HatiCode/nestor/activities/secret/aws"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/secretref"
	"github.com/HatiCode/nestor/internal/testplatform"
)

const canary = "canary-9d04c7"

// startMoto runs moto's server until the test ends and returns its address.
func startMoto(t *testing.T) string {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	var output bytes.Buffer
	cmd := exec.CommandContext(t.Context(), parts.Program(t, "moto"), "-H", "127.0.0.1", "-p", port)
	cmd.Stdout, cmd.Stderr = &output, &output
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Wait() // the test's context has killed it
	})
	endpoint := "http://" + address
	testplatform.Eventually(t, time.Minute, "moto to answer", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/", http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	return endpoint
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// options stand in for the SDK's own chain.
func options(endpoint, id, key string) []func(*config.LoadOptions) error {
	return []func(*config.LoadOptions) error{
		config.WithBaseEndpoint(endpoint), config.WithRegion("eu-west-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, key, "")),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
	}
}

func prefix(t *testing.T) location.Prefix {
	t.Helper()
	p, err := location.NewPrefix("nestor/{team}/")
	must(t, err)
	return p
}

// resolver offers both sources, as the worker does.
func resolver(t *testing.T, o []func(*config.LoadOptions) error) *secret.Resolver {
	t.Helper()
	r := secret.New(func(string) (string, bool) { return "", false }, "")
	c := secretaws.Config{Prefix: prefix(t), Options: o}
	r.Offer(secretref.SecretsManager, secretaws.NewSecretsManager(c))
	r.Offer(secretref.SSM, secretaws.NewSSM(c))
	return r
}

func fill(t *testing.T, endpoint string) {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(t.Context(), options(endpoint, "test", "test")...)
	must(t, err)
	manager, parameters := secretsmanager.NewFromConfig(loaded), ssm.NewFromConfig(loaded)
	for name, value := range map[string]string{
		"nestor/alpha/db": canary, "nestor/alpha/json": `{"password":"` + canary + `","port":5432}`,
		"nestor/beta/db": "beta's", "nestor/_platform/cloud": "cloud's", "nestor/alpha/large": strings.Repeat("x", 64<<10) + canary,
		"nestor/alpha/gone": canary,
	} {
		_, err := manager.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
		must(t, err)
	}
	_, err = manager.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("nestor/alpha/binary"), SecretBinary: []byte("bin\x00ary")})
	must(t, err)
	_, err = manager.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("nestor/alpha/gone")})
	must(t, err)
	_, err = parameters.PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/nestor/alpha/prod/db"), Value: aws.String(canary), Type: ssmtypes.ParameterTypeSecureString,
	})
	must(t, err)
}

// TestRead runs against moto.
func TestRead(t *testing.T) {
	t.Parallel()
	endpoint := startMoto(t)
	fill(t, endpoint)
	r := resolver(t, options(endpoint, "test", "test"))
	for name, tc := range map[string]struct {
		owner, ref, want string
		fails            error
		reason           string
	}{
		"secret":         {"alpha", "secret://aws-secretsmanager/alpha/db", canary, nil, "a whole secret"},
		"key":            {"alpha", "secret://aws-secretsmanager/alpha/json#password", canary, nil, "a key of the JSON inside"},
		"number":         {"alpha", "secret://aws-secretsmanager/alpha/json#port", "5432", nil, "what is no text is taken as written"},
		"binary":         {"alpha", "secret://aws-secretsmanager/alpha/binary", "bin\x00ary", nil, "bytes"},
		"parameter":      {"alpha", "secret://aws-ssm/alpha/prod/db", canary, nil, "decrypted"},
		"platform":       {secretref.Platform, "secret://aws-secretsmanager/_platform/cloud", "cloud's", nil, "an environment's credential"},
		"no key":         {"alpha", "secret://aws-secretsmanager/alpha/json#user", "", secret.ErrMissing, "the JSON has no such key"},
		"no JSON":        {"alpha", "secret://aws-secretsmanager/alpha/db#user", "", secret.ErrReference, "nothing to take a key from"},
		"missing":        {"alpha", "secret://aws-secretsmanager/alpha/none", "", secret.ErrMissing, "it is not there"},
		"no parameter":   {"alpha", "secret://aws-ssm/alpha/none", "", secret.ErrMissing, "it is not there"},
		"deleted":        {"alpha", "secret://aws-secretsmanager/alpha/gone", "", secret.ErrReference, "it waits for its deletion"},
		"another team's": {"alpha", "secret://aws-secretsmanager/beta/db", "", secret.ErrReference, "it is beta's"},
		"above the size": {"alpha", "secret://aws-secretsmanager/alpha/large", "", secret.ErrReference, "no secret is so large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := r.Resolve(t.Context(), tc.owner, tc.ref)
			want(t, tc.reason, got, tc.want, err, tc.fails)
		})
	}
}

func want(t *testing.T, reason, got, want string, err, fails error) {
	t.Helper()
	if got != want || !errors.Is(err, fails) {
		t.Errorf("%s: got %q, %v; want %q, %v", reason, got, err, want, fails)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("%s: the error holds a secret", reason)
	}
}

// TestDenied has moto enforce the policies of a user who has none.
func TestDenied(t *testing.T) {
	t.Parallel()
	endpoint := startMoto(t)
	fill(t, endpoint)
	iam(t, endpoint, "CreateUser", "")
	answer := iam(t, endpoint, "CreateAccessKey", "")
	var created struct {
		ID  string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Key string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	must(t, xml.Unmarshal(answer, &created))
	post(t, endpoint+"/moto-api/reset-auth", "0", "text/plain")
	r := resolver(t, options(endpoint, created.ID, created.Key))
	for _, ref := range []string{"secret://aws-secretsmanager/alpha/db", "secret://aws-ssm/alpha/prod/db"} {
		got, err := r.Resolve(t.Context(), "alpha", ref)
		want(t, "a user without a policy", got, "", err, secret.ErrDenied)
	}
}

// iam asks for something that needs no client of its own.
func iam(t *testing.T, endpoint, action, more string) []byte {
	t.Helper()
	body := url.Values{"Action": {action}, "Version": {"2010-05-08"}, "UserName": {"nobody"}}.Encode() + more
	return post(t, endpoint, body, "application/x-www-form-urlencoded")
}

func post(t *testing.T, address, body, kind string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	answer, err := io.ReadAll(response.Body)
	must(t, errors.Join(err, response.Body.Close()))
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", address, response.Status, answer)
	}
	return answer
}

// TestUnreachable: what another try may cure is told from what none will. These
// answers cannot be had from moto.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	answers := func(status int, code string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"__type":%q,"message":"of %s"}`, code, canary)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, tc := range map[string]struct {
		endpoint string
		fails    error
		reason   string
	}{
		"throttled": {answers(http.StatusBadRequest, "ThrottlingException"), secret.ErrUnreachable, "later there is room"},
		"broken":    {answers(http.StatusInternalServerError, "InternalServiceError"), secret.ErrUnreachable, "AWS mends it"},
		"denied":    {answers(http.StatusBadRequest, "AccessDeniedException"), secret.ErrDenied, "nobody mends it by waiting"},
		"nobody":    {"http://127.0.0.1:1", secret.ErrUnreachable, "the network may come back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			once := append(options(tc.endpoint, "test", "test"), config.WithRetryMaxAttempts(1))
			for _, ref := range []string{"secret://aws-secretsmanager/alpha/db", "secret://aws-ssm/alpha/db"} {
				got, err := resolver(t, once).Resolve(t.Context(), "alpha", ref)
				want(t, tc.reason, got, "", err, tc.fails)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package kubernetes reads secrets from Secrets of the cluster that the
// platform team chose for them: "secret://kubernetes/<team>/<name>/<key>". It
// needs the verb "get" on Secrets in the namespaces of teams, and no other.
//
// It is not how engines reach a cluster; activities/engine/kube is.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/activities/secret/location"
	"github.com/HatiCode/nestor/internal/secretref"
)

var _ secret.Source = (*Source)(nil)

// Config of the source.
type Config struct {
	// Kubeconfig is the path of a kubeconfig file; empty means the service
	// account of the worker's pod.
	Kubeconfig string
	Namespace  location.Namespace
}

// Source reads Secrets.
type Source struct {
	namespace location.Namespace
	client    func() (typed.SecretsGetter, error)
}

// New makes a source. The client is made when it is first needed.
func New(c Config) *Source {
	return &Source{namespace: c.Namespace, client: sync.OnceValues(func() (typed.SecretsGetter, error) {
		config, err := restConfig(c.Kubeconfig)
		if err != nil {
			return nil, err
		}
		config.UserAgent = "nestor-worker"
		return typed.NewForConfig(config)
	})}
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}

// Read implements secret.Source.
func (s *Source) Read(ctx context.Context, ref secretref.Reference) (string, error) {
	namespace, err := s.namespace.Of(ref.Owner)
	if err != nil {
		return "", fmt.Errorf("%w: %w", secret.ErrReference, err)
	}
	name, key, _ := strings.Cut(ref.Path, "/")
	client, err := s.client()
	if err != nil {
		return "", fmt.Errorf("the cluster of the secrets (NESTOR_SECRETS_KUBECONFIG, or the worker's pod): %w: %w", secret.ErrDenied, err)
	}
	found, err := client.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", explain(err, namespace, name)
	}
	value, there := found.Data[key]
	if !there {
		return "", fmt.Errorf("the Secret %s/%s has no key %s: %w", namespace, name, key, secret.ErrMissing)
	}
	return string(value), nil
}

// explain sorts an error of the API server. What it says of a Secret holds no
// value of it.
func explain(err error, namespace, name string) error {
	class, said := secret.ErrUnreachable, ""
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("namespace %s has no Secret %s: %w", namespace, name, secret.ErrMissing)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		class, said = secret.ErrDenied, "; it needs the verb get on Secrets there"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		class = secret.ErrReference
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("the Secret %s/%s: %w", namespace, name, err)
	}
	return fmt.Errorf("the Secret %s/%s: %w%s: %w", namespace, name, class, said, err)
}

// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Worlds gives each directory of the suite's tests a namespace of its own with a
// controller in it, and leaves word of it in the directory for a worker process
// that the suite starts.
type Worlds struct {
	config     *rest.Config
	kubeconfig []byte
	client     dynamic.Interface

	mu     sync.Mutex
	opened map[string]string // directory → namespace
	stops  []func()
}

// Files in a test's directory.
const (
	kubeconfigFile = "kubeconfig"
	namespaceFile  = "namespace"
)

// NewWorlds installs things on a cluster. The controllers stop, and the
// namespaces go, when tb's test and all its subtests are over.
func NewWorlds(tb testing.TB, config *rest.Config, kubeconfig []byte) *Worlds {
	tb.Helper()
	if err := Install(tb.Context(), config); err != nil {
		tb.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	w := &Worlds{config: config, kubeconfig: kubeconfig, client: client, opened: map[string]string{}}
	tb.Cleanup(func() {
		if err := w.close(); err != nil {
			tb.Errorf("close the worlds: %v", err)
		}
	})
	return w
}

// Open makes a directory's namespace, once, and returns its name.
func (w *Worlds) Open(dir string) (namespace string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if namespace, opened := w.opened[dir]; opened {
		return namespace, nil
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "world-"},
	}}
	object, err = w.client.Resource(namespaces()).Create(context.Background(), object, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("make a world: %w", err)
	}
	namespace = object.GetName()
	w.opened[dir] = namespace
	stop, err := Control(w.config, namespace)
	if err != nil {
		return "", err
	}
	w.stops = append(w.stops, stop)
	return namespace, errors.Join(
		os.WriteFile(filepath.Join(dir, kubeconfigFile), w.kubeconfig, 0o600),
		os.WriteFile(filepath.Join(dir, namespaceFile), []byte(namespace), 0o600),
	)
}

// close deletes the namespaces without waiting for it. What has a finalizer is
// deleted first, while a controller is there to see it.
func (w *Worlds) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs []error
	for _, namespace := range w.opened {
		things := w.client.Resource(GVR()).Namespace(namespace)
		errs = append(errs, things.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}), emptied(ctx, things))
		errs = append(errs, w.client.Resource(namespaces()).Delete(ctx, namespace, metav1.DeleteOptions{}))
	}
	for _, stop := range w.stops {
		stop()
	}
	return errors.Join(errs...)
}

// emptied waits until no thing is left.
func emptied(ctx context.Context, things dynamic.ResourceInterface) error {
	err := wait.PollUntilContextCancel(ctx, holdPoll, true, func(ctx context.Context) (bool, error) {
		list, err := things.List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 0, err
	})
	if err != nil {
		return fmt.Errorf("things are left: %w", err)
	}
	return nil
}

func namespaces() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}

// Opened reads what Open left in a directory: what a worker process that the
// suite starts has to go by.
func Opened(dir string) (kubeconfig []byte, namespace string, err error) {
	kubeconfig, err = os.ReadFile(filepath.Join(dir, kubeconfigFile)) //nolint:gosec // a test's own directory
	if err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, namespaceFile)) //nolint:gosec // a test's own directory
	return kubeconfig, strings.TrimSpace(string(text)), err
}

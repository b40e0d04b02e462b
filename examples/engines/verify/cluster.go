// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// site is the real world of the demo.
type site struct {
	dir       string
	out       io.Writer
	discovery discovery.DiscoveryInterface
	dynamic   dynamic.Interface
	store     *s3.Client
}

func open(dir string, out io.Writer) (*site, error) {
	secrets := filepath.Join(dir, "data", "secrets", "_platform")
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(secrets, "kubeconfig"))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	config.WarningHandler = rest.NoWarnings{} // kinds that are deprecated are listed, too
	s := &site{dir: dir, out: out}
	if s.discovery, err = discovery.NewDiscoveryClientForConfig(config); err != nil {
		return nil, err
	}
	if s.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	var minio [3]string
	for i, name := range []string{"minio-endpoint", "minio-access-key", "minio-secret-key"} {
		content, err := os.ReadFile(filepath.Join(secrets, name)) //nolint:gosec // the demo's own directory
		if err != nil {
			return nil, err
		}
		minio[i] = strings.TrimSpace(string(content))
	}
	s.store = s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + minio[0]), UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(minio[1], minio[2], ""),
	})
	return s, nil
}

// inventory maps what is there to its identity.
type inventory map[string]identity

type identity struct {
	UID        string `json:"uid"`
	Generation int64  `json:"generation"` // of the spec, where the API server counts it
}

// transient kinds come and go by themselves.
func transient(resource string) bool {
	return slices.Contains([]string{
		"events", "leases", "endpoints", "endpointslices", "controllerrevisions", "pods", "replicasets",
		"serviceaccounts", "ipaddresses", "usages", "clusterusages",
	}, resource)
}

// everything is each object of the cluster and each bucket.
func (s *site) everything(ctx context.Context) (inventory, error) {
	found := inventory{}
	lists, err := s.discovery.ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || transient(r.Name) {
				continue
			}
			objects, err := s.dynamic.Resource(group.WithResource(r.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", r.Name, err)
			}
			for _, o := range objects.Items {
				if o.GetKind() == "ConfigMap" && o.GetName() == "kube-root-ca.crt" {
					continue // the control plane's own, one for each namespace
				}
				found[o.GetKind()+" "+strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/")] = identity{string(o.GetUID()), o.GetGeneration()}
			}
		}
	}
	buckets, err := s.buckets(ctx)
	if err != nil {
		return nil, err
	}
	for name := range buckets {
		found["Bucket "+name] = identity{}
	}
	return found, nil
}

func (s *site) buckets(ctx context.Context) (map[string]bool, error) {
	list, err := s.store.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return nil, fmt.Errorf("list the buckets in MinIO: %w", err)
	}
	names := map[string]bool{}
	for _, b := range list.Buckets {
		names[aws.ToString(b.Name)] = true
	}
	return names, nil
}

// remember what the environment is made of.
func (s *site) remember(ctx context.Context, file string) error {
	seen, err := s.everything(ctx)
	if err != nil {
		return err
	}
	return write(s.path(file), seen)
}

// unchanged: nothing but objects of the given kinds differs from what an
// earlier step saw, and none of those was made anew. A change of settings that
// Helm keeps in a new release secret is bookkeeping.
func (s *site) unchanged(ctx context.Context, file string, except ...string) error {
	return s.compare(ctx, file, func(what string, was, is identity) error {
		kind, _, _ := strings.Cut(what, " ")
		if slices.Contains(except, kind) {
			was.Generation = is.Generation
		}
		if was != is {
			return fmt.Errorf("%s was touched", what)
		}
		return nil
	})
}

// same: every object is the very one that an earlier step saw. Its generation
// counts the change and the way back.
func (s *site) same(ctx context.Context, file string) error {
	err := s.compare(ctx, file, func(what string, was, is identity) error {
		if was.UID != is.UID {
			return fmt.Errorf("%s is not the one from before", what)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for what, at := range map[string]struct {
		version, resource, name string
		path                    []string
		want                    any
	}{
		"database":   {"platform.nestor.internal/v1", "databases", "shop-db", []string{"spec", "size"}, "small"},
		"cache":      {"apps/v1", "statefulsets", "shop-cache", []string{"spec", "replicas"}, int64(1)},
		"deployment": {"apps/v1", "deployments", "shop", []string{"status", "readyReplicas"}, int64(5)},
	} {
		o, err := s.object(ctx, at.version, at.resource, "shop-staging", at.name)
		if err != nil {
			return err
		}
		if got, _, _ := unstructured.NestedFieldNoCopy(o.Object, at.path...); got != at.want {
			return fmt.Errorf("the %s's %s is %v, want %v", what, strings.Join(at.path, "."), got, at.want)
		}
	}
	return nil
}

func (s *site) compare(ctx context.Context, file string, check func(what string, was, is identity) error) error {
	var before inventory
	if err := read(s.path(file), &before); err != nil {
		return err
	}
	after, err := s.everything(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for what, was := range before {
		is, there := after[what]
		switch {
		case release(what):
		case !there:
			wrong = append(wrong, fmt.Errorf("%s is gone", what))
		default:
			wrong = append(wrong, check(what, was, is))
		}
	}
	for what := range after {
		if _, there := before[what]; !there && !release(what) {
			wrong = append(wrong, fmt.Errorf("%s is new", what))
		}
	}
	return errors.Join(wrong...)
}

// release says that a secret is Helm's own record of a release.
func release(what string) bool {
	return strings.HasPrefix(what, "Secret ") && strings.Contains(what, "/sh.helm.release.")
}

func (s *site) object(ctx context.Context, version, resource, namespace, name string) (*unstructured.Unstructured, error) {
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		return nil, err
	}
	o, err := s.dynamic.Resource(group.WithResource(resource)).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the cluster has no %s %s/%s", resource, namespace, name)
	}
	return o, err
}

func text(o *unstructured.Unstructured, path ...string) string {
	v, _, err := unstructured.NestedString(o.Object, path...)
	if err != nil {
		return ""
	}
	return v
}

func number(o *unstructured.Unstructured, path ...string) int64 {
	v, _, err := unstructured.NestedInt64(o.Object, path...)
	if err != nil {
		return 0
	}
	return v
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// status is what verify needs of `nestor status -o json`.
type status struct {
	Status    string     `json:"status"`
	Release   string     `json:"release"`
	Resources []resource `json:"resources"`
}

type resource struct {
	Name    string         `json:"name"`
	Engine  string         `json:"engine"`
	Status  string         `json:"status"`
	Outputs map[string]any `json:"outputs"`
}

func (s *site) status(environment string) (status, error) {
	var out status
	return out, read(s.path(environment+".json"), &out)
}

// output of a resource as text; "" when it has none.
func (s status) output(name, output string) string {
	for _, r := range s.Resources {
		if strings.HasSuffix(r.Name, "."+name) && r.Outputs[output] != nil {
			return fmt.Sprint(r.Outputs[output])
		}
	}
	return ""
}

// serves: the environment succeeded, and what the bucket, the database and the
// cache gave is what the application runs with.
func (s *site) serves(ctx context.Context, environment string, replicas int64) error {
	state, err := s.status(environment)
	if err != nil {
		return err
	}
	if state.Status != "succeeded" {
		return fmt.Errorf("%s is %s", environment, state.Status)
	}
	namespace := "shop-" + environment
	config, err := s.object(ctx, "v1", "configmaps", namespace, "shop")
	if err != nil {
		return err
	}
	for key, from := range map[string][2]string{
		"bucketUrl": {"bucket", "url"}, "databaseEndpoint": {"database", "endpoint"}, "cacheEndpoint": {"cache", "endpoint"},
	} {
		want, got := state.output(from[0], from[1]), text(config, "data", key)
		if want == "" || got != want {
			return fmt.Errorf("%s: the application's %s is %q, the %s gave %q", environment, key, got, from[0], want)
		}
	}
	if err := s.knowsPassword(ctx, namespace); err != nil {
		return fmt.Errorf("%s: %w", environment, err)
	}
	deployment, err := s.object(ctx, "apps/v1", "deployments", namespace, "shop")
	if err != nil {
		return err
	}
	if ready := number(deployment, "status", "readyReplicas"); ready != replicas {
		return fmt.Errorf("%s: %d replicas are ready, want %d", environment, ready, replicas)
	}
	buckets, err := s.buckets(ctx)
	if err != nil {
		return err
	}
	bucket := state.output("bucket", "name")
	if !buckets[bucket] {
		return fmt.Errorf("%s: there is no bucket %q in MinIO", environment, bucket)
	}
	at, err := url.Parse(state.output("bucket", "url"))
	if err != nil {
		return fmt.Errorf("%s: the bucket's URL: %w", environment, err)
	}
	if at.Path != "/"+bucket {
		return fmt.Errorf("%s: %s is not the URL of bucket %s", environment, at, bucket)
	}
	return nil
}

// knowsPassword: the application has the password that the database generated,
// and Nestor shows it nowhere.
func (s *site) knowsPassword(ctx context.Context, namespace string) error {
	made, err := s.object(ctx, "v1", "secrets", namespace, "shop-db-connection")
	if err != nil {
		return err
	}
	given, err := s.object(ctx, "v1", "secrets", namespace, "shop")
	if err != nil {
		return err
	}
	password := text(made, "data", "password")
	if password == "" || text(given, "data", "databasePassword") != password {
		return fmt.Errorf("the application in %s does not have the database's password", namespace)
	}
	return nil
}

func read(path string, into any) error {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func write(path string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600) //nolint:gosec // the demo's own directory
}

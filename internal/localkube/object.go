// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// fields of an object.
type fields = map[string]any

// object is one to be put into the cluster, at a path of the API.
type object struct {
	path string
	body fields
}

// apply puts objects in their order.
func (c *ControlPlane) apply(ctx context.Context, objects ...object) error {
	for _, o := range objects {
		content, err := json.Marshal(o.body)
		if err != nil {
			return err
		}
		if err := c.api.apply(ctx, o.path, content); err != nil {
			return err
		}
	}
	return nil
}

func namespaceObject(name string) object {
	return object{"/api/v1/namespaces/" + name, fields{
		"apiVersion": "v1", "kind": "Namespace", "metadata": fields{"name": name},
	}}
}

// mayDoAnything lets a user read and write every object. Crossplane and its
// provider make whatever compositions ask for, and kwok only looks like many.
func mayDoAnything(of user) []object {
	const group = "rbac.authorization.k8s.io"
	name := "nestor-dev:" + string(of)
	return []object{
		{"/apis/" + group + "/v1/clusterroles/" + name, fields{
			"apiVersion": group + "/v1", "kind": "ClusterRole", "metadata": fields{"name": name},
			"rules": []fields{{"apiGroups": []string{"*"}, "resources": []string{"*"}, "verbs": []string{"*"}}},
		}},
		{"/apis/" + group + "/v1/clusterrolebindings/" + name, fields{
			"apiVersion": group + "/v1", "kind": "ClusterRoleBinding", "metadata": fields{"name": name},
			"roleRef":  fields{"apiGroup": group, "kind": "ClusterRole", "name": name},
			"subjects": []fields{{"apiGroup": group, "kind": "User", "name": string(of)}},
		}},
	}
}

// crdsAtOnce bounds the CRDs that are put at the same time.
const crdsAtOnce = 4

// applyCRDs puts the CRDs of a tool and waits until their kinds can be used.
// change, where there is one, is given the text of each.
func (c *ControlPlane) applyCRDs(ctx context.Context, tool string, change func(crd []byte) ([]byte, error)) error {
	dir := filepath.Join(c.options.CRDs, tool)
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("%s holds no CRDs; build them with `tools/build %s`", dir, tool)
	}
	var (
		group sync.WaitGroup
		slots = make(chan struct{}, crdsAtOnce)
		errs  = make([]error, len(paths))
	)
	for i, path := range paths {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := c.applyCRD(ctx, path, change); err != nil {
				errs[i] = fmt.Errorf("put %s into the cluster: %w", path, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (c *ControlPlane) applyCRD(ctx context.Context, path string, change func([]byte) ([]byte, error)) error {
	content, err := os.ReadFile(path) //nolint:gosec // a file of the folder that was given
	if err != nil {
		return err
	}
	// The file of a CRD is called <group>_<plural>.yaml, the CRD <plural>.<group>.
	group, plural, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".yaml"), "_")
	name := plural + "." + group
	if change != nil {
		if content, err = change(content); err != nil {
			return err
		}
	}
	at := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + name
	if err := c.api.apply(ctx, at, content); err != nil {
		return err
	}
	return every(ctx, func() error { return c.condition(ctx, at, "Established") })
}

// condition fails until the object has the condition.
func (c *ControlPlane) condition(ctx context.Context, path, kind string) error {
	var o struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := c.api.get(ctx, path, &o); err != nil {
		return err
	}
	for _, condition := range o.Status.Conditions {
		if condition.Type == kind && condition.Status == "True" {
			return nil
		}
	}
	return fmt.Errorf("%s is not %s yet", path, kind)
}

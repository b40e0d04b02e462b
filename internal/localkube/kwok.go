// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"fmt"
)

// nodeName is the one node.
const nodeName = "nestor-dev"

// kwok plays a node. There is no scheduler: a policy of the API server puts
// every pod on the one node that there is.
func (c *ControlPlane) kwok() Part {
	port := c.options.Ports.Kwok
	return Part{
		Name: "kwok", Program: "kwok",
		Args: []string{
			"--kubeconfig=" + c.users.kubeconfig(kwokUser), "--manage-all-nodes",
			"--node-ip=127.0.0.1", "--node-lease-duration-seconds=40",
			"--server-address=" + loopback(port),
		},
		Env: []string{c.home(), "KWOK_WORKDIR=" + c.file("kwok")},
		Prepare: func(ctx context.Context) error {
			if err := c.apply(ctx, append(mayDoAnything(kwokUser), placing()...)...); err != nil {
				return fmt.Errorf("prepare the cluster for kwok: %w", err)
			}
			return nil
		},
		Ready: func(ctx context.Context) error {
			if err := c.api.plain(port).get(ctx, "/healthz", nil); err != nil {
				return err
			}
			return c.condition(ctx, "/api/v1/nodes/"+nodeName, "Ready")
		},
	}
}

// placingArgs are what the API server needs for placing.
func placingArgs() []string {
	return []string{
		"--feature-gates=MutatingAdmissionPolicy=true",
		"--runtime-config=admissionregistration.k8s.io/v1beta1=true",
	}
}

// placing makes the node and the policy that puts pods on it.
func placing() []object {
	const (
		api  = "admissionregistration.k8s.io/v1beta1"
		name = "pods-on-" + nodeName
	)
	return []object{
		{"/api/v1/nodes/" + nodeName, fields{
			"apiVersion": "v1", "kind": "Node", "metadata": fields{
				"name":        nodeName,
				"annotations": fields{"kwok.x-k8s.io/node": "fake"},
				"labels": fields{
					"kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
					"type": "kwok",
				},
			},
		}},
		{"/apis/" + api + "/mutatingadmissionpolicies/" + name, fields{
			"apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": fields{"name": name},
			"spec": fields{
				"failurePolicy": "Fail", "reinvocationPolicy": "Never",
				"matchConstraints": fields{"resourceRules": []fields{{
					"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "resources": []string{"pods"},
					"operations": []string{"CREATE"},
				}}},
				"matchConditions": []fields{{
					"name": "not-placed", "expression": "!has(object.spec.nodeName) || object.spec.nodeName == ''",
				}},
				"mutations": []fields{{
					"patchType":          "ApplyConfiguration",
					"applyConfiguration": fields{"expression": "Object{spec: Object.spec{nodeName: '" + nodeName + "'}}"},
				}},
			},
		}},
		{"/apis/" + api + "/mutatingadmissionpolicybindings/" + name, fields{
			"apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": fields{"name": name},
			"spec": fields{"policyName": name},
		}},
	}
}

// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
)

// TestRollbackClass: a composition's resource may choose another class than its
// definition, and an environment another than that.
func TestRollbackClass(t *testing.T) {
	t.Parallel()
	mysql := composer.Resource{Name: "db", CatalogRef: "aws-rds-mysql", Config: map[string]any{"instanceClass": "s"}}
	tests := map[string]struct {
		reason                string
		resource, environment catalog.RollbackClass
		want                  catalog.RollbackClass
		fails                 []string
	}{
		"definition":  {reason: "it decides where nobody else does", want: catalog.Revertible},
		"resource":    {reason: "the node's own", resource: catalog.ForwardOnly, want: catalog.ForwardOnly},
		"environment": {reason: "where it runs", resource: catalog.ForwardOnly, environment: catalog.Revertible, want: catalog.Revertible},
		"no snapshot": {reason: "nothing says how", resource: catalog.SnapshotFirst, fails: []string{"says nowhere how a snapshot is taken"}},
		"misspelt":    {reason: "a slip is named", resource: "forwardonly", fails: []string{`"forwardonly" is no rollback class`, `did you mean "forward-only"?`}},
	}
	plain, err := build(t, staging(), []composer.Composition{named(oneValue(""), "one", mysql)}, claim("a", "one"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource := mysql
			resource.Rollback = tc.resource
			c := named(oneValue(""), "one", resource)
			if tc.environment != "" {
				c.Spec.Environments = map[string]composer.Override{
					"staging": {Resources: map[string]composer.ResourceOverride{"db": {Rollback: tc.environment}}},
				}
			}
			g, err := build(t, staging(), []composer.Composition{c}, claim("a", "one"))
			if tc.fails != nil {
				wantProblem(t, tc.reason, err, tc.fails...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := g.Nodes[0].RollbackClass; got != tc.want {
				t.Errorf("%s: class %s, want %s", tc.reason, got, tc.want)
			}
			if same := g.Digest == plain.Digest; same != (tc.resource == "" && tc.environment == "") {
				t.Errorf("%s: the graph's digest is that of the graph without it: %t", tc.reason, same)
			}
		})
	}
}

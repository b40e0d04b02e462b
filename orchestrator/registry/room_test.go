// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestOpenDeploymentsAreBounded: an application's queue has an end; that of
// another application has its own.
func TestOpenDeploymentsAreBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	request := func(application string, i int) contract.DeployRequest {
		return contract.DeployRequest{
			RequestID: fmt.Sprintf("request-%d", i), Kind: orchestrator.KindApply, Principal: "user:ada",
			Scope: orchestrator.Scope{Team: "alpha", Application: application, Environment: "staging"},
		}
	}
	var first orchestrator.Deployment
	for i := range contract.MaxOpen {
		d, err := f.Accept(t.Context(), request("shop", i), "")
		f.must(err)
		if i == 0 {
			first = d
		}
	}
	_, err := f.Accept(t.Context(), request("shop", contract.MaxOpen), "")
	var refused *orchestrator.Refusal
	if !errors.As(err, &refused) {
		t.Fatalf("one more is accepted: %v", err)
	}
	if _, err := f.Accept(t.Context(), request("cart", 0), ""); err != nil {
		t.Errorf("another application: %v", err)
	}
	if again, err := f.Accept(t.Context(), request("shop", 0), ""); err != nil || again.ID != first.ID {
		t.Errorf("a request that was accepted before: %s, %v", again.ID, err)
	}
	f.must(f.Finish(t.Context(), contract.FinishInput{
		Deployment: first.ID, Status: orchestrator.StatusCanceled, Principal: "user:ada",
	}))
	if _, err := f.Accept(t.Context(), request("shop", contract.MaxOpen), ""); err != nil {
		t.Errorf("when one is over: %v", err)
	}
}

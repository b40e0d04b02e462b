// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// registerAttributes adds the search attributes that are missing. Where the
// namespace does not let a worker do so, the error is the command for the
// operator.
func registerAttributes(ctx context.Context, t client.Client, namespace string) error {
	have, err := t.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range contract.SearchAttributes() {
		if _, there := have.GetCustomAttributes()[name]; !there {
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = t.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	var exists *serviceerror.AlreadyExists
	if err == nil || errors.As(err, &exists) {
		return nil
	}
	var args strings.Builder
	for _, name := range contract.SearchAttributes() {
		if _, wanted := missing[name]; wanted {
			fmt.Fprintf(&args, " --name %s --type Keyword", name)
		}
	}
	return fmt.Errorf("the search attributes that workflows need cannot be registered from here (%w); run: temporal operator search-attribute create --namespace %s%s",
		err, namespace, args.String())
}

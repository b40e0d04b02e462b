// SPDX-License-Identifier: Apache-2.0

// Command pulumi-resource-thing is the resource provider of the engine's tests:
// the thing of package enginetest, made of files. It is no example to follow
// for a provider that people use; see examples/pulumi-provider for one.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// version that definitions of the tests ask for.
const version = "1.2.3"

func main() {
	provider, err := infer.NewProviderBuilder().WithResources(infer.Resource(&Thing{})).Build()
	if err == nil {
		err = provider.Run(context.Background(), "thing", version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

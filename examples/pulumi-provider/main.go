// SPDX-License-Identifier: Apache-2.0

// Command pulumi-resource-kube is a small Pulumi resource provider: it keeps
// Kubernetes objects as Pulumi YAML describes them. The examples use it because
// it needs nothing but this repository; see its README.
package main

import (
	"context"
	"fmt"
	"os"

	provider "github.com/pulumi/pulumi-go-provider"

	"github.com/HatiCode/nestor/examples/pulumi-provider/kube"
)

// version that programs may ask for.
const version = "1.0.0"

func main() {
	if err := provider.RunProvider(context.Background(), kube.Name, version, kube.New()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package gen is the server half generated from api/openapi.yaml: routes,
// parameters, and the interface that package api implements. Nothing in it is
// written by hand, and nothing but package api imports it.
package gen

//go:generate ../../bin/oapi-codegen -config config.yaml ../openapi.yaml

// SPDX-License-Identifier: Apache-2.0

// Package client speaks Nestor's REST API. The requests and answers are
// generated from api/openapi.yaml; types that the domains own are aliases of
// theirs. Beside them are what a generator does not write: errors out of
// problem documents, and streams that survive a lost connection.
//
// It holds no configuration, prints nothing and asks nobody.
package client

//go:generate ../../bin/oapi-codegen -config config.yaml ../openapi.yaml

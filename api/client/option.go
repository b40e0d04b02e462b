// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
)

// WithToken sends the bearer token with every request; an empty one sends
// none.
func WithToken(token string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	})
}

// WithUserAgent names the calling program.
func WithUserAgent(agent string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("User-Agent", agent)
		return nil
	})
}

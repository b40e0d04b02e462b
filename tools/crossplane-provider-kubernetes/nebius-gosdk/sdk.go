// SPDX-License-Identifier: Apache-2.0

// Package gosdk stands in for the SDK of one cloud vendor, which the public
// module proxy does not serve. The provider links it for one kind of
// credentials; here, and only here, those are refused. It holds the few names
// that the provider uses, and is for nothing else.
package gosdk

import (
	"context"
	"errors"

	"github.com/nebius/gosdk/auth"
)

// errLeftOut is what everyone gets who asks for the vendor's credentials.
var errLeftOut = errors.New("this build of the provider leaves out Nebius credentials: name another source in the ProviderConfig")

// An Option of New. There is nothing to choose.
type Option struct{}

// A CredentialsReader would read credentials.
type CredentialsReader struct{}

// SDK is never had: New always fails.
type SDK struct{}

// New always fails.
func New(context.Context, ...Option) (*SDK, error) { return nil, errLeftOut }

// WithCredentials does nothing.
func WithCredentials(CredentialsReader) Option { return Option{} }

// ServiceAccountReader does nothing.
func ServiceAccountReader(auth.PrivateKeyParser) CredentialsReader { return CredentialsReader{} }

// BearerToken always fails.
func (*SDK) BearerToken(context.Context) (auth.BearerToken, error) {
	return auth.BearerToken{}, errLeftOut
}

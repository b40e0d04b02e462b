// SPDX-License-Identifier: Apache-2.0

// Package temporalclient makes the clients of Temporal, so that the API, the
// workers, the tests and the benchmarks speak to it in the same way: with the
// same codec for payloads, and with the texts of failures inside payloads.
//
// It knows no workflow.
package temporalclient

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// Options of a client.
type Options struct {
	// Address of the frontend, as host:port.
	Address   string
	Namespace string
	// Identity that the server shows; empty means the SDK's.
	Identity string
	// Logger of the SDK; nil means the SDK's.
	Logger log.Logger
	// Codec of payloads; nil leaves them in clear. The texts of failures are
	// encoded where the codec encodes.
	Codec Codec
}

// Codec encodes and decodes payloads.
type Codec interface {
	converter.PayloadCodec
	// Encodes says whether Encode changes anything.
	Encodes() bool
}

// Dial connects to Temporal, or fails when it does not answer.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	c, err := client.DialContext(ctx, o.sdk())
	if err != nil {
		return nil, fmt.Errorf("dial Temporal at %s: %w", o.Address, err)
	}
	return c, nil
}

// New makes a client that connects when it is first used.
func New(o Options) (client.Client, error) {
	c, err := client.NewLazyClient(o.sdk())
	if err != nil {
		return nil, fmt.Errorf("client of Temporal at %s: %w", o.Address, err)
	}
	return c, nil
}

func (o Options) sdk() client.Options {
	options := client.Options{HostPort: o.Address, Namespace: o.Namespace, Identity: o.Identity, Logger: o.Logger}
	if o.Codec == nil {
		return options
	}
	options.DataConverter, options.FailureConverter = Converters(o.Codec)
	return options
}

// Converters are what a client with the codec reads and writes payloads and the
// texts of failures with, for whoever reads histories by other means.
func Converters(c Codec) (converter.DataConverter, converter.FailureConverter) {
	data := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
	return data, temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: data, EncodeCommonAttributes: c.Encodes(),
	})
}

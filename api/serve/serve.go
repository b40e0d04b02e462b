// SPDX-License-Identifier: Apache-2.0

// Package serve composes the API process: it opens the stores in the data
// directory, dials Temporal lazily and serves package api until it is told to
// stop.
//
// It holds no behaviour of the API itself.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	temporallog "go.temporal.io/sdk/log"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/catalog"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/seal"
	"github.com/HatiCode/nestor/store/sqlite"
)

// Options of the process.
type Options struct {
	Version string
	// Data directory with nestor.db, blobs/, keyset.json and tokens.yaml.
	Data string
	// Keyset is the file of the keys; empty means keyset.json in Data.
	Keyset string
	// PayloadEncryption encrypts what Temporal keeps.
	PayloadEncryption bool
	// TemporalUI is where the Temporal Web UI is, as origins separated by
	// commas. Its pages may ask the codec server; TrustTemporalUI lets them do so
	// without a token, on the loopback interface.
	TemporalUI      string
	TrustTemporalUI bool
	// Listen address.
	Listen string
	// Tokens file; empty means tokens.yaml in the data directory if it is there.
	Tokens string
	// TemporalAddress and TemporalNamespace of the Temporal server.
	TemporalAddress   string
	TemporalNamespace string
	Log               *slog.Logger
	// Ready gets one line when requests are answered.
	Ready io.Writer
}

// Run serves until ctx ends. A Temporal server that is not there does not keep
// it from starting.
func Run(ctx context.Context, o Options) (err error) {
	tokens, err := tokensFile(o)
	if err != nil {
		return err
	}
	origins, err := api.ParseOrigins(o.TemporalUI)
	if err != nil {
		return fmt.Errorf("origin of the Temporal Web UI: %w", err)
	}
	// The address before the data: a second process must not touch the first
	// one's files.
	listener, err := api.Listen(ctx, o.Listen, tokens != "")
	if err != nil {
		return err
	}
	defer func() {
		// Serving has closed it, unless it never began.
		if closing := listener.Close(); closing != nil && err != nil {
			o.Log.DebugContext(ctx, "close listener", "error", closing)
		}
	}()
	documents, err := sqlite.Open(ctx, filepath.Join(o.Data, "nestor.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, documents.Close()) }()
	blobs, err := blob.OpenDirectory(filepath.Join(o.Data, "blobs"))
	if err != nil {
		return err
	}
	keyset, err := seal.LoadOrCreateKeyset(records.Options{DataDir: o.Data, Keyset: o.Keyset}.KeysetPath())
	if err != nil {
		return err
	}
	payloads := codec.New(keyset, o.PayloadEncryption)
	temporal, err := temporalclient.New(temporalclient.Options{
		Address:   o.TemporalAddress,
		Namespace: o.TemporalNamespace,
		Identity:  "nestor-api@" + hostname(),
		Logger:    temporallog.NewStructuredLogger(o.Log.With("component", "temporal")),
		Codec:     payloads,
	})
	if err != nil {
		return err
	}
	defer temporal.Close()

	definitions := catalog.NewService(documents, blobs)
	teams := compositions.New(documents, blobs)
	orchestration := registry.New(documents, blobs, keyset, now)
	server, err := api.New(ctx, api.Config{
		Version: o.Version, Tokens: tokens,
		Codec: api.Codec{Payloads: payloads, Origins: origins, TrustOrigin: o.TrustTemporalUI},
	}, api.Dependencies{
		Log:          o.Log,
		Store:        documents,
		Catalog:      definitions,
		Compositions: teams,
		Records:      orchestration,
		Compiler:     compile.New(definitions, teams, orchestration, now, newID),
		Temporal:     api.NewTemporalClient(temporal, o.TemporalAddress, time.Now),
	})
	if err != nil {
		return err
	}
	if tokens == "" {
		o.Log.WarnContext(ctx, "no tokens file: whoever reaches this address may do everything", "address", listener.Addr().String())
	}
	if _, err := fmt.Fprintf(o.Ready, "nestor-api is ready at http://%s\n", listener.Addr()); err != nil {
		return fmt.Errorf("print the ready line: %w", err)
	}
	return server.Serve(ctx, listener)
}

// tokensFile is the file that was named, or the usual one where it exists.
func tokensFile(o Options) (string, error) {
	if o.Tokens != "" {
		return o.Tokens, nil
	}
	usual := filepath.Join(o.Data, "tokens.yaml")
	switch _, err := os.Stat(usual); {
	case err == nil:
		return usual, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	default:
		return "", fmt.Errorf("tokens file: %w", err)
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func now() time.Time { return time.Now().UTC() }

func newID() string { return ulid.Make().String() }

// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/store"
)

// defaultFile names a file whose sender did not.
const defaultFile = "request.yaml"

// Catalog keeps definitions. It is catalog's *Service.
type Catalog interface {
	Publish(ctx context.Context, p store.Principal, d catalog.Definition, b bundle.Bundle) (catalog.Published, bool, error)
	Deprecate(ctx context.Context, p store.Principal, name, version, message string) (catalog.Published, error)
	Resolve(ctx context.Context, ref string) (catalog.Published, error)
	Versions(ctx context.Context, name string) ([]catalog.Published, error)
	Snapshot(ctx context.Context, names ...string) (*catalog.Snapshot, error)
	Search(ctx context.Context, f catalog.Filter) (catalog.Page, error)
	Follow(ctx context.Context, after int64, poll time.Duration) iter.Seq2[catalog.Event, error]
}

var _ Catalog = (*catalog.Service)(nil)

// PublishResource implements POST /resources.
func (s *Server) PublishResource(ctx context.Context, r gen.PublishResourceRequestObject) (gen.PublishResourceResponseObject, error) {
	definition, files, err := readSource(*r.Body)
	if err != nil {
		return nil, err
	}
	published, created, err := s.d.Catalog.Publish(ctx, auth.From(ctx).Name, definition, files)
	if err != nil {
		return nil, catalogProblem(err, r.Body.File)
	}
	if !created {
		return gen.PublishResource200JSONResponse(published), nil
	}
	m := published.Definition.Metadata
	return gen.PublishResource201JSONResponse{
		Body:    published,
		Headers: gen.PublishResource201ResponseHeaders{Location: "/api/v1/resources/" + m.Name + "/versions/" + m.Version},
	}, nil
}

// ValidateResource implements POST /resources/validate: it publishes to a
// catalog that forgets what is written to it.
func (s *Server) ValidateResource(ctx context.Context, r gen.ValidateResourceRequestObject) (gen.ValidateResourceResponseObject, error) {
	definition, files, err := readSource(*r.Body)
	if err != nil {
		return nil, err
	}
	rehearsal := catalog.NewService(forgetfulStore{s.d.Store}, forgetfulBlobs{})
	published, created, err := rehearsal.Publish(ctx, auth.From(ctx).Name, definition, files)
	if err != nil {
		return nil, catalogProblem(err, r.Body.File)
	}
	return gen.ValidateResource200JSONResponse{
		Name: definition.Metadata.Name, Version: definition.Metadata.Version,
		Digest: published.Digest, BundleDigest: published.BundleDigest, Published: !created,
	}, nil
}

// forgetfulStore reads what is there and writes nothing.
type forgetfulStore struct{ store.Store }

func (forgetfulStore) Write(context.Context, store.Batch) (store.Result, error) {
	return store.Result{}, nil
}

// forgetfulBlobs keeps nothing.
type forgetfulBlobs struct{}

func (forgetfulBlobs) Put(context.Context, string, io.Reader) error { return nil }

func (forgetfulBlobs) Get(_ context.Context, key string) (io.ReadCloser, error) {
	return nil, fmt.Errorf("blob %s: %w", key, store.ErrNotFound)
}

// readSource parses what publish and validate take.
func readSource(source gen.DefinitionSource) (catalog.Definition, bundle.Bundle, error) {
	definitions, err := catalog.ParseDefinitions(fileName(source.File), []byte(source.Definition))
	if err != nil {
		return catalog.Definition{}, bundle.Bundle{}, err
	}
	if len(definitions) != 1 {
		return catalog.Definition{}, bundle.Bundle{}, problem.Invalid([]manifest.Problem{{
			File: fileName(source.File), Message: fmt.Sprintf("the file holds %d definitions, expected one", len(definitions)),
			Hint: "send each in a request of its own",
		}})
	}
	files := make([]bundle.File, 0, len(source.Files))
	for _, f := range source.Files {
		files = append(files, bundle.File{Path: f.Path, Executable: f.Executable, Data: f.Content})
	}
	packed, err := bundle.New(files)
	if err != nil {
		var limit *bundle.LimitError
		if errors.As(err, &limit) {
			return catalog.Definition{}, bundle.Bundle{}, problem.New(problem.TypeTooLarge, "%v", err)
		}
		return catalog.Definition{}, bundle.Bundle{}, problem.Invalid([]manifest.Problem{{Field: "files", Message: err.Error()}})
	}
	return definitions[0], packed, nil
}

func fileName(name string) string {
	if name == "" {
		return defaultFile
	}
	return name
}

// catalogProblem gives the file's name to mistakes that were found after it
// was parsed.
func catalogProblem(err error, file string) error {
	var mistakes manifest.Problems
	if !errors.As(err, &mistakes) {
		return err
	}
	named := slices.Clone(mistakes)
	for i := range named {
		if named[i].File == "" {
			named[i].File = fileName(file)
		}
	}
	return named
}

// ListResources implements GET /resources.
func (s *Server) ListResources(ctx context.Context, r gen.ListResourcesRequestObject) (gen.ListResourcesResponseObject, error) {
	page, err := s.d.Catalog.Search(ctx, catalog.Filter{
		Name: r.Params.Name, Provider: r.Params.Provider, Category: r.Params.Category, ResourceType: r.Params.ResourceType,
		Text: r.Params.Q, Cursor: r.Params.Cursor, Limit: r.Params.Limit,
	})
	if err != nil {
		return nil, err
	}
	return gen.ListResources200JSONResponse{Items: page.Items, Next: page.Next}, nil
}

// GetResource implements GET /resources/{name}.
func (s *Server) GetResource(ctx context.Context, r gen.GetResourceRequestObject) (gen.GetResourceResponseObject, error) {
	snapshot, err := s.d.Catalog.Snapshot(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	if published, ok := snapshot.Preferred(r.Name); ok {
		return gen.GetResource200JSONResponse(published), nil
	}
	published, err := s.d.Catalog.Resolve(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return gen.GetResource200JSONResponse(published), nil
}

// ListResourceVersions implements GET /resources/{name}/versions.
func (s *Server) ListResourceVersions(ctx context.Context, r gen.ListResourceVersionsRequestObject) (gen.ListResourceVersionsResponseObject, error) {
	versions, err := s.d.Catalog.Versions(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	slices.Reverse(versions)
	return gen.ListResourceVersions200JSONResponse{Items: versions}, nil
}

// GetResourceVersion implements GET /resources/{name}/versions/{version}.
func (s *Server) GetResourceVersion(ctx context.Context, r gen.GetResourceVersionRequestObject) (gen.GetResourceVersionResponseObject, error) {
	published, err := s.d.Catalog.Resolve(ctx, r.Name+"@"+r.Version)
	if err != nil {
		return nil, err
	}
	return gen.GetResourceVersion200JSONResponse(published), nil
}

// DeprecateResourceVersion implements POST …/deprecation. A range deprecates
// the version that it means now.
func (s *Server) DeprecateResourceVersion(ctx context.Context, r gen.DeprecateResourceVersionRequestObject) (gen.DeprecateResourceVersionResponseObject, error) {
	published, err := s.d.Catalog.Resolve(ctx, r.Name+"@"+r.Version)
	if err != nil {
		return nil, err
	}
	published, err = s.d.Catalog.Deprecate(ctx, auth.From(ctx).Name, r.Name, published.Definition.Metadata.Version, r.Body.Message)
	if err != nil {
		return nil, err
	}
	return gen.DeprecateResourceVersion200JSONResponse(published), nil
}

// StreamCatalogEvents implements GET /events.
func (s *Server) StreamCatalogEvents(ctx context.Context, r gen.StreamCatalogEventsRequestObject) (gen.StreamCatalogEventsResponseObject, error) {
	return s.stream(ctx, func(ctx context.Context) iter.Seq2[frame, error] {
		return func(yield func(frame, error) bool) {
			for event, err := range s.d.Catalog.Follow(ctx, r.Params.LastEventID, s.config.Poll) {
				if !yield(frame{event.Sequence, event}, err) {
					return
				}
			}
		}
	}), nil
}

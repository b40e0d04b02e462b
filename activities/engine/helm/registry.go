// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// chartLayer is the media type of a packed chart in a registry.
const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// fromRegistry fetches a packed chart from an OCI registry. Nothing of the
// user's own configuration is looked at.
func (n *node) fromRegistry(ctx context.Context, version *semver.Version) ([]byte, error) {
	reference := strings.TrimPrefix(n.settings.Chart, "oci://")
	repository, err := remote.NewRepository(reference)
	if err != nil || repository.Reference.Reference != "" {
		return nil, invalid("settings.chart %q is no chart of a registry: write oci://host/path/name, and the version in settings.version", n.settings.Chart)
	}
	username, password := n.account()
	client := &auth.Client{Client: http.DefaultClient, Cache: auth.NewCache()}
	if username != "" {
		client.Credential = auth.StaticCredential(repository.Reference.Host(), auth.Credential{Username: username, Password: password})
	}
	repository.Client = client
	repository.PlainHTTP = loopback(repository.Reference.Registry)
	// A tag has no "+", which a version may have.
	tag := strings.ReplaceAll(version.Original(), "+", "_")
	described, manifestText, err := fetchManifest(ctx, repository, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, n.unknownVersion(ctx, repository, version)
	}
	if err != nil {
		return nil, n.registryError(err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(manifestText, &manifest); err != nil {
		return nil, invalid("chart %s %s is no image that can be read: %v", n.settings.Chart, version, err)
	}
	at := slices.IndexFunc(manifest.Layers, func(d ocispec.Descriptor) bool { return d.MediaType == chartLayer })
	if at < 0 {
		return nil, invalid("%s %s is in the registry, but it is no chart (it is %s)", n.settings.Chart, version, manifest.Config.MediaType)
	}
	if manifest.Layers[at].Size > maxChart {
		return nil, invalid("chart %s %s is larger than %d MiB", n.settings.Chart, version, maxChart>>20)
	}
	archive, err := content.FetchAll(ctx, repository, manifest.Layers[at]) // verifies the digest
	if err != nil {
		return nil, n.registryError(err)
	}
	n.say("chart %s %s is %s", n.settings.Chart, version, described.Digest)
	return archive, nil
}

func fetchManifest(ctx context.Context, repository *remote.Repository, tag string) (ocispec.Descriptor, []byte, error) {
	described, err := repository.Resolve(ctx, tag)
	if err != nil {
		return described, nil, err
	}
	text, err := content.FetchAll(ctx, repository, described)
	return described, text, err
}

// unknownVersion says which versions there are instead.
func (n *node) unknownVersion(ctx context.Context, repository *remote.Repository, version *semver.Version) error {
	var have []*semver.Version
	err := repository.Tags(ctx, "", func(tags []string) error {
		for _, tag := range tags {
			if v, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+")); err == nil {
				have = append(have, v)
			}
		}
		return nil
	})
	if err != nil {
		return invalid("%s: the registry has no such chart, or no version %s of it", n.settings.Chart, version)
	}
	return invalid("%s: the registry has no version %s; it has %s", n.settings.Chart, version, newest(have))
}

func (n *node) registryError(err error) error {
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		return n.refused(n.settings.Chart, answer.StatusCode)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return n.refused(n.settings.Chart, http.StatusUnauthorized)
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrInvalidDescriptorSize):
		return rejected(n.settings.Chart, "what came is not what its digest says: %v", err)
	default:
		return failed("fetch "+n.settings.Chart, unwrapURL(err))
	}
}

// loopback says that a registry is on this machine: it may speak plain HTTP
// then.
func loopback(registry string) bool {
	host := registry
	if h, _, err := net.SplitHostPort(registry); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// pack makes a packed chart.
func pack(t *testing.T, files chart) []byte {
	t.Helper()
	all := chart{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\n"}
	maps.Copy(all, files)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		err := archive.WriteHeader(&tar.Header{Name: "app/" + name, Mode: 0o600, Size: int64(len(all[name]))})
		if err == nil {
			_, err = archive.Write([]byte(all[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{archive, zipped} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// serveRegistry serves charts as an OCI registry does, read only, to who knows
// the password, and returns its host.
func serveRegistry(t *testing.T, repository string, versions map[string][]byte, password string) string {
	t.Helper()
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	blobs, manifests := map[string][]byte{}, map[string][]byte{}
	keep := func(mediaType string, data []byte) descriptor {
		digest := "sha256:" + sum(data)
		blobs[digest] = data
		return descriptor{MediaType: mediaType, Digest: digest, Size: len(data)}
	}
	for version, packed := range versions {
		text, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": manifestType,
			"config": keep("application/vnd.cncf.helm.config.v1+json", []byte("{}")),
			"layers": []descriptor{keep("application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed)},
		})
		if err != nil {
			t.Fatal(err)
		}
		manifests[version] = text
		manifests["sha256:"+sum(text)] = text
	}
	base := "/v2/" + repository
	serve := func(w http.ResponseWriter, of map[string][]byte, name, mediaType string) {
		data, there := of[name]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Docker-Content-Digest", "sha256:"+sum(data))
		_, _ = w.Write(data)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, base+"/manifests/"):
			serve(w, manifests, strings.TrimPrefix(path, base+"/manifests/"), manifestType)
		case strings.HasPrefix(path, base+"/blobs/"):
			serve(w, blobs, strings.TrimPrefix(path, base+"/blobs/"), "application/octet-stream")
		case path == base+"/tags/list":
			text, err := json.Marshal(map[string]any{"name": repository, "tags": slices.Sorted(maps.Keys(versions))})
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

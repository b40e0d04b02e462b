// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/store"
)

// Nobody who asks for what is not there knows what a document is.
func TestMissing(t *testing.T) {
	t.Parallel()
	r := open(t)
	ctx := t.Context()
	zeros := strings.Repeat("0", 64)
	_, composition := r.GetComposition(ctx, "alpha", "web-app")
	_, content := r.CompositionByDigest(ctx, "sha256:"+zeros)
	_, malformed := r.CompositionByDigest(ctx, "x")
	_, release := r.GetRelease(ctx, "alpha", "shop", zeros)
	_, short := r.GetRelease(ctx, "alpha", "shop", "abc")
	deleted := r.DeleteComposition(ctx, ada, "alpha", "cache", registry.AnyRevision)
	for want, err := range map[string]error{
		"there is no composition web-app of team alpha":                                                         composition,
		"there is no composition cache of team alpha":                                                           deleted,
		"there is no composition with digest sha256:" + zeros:                                                   content,
		`there is no composition with digest "x"; a digest is sha256: and 64 hexadecimal digits`:                malformed,
		"there is no release " + zeros + " of alpha/shop":                                                       release,
		`there is no release "abc" of alpha/shop; give its digest, or at least its first 12 hexadecimal digits`: short,
	} {
		if !errors.Is(err, store.ErrNotFound) || err.Error() != want {
			t.Errorf("got %q, want %q and store.ErrNotFound", err, want)
		}
	}
}

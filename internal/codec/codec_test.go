// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/store/seal"
)

const canary = "canary-2f7d61"

func keys(t *testing.T) (*seal.Keyset, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k, err := seal.LoadOrCreateKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func payloads(t *testing.T) []*commonpb.Payload {
	t.Helper()
	all, err := converter.GetDefaultDataConverter().ToPayloads(map[string]string{"name": canary}, nil, []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	return all.GetPayloads()
}

func encode(t *testing.T, c *codec.Codec, in []*commonpb.Payload) []*commonpb.Payload {
	t.Helper()
	out, err := c.Encode(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantDecoded(t *testing.T, c *codec.Codec, encoded, want []*commonpb.Payload) {
	t.Helper()
	got, err := c.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	k, path := keys(t)
	c := codec.New(k, true)
	plain := payloads(t)
	encoded := encode(t, c, plain)
	for i, p := range encoded {
		if strings.Contains(p.String(), canary) || strings.Contains(p.String(), "json/plain") {
			t.Errorf("payload %d shows what it holds: %s", i, p)
		}
		if string(p.GetMetadata()[codec.MetadataKeyID]) == "" {
			t.Errorf("payload %d names no key", i)
		}
	}
	wantDecoded(t, c, encoded, plain)
	wantDecoded(t, c, plain, plain) // a history from before encryption goes on
	wantDecoded(t, codec.New(k, false), encoded, plain)
	if off := encode(t, codec.New(k, false), plain); cmp.Diff(plain, off, protocmp.Transform()) != "" {
		t.Error("what is turned off encrypts all the same")
	}

	// After a rotation by another process new payloads have another key, and
	// both are read.
	if err := seal.RotateKeyset(path); err != nil {
		t.Fatal(err)
	}
	fresh, err := seal.LoadOrCreateKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	later := encode(t, codec.New(fresh, true), plain)
	if string(later[0].GetMetadata()[codec.MetadataKeyID]) == string(encoded[0].GetMetadata()[codec.MetadataKeyID]) {
		t.Error("after a rotation the old key encrypts")
	}
	wantDecoded(t, c, later, plain)
	wantDecoded(t, codec.New(fresh, true), encoded, plain)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	k, _ := keys(t)
	other, _ := keys(t)
	encoded := encode(t, codec.New(k, true), payloads(t))[:1]
	if _, err := codec.New(other, true).Decode(encoded); !errors.Is(err, seal.ErrOpen) || !strings.Contains(err.Error(), string(encoded[0].GetMetadata()[codec.MetadataKeyID])) {
		t.Errorf("with other keys: %v, want ErrOpen and the key's id", err)
	}
	encoded[0].Data[len(encoded[0].Data)-1] ^= 1
	if _, err := codec.New(k, true).Decode(encoded); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a payload that was changed: %v, want ErrOpen", err)
	}
	// A value of the store is none of Temporal's.
	value, _, err := k.Encrypt([]byte("x"), "another purpose")
	if err != nil {
		t.Fatal(err)
	}
	encoded[0].Data = value
	if _, err := codec.New(k, true).Decode(encoded); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a ciphertext of another purpose: %v, want ErrOpen", err)
	}
}

func TestEnabled(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": true, "on": true, "off": false} {
		got, err := codec.Enabled(func(string) string { return value })
		if err != nil || got != want {
			t.Errorf("%q: %t, %v", value, got, err)
		}
	}
	if _, err := codec.Enabled(func(string) string { return "yes" }); err == nil {
		t.Error("a word that is neither on nor off is taken")
	}
}

// TestOverhead holds what ADR 30 says of the price of a payload in bytes. It does
// not grow with the payload but for the length of its length.
func TestOverhead(t *testing.T) {
	t.Parallel()
	const most = 120
	k, _ := keys(t)
	c := codec.New(k, true)
	for _, size := range []int{1, 500, 200 << 10} {
		in, err := converter.GetDefaultDataConverter().ToPayload(strings.Repeat("x", size))
		if err != nil {
			t.Fatal(err)
		}
		out := encode(t, c, []*commonpb.Payload{in})[0]
		if more := proto.Size(out) - proto.Size(in); more > most {
			t.Errorf("a payload of %d bytes has %d bytes more when it is encrypted; ADR 30 says at most %d", proto.Size(in), more, most)
		} else {
			t.Logf("%d bytes: %d more", proto.Size(in), more)
		}
	}
}

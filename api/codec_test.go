// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.temporal.io/sdk/converter"

	"github.com/HatiCode/nestor/api"
)

// TestCodecServer: who gets payloads decoded, and which page may read them.
func TestCodecServer(t *testing.T) {
	t.Parallel()
	const ui, other, local = "http://127.0.0.1:8233", "http://evil.example.com", "127.0.0.1:8480"
	payloads := converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true})
	handler := func(trust bool, tokens string) http.Handler {
		config := api.Config{Version: "test", Codec: api.Codec{Payloads: payloads, Origins: []string{ui}, TrustOrigin: trust}}
		return newHarnessWith(t, config, tokens).server.Handler()
	}
	guarded, open, without := handler(false, tokensYAML), handler(true, tokensYAML), handler(false, "")
	for name, tc := range map[string]struct {
		handler                           http.Handler
		method, origin, token, host, from string
		want                              int
		shared                            bool
		reason                            string
	}{
		"platform":          {guarded, "POST", ui, platformToken, "nestor.example.com", "192.0.2.1:1", 200, true, "the platform's role may read all payloads"},
		"command line":      {guarded, "POST", "", platformToken, "nestor.example.com", "192.0.2.1:1", 200, false, "temporal --codec-endpoint"},
		"team":              {guarded, "POST", ui, alphaToken, "nestor.example.com", "192.0.2.1:1", 403, true, "payloads are of all teams"},
		"nobody":            {guarded, "POST", ui, "", local, "127.0.0.1:1", 401, true, "an origin alone proves nothing to a shared server"},
		"other page":        {guarded, "POST", other, platformToken, local, "127.0.0.1:1", 403, false, "only the Web UI's pages may ask"},
		"preflight":         {guarded, "OPTIONS", ui, "", "nestor.example.com", "192.0.2.1:1", 204, true, "browsers ask before they send a token"},
		"other preflight":   {guarded, "OPTIONS", other, "", local, "127.0.0.1:1", 403, false, "only the Web UI's pages may ask"},
		"trusted":           {open, "POST", ui, "", local, "127.0.0.1:1", 200, true, "nestor dev"},
		"trusted elsewhere": {open, "POST", ui, "", local, "192.0.2.1:1", 401, true, "from this machine alone"},
		"rebound name":      {open, "POST", ui, "", "evil.example.com", "127.0.0.1:1", 401, true, "a name that was bound to the loopback interface"},
		"no page":           {open, "POST", "", "", local, "127.0.0.1:1", 401, false, "without an origin there is nothing to trust"},
		"trusted other":     {open, "POST", other, "", local, "127.0.0.1:1", 403, false, "only the Web UI's pages may ask"},
		"no tokens":         {without, "POST", ui, "", local, "127.0.0.1:1", 200, true, "whoever reaches such a server may do everything"},
		"no tokens, name":   {without, "POST", ui, "", "evil.example.com", "127.0.0.1:1", 403, true, "but not through another site's name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), tc.method, api.CodecPath+"/encode", strings.NewReader(`{"payloads":[{"metadata":{},"data":"eA=="}]}`))
			request.Host, request.RemoteAddr = tc.host, tc.from
			if tc.origin != "" {
				request.Header.Set("Origin", tc.origin)
			}
			if tc.token != "" {
				request.Header.Set("Authorization", "Bearer "+tc.token)
			}
			answer := httptest.NewRecorder()
			tc.handler.ServeHTTP(answer, request)
			body, err := io.ReadAll(answer.Result().Body)
			if err != nil || answer.Code != tc.want {
				t.Errorf("%s: got %d (%s), want %d", tc.reason, answer.Code, body, tc.want)
			}
			if shared := answer.Header().Get("Access-Control-Allow-Origin") == ui; shared != tc.shared {
				t.Errorf("%s: the page may read the answer: %t, want %t", tc.reason, shared, tc.shared)
			}
			if tc.want == http.StatusOK && !strings.Contains(string(body), "data") {
				t.Errorf("%s: no payload in %s", tc.reason, body)
			}
		})
	}
}

func TestParseOrigins(t *testing.T) {
	t.Parallel()
	got, err := api.ParseOrigins(" http://127.0.0.1:8233, https://temporal.example.com")
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"temporal.example.com", "https://temporal.example.com/ui", "ftp://x", "*", "null"} {
		if _, err := api.ParseOrigins(bad); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}

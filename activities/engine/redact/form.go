// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// Forms are the texts that a secret turns into where a program quotes or
// encodes it: the secret itself first. One inside a longer text that was
// encoded as a whole cannot be found.
func Forms(secret string) []string {
	all := []string{secret}
	add := func(form string) {
		if form != secret && form != "" {
			all = append(all, form)
		}
	}
	if trimmed := strings.TrimSpace(secret); len(trimmed) >= minSecret {
		add(trimmed)
		add(inside(strconv.Quote(trimmed)))
	}
	add(inside(strconv.Quote(secret)))
	if quoted, err := json.Marshal(secret); err == nil {
		add(inside(string(quoted)))
	}
	add(strings.ReplaceAll(secret, "\n", "\r\n"))
	add(url.QueryEscape(secret))
	add(url.PathEscape(secret))
	if len(secret) < minEncoded {
		return all
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		add(encoding.EncodeToString([]byte(secret)))
		add(encoding.EncodeToString([]byte(secret + "\n"))) // as echo and editors end it
	}
	add(hex.EncodeToString([]byte(secret)))
	return all
}

// inside is a quoted text without its quotes.
func inside(quoted string) string { return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`) }

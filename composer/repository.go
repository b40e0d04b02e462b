// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"net/url"
	"strings"
)

// checkRepository says why an address or a name of a repository cannot be kept
// in a release, or nothing. Whatever could let somebody in is refused, since a
// release is shown to everybody: a user, unless it is git's usual one without a
// password, and a query or a fragment, where some hosts take tokens. What is
// returned does not repeat the address.
func checkRepository(address string) string {
	const credentials = "the repository's address holds credentials"
	u, err := url.Parse(address)
	switch {
	case err != nil && strings.Contains(address, "://"):
		return "the repository's address cannot be read" // neither can what it holds
	case err == nil && u.Host != "":
		_, password := u.User.Password()
		if password || u.User != nil && u.User.Username() != "git" {
			return credentials
		}
		if strings.ContainsAny(address, "?#") {
			return "the repository's address has a query or a fragment, which may hold credentials"
		}
	default: // "user@host:path", a path or a name
		host, _, _ := strings.Cut(address, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 && host[:at] != "git" {
			return credentials
		}
	}
	return ""
}

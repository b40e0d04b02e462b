// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ExposedError says that a server without tokens was told to listen where
// others reach it.
type ExposedError struct{ Address string }

func (e *ExposedError) Error() string {
	return fmt.Sprintf("refuse to listen on %s without tokens: whoever reaches it could deploy; "+
		"give a tokens file, or listen on 127.0.0.1", e.Address)
}

// Listen opens the address. Without tokens only a loopback address is
// accepted; a name has to resolve to such addresses alone.
func Listen(ctx context.Context, address string, tokens bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w; write one such as 127.0.0.1:8480", address, err)
	}
	if !tokens {
		if err := requireLoopback(ctx, host, address); err != nil {
			return nil, err
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

func requireLoopback(ctx context.Context, host, address string) error {
	if host == "" {
		return &ExposedError{Address: address}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsLoopback() {
			return nil
		}
		return &ExposedError{Address: address}
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	for _, ip := range addresses {
		if !ip.Unmap().IsLoopback() {
			return &ExposedError{Address: address}
		}
	}
	return nil
}

// isLoopbackHost says whether a Host header names this machine alone.
func isLoopbackHost(header string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

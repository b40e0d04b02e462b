// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// patience bounds one call.
const patience = 30 * time.Second

// Client speaks to a world in another process. It is safe for concurrent use and
// repeats nothing by itself.
type Client struct {
	base string
	http *http.Client
}

// Dial checks the address of a world, such as "http://127.0.0.1:4711"; it does
// not connect.
func Dial(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is no address of a world such as http://127.0.0.1:4711", address)
	}
	return &Client{base: strings.TrimSuffix(address, "/"), http: &http.Client{Timeout: patience}}, nil
}

// Address of the world.
func (c *Client) Address() string { return c.base }

// Find looks a node's resource up; nil means that there is none.
func (c *Client) Find(ctx context.Context, key, identity string) (*Resource, error) {
	a, err := c.call(ctx, pathFind, call{Resource: Resource{Key: key, Identity: identity}})
	return a.Resource, err
}

// Identities lists what a node has.
func (c *Client) Identities(ctx context.Context, key string) ([]string, error) {
	a, err := c.call(ctx, pathList, call{Resource: Resource{Key: key}})
	return a.Identities, err
}

// Create makes a resource and returns it with its id. After an error it may be
// there all the same.
func (c *Client) Create(ctx context.Context, r Resource, prefix, text string) (*Resource, error) {
	a, err := c.call(ctx, pathCreate, call{Resource: r, Prefix: prefix, Text: text})
	if err == nil && a.Resource == nil {
		err = errors.New("the world made nothing")
	}
	return a.Resource, err
}

// Update replaces a resource's attributes.
func (c *Client) Update(ctx context.Context, key, identity string, attributes map[string]any, text string) error {
	_, err := c.call(ctx, pathUpdate, call{
		Resource: Resource{Key: key, Identity: identity, Attributes: attributes}, Text: text,
	})
	return err
}

// Destroy removes a resource.
func (c *Client) Destroy(ctx context.Context, key, identity, text string) error {
	_, err := c.call(ctx, pathDestroy, call{Resource: Resource{Key: key, Identity: identity}, Text: text})
	return err
}

// Move gives what one node has to another.
func (c *Client) Move(ctx context.Context, from, to string) error {
	_, err := c.call(ctx, pathMove, call{Resource: Resource{Key: from}, To: to})
	return err
}

// Drop has the answer to the next effect lost.
func (c *Client) Drop(ctx context.Context) error {
	_, err := c.call(ctx, pathDrop, call{})
	return err
}

// Slow has every effect, and the answer to every effect that is under way, come
// at the end of a time, as a cloud on a bad day does.
func (c *Client) Slow(ctx context.Context, d time.Duration) error {
	_, err := c.call(ctx, pathSlow, call{For: d})
	return err
}

// Resources lists everything that exists.
func (c *Client) Resources(ctx context.Context) ([]Resource, error) {
	a, err := c.call(ctx, pathResources, call{})
	return a.Resources, err
}

// Ledger lists the side effects after the first n.
func (c *Client) Ledger(ctx context.Context, n int) ([]Entry, error) {
	a, err := c.call(ctx, pathLedger, call{After: n})
	return a.Ledger, err
}

func (c *Client) call(ctx context.Context, path string, body call) (a answer, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return a, fmt.Errorf("encode a call to the world: %w", err)
	}
	// A call that has begun is not taken back: its effect is outside.
	ctx = context.WithoutCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return a, fmt.Errorf("the world did not answer: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("the world answers %s", response.Status)
	}
	dec := json.NewDecoder(response.Body)
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil {
		return a, fmt.Errorf("the world's answer: %w", err)
	}
	switch {
	case a.Missing:
		return a, fmt.Errorf("%w: %s", ErrMissing, a.Error)
	case a.Error != "":
		return a, errors.New(a.Error)
	}
	return a, nil
}

// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"

	"github.com/HatiCode/nestor/activities/engine/fake/cloud"
)

// remote is an outside in another process.
type remote struct{ client *cloud.Client }

var _ outside = remote{}

func (o remote) find(ctx context.Context, key, identity string) (*resource, error) {
	found, err := o.client.Find(ctx, key, identity)
	if err != nil || found == nil {
		return nil, err
	}
	return &resource{ID: found.ID, Name: found.Name, Attributes: found.Attributes, Content: found.Content}, nil
}

func (o remote) identities(ctx context.Context, key string) ([]string, error) {
	return o.client.Identities(ctx, key)
}

func (o remote) create(ctx context.Context, key, identity, prefix string, r resource, line string) (*resource, error) {
	made, err := o.client.Create(ctx, cloud.Resource{
		Key: key, Identity: identity, Name: r.Name, Attributes: r.Attributes, Content: r.Content,
	}, prefix, line)
	if err != nil {
		return nil, err
	}
	r.ID, r.Content = made.ID, made.Content
	return &r, nil
}

func (o remote) update(ctx context.Context, key, identity string, r resource, line string) error {
	return o.client.Update(ctx, key, identity, r.Attributes, line)
}

func (o remote) destroy(ctx context.Context, key, identity, line string) error {
	return o.client.Destroy(ctx, key, identity, line)
}

func (o remote) move(ctx context.Context, from, to string) error { return o.client.Move(ctx, from, to) }

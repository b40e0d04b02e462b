// SPDX-License-Identifier: Apache-2.0

// Command shop is a Pulumi program: it makes a thing of the test provider.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// thing is what the provider makes.
type thing struct {
	pulumi.CustomResourceState

	Size     pulumi.IntOutput         `pulumi:"size"`
	Text     pulumi.StringOutput      `pulumi:"text"`
	Password pulumi.StringOutput      `pulumi:"password"`
	Zones    pulumi.StringArrayOutput `pulumi:"zones"`
	Labels   pulumi.StringMapOutput   `pulumi:"labels"`
}

func main() { pulumi.Run(shop) }

func shop(ctx *pulumi.Context) error {
	c := config.New(ctx, "")
	var zones []string
	c.RequireObject("zones", &zones)
	labels := map[string]string{}
	c.RequireObject("labels", &labels)
	var made thing
	err := ctx.RegisterResource("thing:index:Thing", "thing", pulumi.Map{
		"world":    pulumi.String(c.Require("world")),
		"name":     pulumi.String(c.Require("name")),
		"size":     pulumi.Int(c.RequireInt("size")),
		"text":     pulumi.String(c.Require("note")),
		"password": c.RequireSecret("password"),
		"ratio":    pulumi.Float64(0.5),
		"enabled":  pulumi.Bool(true),
		"zones":    pulumi.ToStringArray(zones),
		"labels":   pulumi.ToStringMap(labels),
	}, &made)
	if err != nil {
		return err
	}
	ctx.Export("id", made.ID())
	ctx.Export("size", made.Size)
	ctx.Export("text", made.Text)
	ctx.Export("password", made.Password)
	ctx.Export("zones", made.Zones)
	ctx.Export("labels", made.Labels)
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// worldAddress is the provider of the suite's thing: this test binary, executed
// once more. A real provider has what the suite needs of one: what it makes can
// be looked up and imported.
const worldAddress = "providers.test/nestor/world"

// serveProvider makes this process the provider if it was started as one.
func serveProvider() bool {
	if os.Getenv("TF_PLUGIN_MAGIC_COOKIE") == "" {
		return false
	}
	err := providerserver.Serve(context.Background(), func() provider.Provider { return worldProvider{} },
		providerserver.ServeOpts{Address: worldAddress})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

type worldProvider struct{}

func (worldProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "world"
}

func (worldProvider) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (worldProvider) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}

func (worldProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (worldProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return thingResource{} }}
}

// thing is what the program knows of one.
type thing struct {
	ID       types.String  `tfsdk:"id"`
	World    types.String  `tfsdk:"world"`
	Name     types.String  `tfsdk:"name"`
	Size     types.Int64   `tfsdk:"size"`
	Text     types.String  `tfsdk:"text"`
	Password types.String  `tfsdk:"password"`
	Ratio    types.Float64 `tfsdk:"ratio"`
	Enabled  types.Bool    `tfsdk:"enabled"`
	Zones    types.List    `tfsdk:"zones"`
	Labels   types.Map     `tfsdk:"labels"`
	Mode     types.String  `tfsdk:"mode"`
	Details  types.String  `tfsdk:"details"`
}

// being is a thing in the world: a file.
type being struct {
	ID       string            `json:"id"`
	Size     int64             `json:"size"`
	Text     string            `json:"text"`
	Password string            `json:"password"`
	Ratio    float64           `json:"ratio"`
	Enabled  bool              `json:"enabled"`
	Zones    []string          `json:"zones"`
	Labels   map[string]string `json:"labels"`
	Mode     string            `json:"mode"`
	Details  string            `json:"details"`
}

type thingResource struct{}

var (
	_ resource.Resource                = thingResource{}
	_ resource.ResourceWithImportState = thingResource{}
)

func (thingResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "world_thing"
}

func (thingResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	fixed := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id": schema.StringAttribute{
			Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		},
		"world":    schema.StringAttribute{Required: true, PlanModifiers: fixed},
		"name":     schema.StringAttribute{Required: true, PlanModifiers: fixed},
		"size":     schema.Int64Attribute{Required: true},
		"text":     schema.StringAttribute{Required: true},
		"password": schema.StringAttribute{Required: true, Sensitive: true},
		"ratio":    schema.Float64Attribute{Required: true},
		"enabled":  schema.BoolAttribute{Required: true},
		"zones":    schema.ListAttribute{Required: true, ElementType: types.StringType},
		"labels":   schema.MapAttribute{Required: true, ElementType: types.StringType},
		"mode":     schema.StringAttribute{Required: true},
		"details":  schema.StringAttribute{Required: true},
	}}
}

// file of a thing, and of others of the world.
func (t thing) file() string { return t.inWorld("thing-" + t.Name.ValueString()) }

func (t thing) inWorld(name string) string { return filepath.Join(t.World.ValueString(), name) }

// effect appends a line to the ledger.
func (t thing) effect(format string, args ...any) error {
	f, err := os.OpenFile(t.inWorld("ledger"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, format+"\n", args...)
	return errors.Join(err, f.Close())
}

func (t thing) read() (*being, error) {
	text, err := os.ReadFile(t.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, err
	}
	var b being
	return &b, json.Unmarshal(text, &b)
}

func (t thing) write(b being) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.file()+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(t.file()+".new", t.file())
}

// held waits while a file of the world is there.
func (t thing) held(ctx context.Context, name string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for exists(t.inWorld(name)) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// being that the thing asks for, its size as it is.
func (t thing) being(ctx context.Context, id string, size int64) (being, diag.Diagnostics) {
	b := being{
		ID: id, Size: size, Text: t.Text.ValueString(), Password: t.Password.ValueString(), Ratio: t.Ratio.ValueFloat64(),
		Enabled: t.Enabled.ValueBool(), Mode: t.Mode.ValueString(), Details: t.Details.ValueString(),
	}
	diags := t.Zones.ElementsAs(ctx, &b.Zones, false)
	diags.Append(t.Labels.ElementsAs(ctx, &b.Labels, false)...)
	return b, diags
}

// set changes the size in the world.
func (t thing) set(b *being) error {
	if t.Mode.ValueString() == "fail-set" {
		return errors.New("quota exceeded")
	}
	if b.Size == t.Size.ValueInt64() {
		return t.write(*b)
	}
	b.Size = t.Size.ValueInt64()
	return errors.Join(t.write(*b), t.effect("set %s %d", t.Name.ValueString(), b.Size))
}

func (thingResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var t thing
	resp.Diagnostics.Append(req.Plan.Get(ctx, &t)...)
	b, diags := t.being(ctx, "thing-"+rand.Text(), 0)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	fail := func(err error) { resp.Diagnostics.AddError("create thing", err.Error()) }
	if t.Mode.ValueString() == "fail-create" {
		fail(errors.New("quota exceeded"))
		return
	}
	if exists(t.inWorld("hold-create")) {
		if err := errors.Join(os.WriteFile(t.inWorld("creating"), nil, 0o600), t.held(ctx, "hold-create")); err != nil {
			fail(err)
			return
		}
	}
	if err := errors.Join(t.write(b), t.effect("create %s", t.Name.ValueString())); err != nil {
		fail(err)
		return
	}
	t.ID = types.StringValue(b.ID)
	resp.Diagnostics.Append(resp.State.Set(ctx, t)...)
	if t.Mode.ValueString() == "hold" {
		if err := t.held(ctx, "hold"); err != nil {
			fail(err)
			return
		}
	}
	if err := t.set(&b); err != nil {
		fail(err)
	}
}

func (thingResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var t thing
	resp.Diagnostics.Append(req.State.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	b, err := t.read()
	if err != nil {
		resp.Diagnostics.AddError("read thing", err.Error())
		return
	}
	if b == nil {
		resp.State.RemoveResource(ctx)
		return
	}
	t.ID, t.Size, t.Text, t.Mode = types.StringValue(b.ID), types.Int64Value(b.Size), types.StringValue(b.Text), types.StringValue(b.Mode)
	t.Password, t.Ratio, t.Enabled = types.StringValue(b.Password), types.Float64Value(b.Ratio), types.BoolValue(b.Enabled)
	t.Details = types.StringValue(b.Details)
	var diags diag.Diagnostics
	t.Zones, diags = types.ListValueFrom(ctx, types.StringType, b.Zones)
	resp.Diagnostics.Append(diags...)
	t.Labels, diags = types.MapValueFrom(ctx, types.StringType, b.Labels)
	resp.Diagnostics.Append(diags...)
	resp.Diagnostics.Append(resp.State.Set(ctx, t)...)
}

func (thingResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var t thing
	resp.Diagnostics.Append(req.Plan.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	was, err := t.read()
	if err == nil && was == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		resp.Diagnostics.AddError("update thing", err.Error())
		return
	}
	b, diags := t.being(ctx, was.ID, was.Size)
	resp.Diagnostics.Append(diags...)
	if err := t.set(&b); err != nil {
		resp.Diagnostics.AddError("update thing", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, t)...)
	if err := t.held(ctx, "hold-set"); err != nil {
		resp.Diagnostics.AddError("update thing", err.Error())
	}
}

func (thingResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var t thing
	resp.Diagnostics.Append(req.State.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	err := os.Remove(t.file())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := errors.Join(err, t.effect("destroy %s", t.Name.ValueString()), t.held(ctx, "hold-destroy")); err != nil {
		resp.Diagnostics.AddError("destroy thing", err.Error())
	}
}

// ImportState takes "<world>/<name>". Who asks for a name that begins with
// "forbidden" may not look.
func (thingResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	world, name := filepath.Split(req.ID)
	if strings.HasPrefix(name, "forbidden") {
		resp.Diagnostics.AddError("look thing up", "403 AccessDenied")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("world"), filepath.Clean(world))...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
}

// SPDX-License-Identifier: Apache-2.0

// Package logs is `nestor logs`: what the engines said.
package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/sse"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
)

// Options of the command.
type Options struct {
	Factory    *cli.Factory
	Target     target.Flags
	Deployment string // empty: the one that nestor status tells of
	Node       string
	Follow     bool
}

// NewCmdLogs returns the command; runF replaces its work in tests.
func NewCmdLogs(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "logs [DEPLOYMENT]",
		Short: "Show what the engines said",
		Long: `Show what the engines said during a deployment; without an id, the one that
nestor status tells of.

Each line begins with its resource. With --follow, lines appear as they are
written, until the deployment is over; the connection may break meanwhile.`,
		Example: `  nestor logs --env staging
  nestor logs -f 3 --env staging
  nestor logs alpha/shop/staging/3 --node web-app.database`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Deployment = args[0]
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runLogs(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Deployments(f, &opts.Target),
	}
	opts.Target.AddEnvironment(cmd, "that of the latest deployment")
	opts.Target.AddApplication(cmd)
	cmd.Flags().StringVar(&opts.Node, "node", "", "only this resource, such as web-app.database")
	cmd.Flags().BoolVarP(&opts.Follow, "follow", "f", false, "go on until the deployment is over")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runLogs(ctx context.Context, opts *Options) error {
	f := opts.Factory
	id, err := opts.Target.Deployment(ctx, f, opts.Deployment)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	p := &printer{f: f, style: f.IO.OutStyle(), single: opts.Node != ""}
	if opts.Follow {
		return follow(ctx, api, id, opts, p)
	}
	return list(ctx, api, id, opts, p)
}

func params(opts *Options) *client.GetDeploymentLogsParams {
	p := &client.GetDeploymentLogsParams{}
	if opts.Node != "" {
		p.Node = &opts.Node
	}
	return p
}

// list prints what there is, page by page: an answer may hold only a part.
func list(ctx context.Context, api *remote.Client, id target.ID, opts *Options, p *printer) error {
	query := params(opts)
	after := int64(0)
	for {
		chunks, err := remote.Decode[client.LogChunkList](api.GetDeploymentLogs(ctx, id.Team, id.Application, id.Environment, id.N, query))
		if err != nil {
			return err
		}
		before := after
		for _, chunk := range chunks.Items {
			if chunk.Sequence <= before {
				continue
			}
			after = max(after, chunk.Sequence)
			if err := p.chunk(chunk); err != nil {
				return err
			}
		}
		if after == before {
			p.end()
			return nil
		}
		query.After = &after
	}
}

func follow(ctx context.Context, api *remote.Client, id target.ID, opts *Options, p *printer) error {
	lost := false
	err := api.Subscribe(ctx, remote.Subscription{
		Open: func(ctx context.Context, after int64) (*remote.Response, error) {
			query := params(opts)
			yes := true
			query.Follow = &yes
			if after > 0 {
				query.LastEventID = &after
			}
			return api.GetDeploymentLogs(ctx, id.Team, id.Application, id.Environment, id.N, query, remote.Stream)
		},
		Event: func(e sse.Event) (bool, error) {
			var chunk client.LogChunk
			if err := json.Unmarshal([]byte(e.Data), &chunk); err != nil {
				return false, fmt.Errorf("read log chunk %s: %w", e.ID, err)
			}
			return false, p.chunk(chunk)
		},
		Lost: func(err error) {
			if !lost {
				cli.Warn(opts.Factory.IO, "the connection is lost, trying again: %v", err)
			}
			lost = true
		},
		Back: func() { lost = false },
	})
	if err != nil {
		return err
	}
	p.end()
	return nil
}

// printer writes log text with the name of its resource before each line. A
// line that ends in the next chunk of the same resource is kept until then.
type printer struct {
	f      *cli.Factory
	style  iostreams.Style
	single bool
	order  []string
	open   map[string]string
}

func (p *printer) chunk(chunk client.LogChunk) error {
	if p.f.Flags.Output.Structured() {
		return p.document(chunk)
	}
	if p.open == nil {
		p.open = map[string]string{}
	}
	if _, known := p.open[chunk.Node]; !known {
		p.order = append(p.order, chunk.Node)
	}
	whole := p.open[chunk.Node] + chunk.Text
	for {
		line, rest, ended := strings.Cut(whole, "\n")
		if !ended {
			p.open[chunk.Node] = line
			return nil
		}
		p.line(chunk.Node, line)
		whole = rest
	}
}

// document writes one JSON document a line, or one YAML document.
func (p *printer) document(chunk client.LogChunk) error {
	if p.f.Flags.Output == "json" {
		encoder := json.NewEncoder(p.f.IO.Out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(chunk)
	}
	p.f.IO.Println("---")
	return p.f.Flags.Output.Write(p.f.IO.Out, chunk)
}

func (p *printer) line(node, line string) {
	line = text.Clean(strings.TrimRight(line, "\r"))
	if !p.single {
		line = p.style.Cyan(text.CleanLine(node)) + " │ " + line
	}
	p.f.IO.Println(strings.TrimRight(line, " "))
}

// end writes lines that never ended.
func (p *printer) end() {
	for _, node := range p.order {
		if p.open[node] != "" {
			p.line(node, p.open[node])
		}
	}
}

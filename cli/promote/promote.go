// SPDX-License-Identifier: Apache-2.0

// Package promote is `nestor promote`: the release that succeeded in one
// environment goes to the next, exactly as it was tested.
package promote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory   *cli.Factory
	Target    target.Flags
	From, To  string
	Yes       bool
	Detach    bool
	OnFailure change.OnFailure
}

// NewCmdPromote returns the command; runF replaces its work in tests.
func NewCmdPromote(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "promote FROM → TO",
		Short: "Take what runs in one environment to the next",
		Long: `Take what runs in one environment to the next.

The release that last succeeded in the first environment is deployed to the
second one: the same definitions and parameters, pinned by digest. Before it
asks, the command shows the plan and names each definition that was never
exercised in the first environment, such as another provider's.

The arrow may be → or a quoted ->, or may be left out. An unquoted -> is a
redirection in a shell.`,
		Example: `  nestor promote staging → production
  nestor promote staging production
  nestor promote "staging -> production" --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			way, err := parseRoute(args)
			var redirected *redirectedError
			if errors.As(err, &redirected) {
				redirected.name(f.IO, f.Dir)
			}
			if err != nil {
				return err
			}
			opts.From, opts.To = way.from, way.to
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPromote(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Environments(f),
	}
	opts.Target.AddApplication(cmd)
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "promote whatever the plan is, without asking")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the deployment is queued")
	change.AddOnFailure(cmd, &opts.OnFailure)
	return cmd
}

func runPromote(ctx context.Context, opts *Options) error {
	f := opts.Factory
	if !opts.Yes {
		if err := prompt.Possible(f.IO, "nestor promote", "give --yes"); err != nil {
			return err
		}
	}
	c, err := change.New(f)
	if err != nil {
		return err
	}
	name, err := opts.Target.Resolve(ctx, f)
	if err != nil {
		return err
	}
	release, err := tested(ctx, c, name, opts)
	if err != nil {
		return err
	}
	plan, err := c.Plan(ctx, client.CreatePlanJSONRequestBody{
		Team: name.Team, Application: name.Application, Environment: opts.To,
		Kind: orchestrator.KindApply, Release: release.Digest,
	})
	if err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	warn(c, opts, unexercised(release, opts.From, opts.To))
	if err := c.Ask(ctx, change.Consent{
		Given: opts.Yes, Question: fmt.Sprintf("\nPromote this from %s to %s?", opts.From, opts.To),
	}); err != nil {
		return err
	}
	key := uuid.NewString()
	promotion, err := remote.Decode[orchestrator.Promotion](
		c.API.CreatePromotion(ctx, &client.CreatePromotionParams{IdempotencyKey: &key}, client.CreatePromotionJSONRequestBody{
			Team: name.Team, Application: name.Application, From: opts.From, To: opts.To,
			PlanID: plan.ID, AutoApprove: opts.Yes, OnFailure: opts.OnFailure.Value,
		}))
	if err != nil {
		return err
	}
	id, err := queued(ctx, c, promotion)
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, opts.Detach)
}

// tested returns the release that last succeeded in the first environment,
// once both environments are known to exist.
func tested(ctx context.Context, c *change.Change, name target.Name, opts *Options) (composer.Release, error) {
	environments, err := target.Environments(ctx, c.API)
	if err != nil {
		return composer.Release{}, err
	}
	for _, environment := range []string{opts.From, opts.To} {
		if err := target.CheckEnvironment(environments, environment); err != nil {
			return composer.Release{}, err
		}
	}
	if err := settled(ctx, c, name, opts.From); err != nil {
		return composer.Release{}, err
	}
	digest, err := succeeded(ctx, c, name, opts.From)
	if err != nil {
		return composer.Release{}, err
	}
	release, err := remote.Decode[composer.Release](c.API.GetRelease(ctx, name.Team, name.Application, digest))
	if err != nil {
		return composer.Release{}, err
	}
	if reason, unbound := release.Unbound[opts.To]; unbound {
		return composer.Release{}, cli.Errorf("", "release %s cannot go to %s: %s", render.Digest(digest), opts.To, reason)
	}
	if _, bound := release.Bindings[opts.To]; !bound {
		return composer.Release{}, cli.Errorf(
			"run `nestor apply --env "+opts.From+"` again to make a release that knows it",
			"release %s was made before the environment %s", render.Digest(digest), opts.To)
	}
	return release, nil
}

func first(environment string) string { return "run `nestor apply --env " + environment + "` first" }

// settled refuses what the API would refuse of the environment where a promotion
// starts, in its words, before anybody reads a plan.
func settled(ctx context.Context, c *change.Change, name target.Name, environment string) error {
	latest, found, err := newest(ctx, c, client.ListDeploymentsParams{
		Team: &name.Team, Application: &name.Application, Environment: &environment,
	})
	if err != nil {
		return err
	}
	if !found {
		return cli.Errorf(first(environment), "%s was never deployed to %s", name.Application, environment)
	}
	switch {
	case !latest.Status.Final():
		return cli.Errorf("wait for its end", "deployment %s is still %s", latest.ID, latest.Status)
	case !latest.Settled():
		return cli.Errorf(first(environment), "the last deployment to %s, %s, ended %s", environment, latest.ID, latest.Status)
	default:
		return nil
	}
}

func succeeded(ctx context.Context, c *change.Change, name target.Name, environment string) (string, error) {
	status := orchestrator.StatusSucceeded
	latest, found, err := newest(ctx, c, client.ListDeploymentsParams{
		Team: &name.Team, Application: &name.Application, Environment: &environment, Status: &status,
	})
	if err != nil {
		return "", err
	}
	if !found {
		return "", cli.Errorf(first(environment), "nothing of %s is deployed in %s", name.Application, environment)
	}
	if latest.Release == "" {
		return "", cli.Errorf(first(environment), "nothing of %s is deployed in %s: it was destroyed", name.Application, environment)
	}
	return latest.Release, nil
}

// newest is the latest deployment that a filter selects. An adoption that is
// over and left nothing behind has not changed what is deployed, and is passed
// over.
func newest(ctx context.Context, c *change.Change, filter client.ListDeploymentsParams) (d orchestrator.Deployment, found bool, err error) {
	limit := 1
	for {
		filter.Limit = &limit
		list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &filter))
		if err != nil {
			return d, false, err
		}
		for _, d := range list.Items {
			if d.Kind != orchestrator.KindAdopt || !d.Status.Final() || len(d.Residue) > 0 {
				return d, true, nil
			}
		}
		if list.Next == "" {
			return d, false, nil
		}
		limit, filter.Cursor = maxPage, &list.Next
	}
}

// maxPage is how many deployments are asked for at once where the first does
// not tell.
const maxPage = 50

// unexercised names each definition of the target that is not what ran in the
// source, as "node: definition@version".
func unexercised(release composer.Release, from, to string) []string {
	ran := map[string]bool{}
	for _, binding := range release.Bindings[from] {
		ran[binding.Digest] = true
	}
	var names []string
	for _, node := range slices.Sorted(maps.Keys(release.Bindings[to])) {
		if binding := release.Bindings[to][node]; !ran[binding.Digest] {
			names = append(names, fmt.Sprintf("%s: %s@%s", node, binding.Definition, binding.Version))
		}
	}
	return names
}

func warn(c *change.Change, opts *Options, names []string) {
	if len(names) == 0 {
		return
	}
	c.Say("\nNever exercised in %s:", opts.From)
	for _, name := range names {
		c.Say("  %s", name)
	}
}

// queued follows the promotion's record until it names a deployment.
func queued(ctx context.Context, c *change.Change, promotion orchestrator.Promotion) (target.ID, error) {
	for attempt := 1; ; attempt++ {
		if promotion.Refused != "" {
			return target.ID{}, cli.Errorf("", "the promotion from %s to %s was refused: %s", promotion.From, promotion.To, promotion.Refused)
		}
		if promotion.Deployment != "" {
			break
		}
		err := remote.Wait(ctx, min(time.Duration(attempt)*50*time.Millisecond, 500*time.Millisecond))
		if err == nil {
			promotion, err = remote.Decode[orchestrator.Promotion](c.API.GetPromotion(ctx, promotion.ID))
		}
		if err != nil {
			return target.ID{}, cli.Errorf("`nestor history --env "+promotion.To+"` shows whether it was taken up",
				"no longer watching promotion %s, which may go on: %w", promotion.ID, err)
		}
	}
	id, ok := target.ParseID(promotion.Deployment)
	if !ok {
		return target.ID{}, fmt.Errorf("the promotion names the deployment %q, which is no id", promotion.Deployment)
	}
	return id, nil
}

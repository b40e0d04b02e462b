// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"text/tabwriter"
	"time"

	"go.temporal.io/sdk/log"

	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/store/seal"
	"github.com/HatiCode/nestor/workers"
	"github.com/HatiCode/nestor/workers/rollout"
)

// registrationPatience is how long set-current waits for the workers of a
// version, which Temporal knows of a moment after they have begun to ask.
const registrationPatience = time.Minute

// rolloutCommand is one that is about versions of the workers.
type rolloutCommand struct {
	usage, summary string
	run            func(ctx context.Context, o rolloutOptions, args []string, stdout io.Writer) error
	payloads       bool // it reads what workflows were given
}

// rolloutOptions are those of all these commands; each uses some.
type rolloutOptions struct {
	rollout *rollout.Rollout
	codec   temporalclient.Codec // of payloads; nil where the command reads none
	own     string               // build id of this program
	build   string               // --build, by default the same
	output  string
	wait    time.Duration
	force   bool
	from    string
	check   bool
}

func rolloutCommands() map[string]rolloutCommand {
	return map[string]rolloutCommand{
		"versions":    {"versions [-o table|json]", "list the versions of the workers, what runs on each, and which may stop", listVersions, false},
		"set-current": {"set-current [--build ID] [--wait 1m] [--force]", "give what begins to this build's workers", setCurrent, false},
		"move":        {"move [--check] DEPLOYMENT… | --from BUILD", "move running deployments to this build, if their histories replay with it", move, true},
	}
}

// runRollout carries one of the commands out.
func runRollout(ctx context.Context, command rolloutCommand, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	versioning, err := workers.VersioningFromEnv(getenv, buildID())
	if err != nil {
		return err
	}
	if !versioning.Enabled() {
		return errors.New("NESTOR_WORKER_DEPLOYMENT is not set; it names the worker deployment whose versions these are")
	}
	o := rolloutOptions{own: versioning.BuildID}
	flags := flag.NewFlagSet("nestor-worker "+command.usage, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.build, "build", versioning.BuildID, "build id; this program's by default")
	flags.StringVar(&o.output, "o", "table", "table or json")
	flags.DurationVar(&o.wait, "wait", registrationPatience, "how long to wait for workers of the build")
	flags.BoolVar(&o.force, "force", false, "also if it serves fewer queues than the present version")
	flags.StringVar(&o.from, "from", "", "move everything that runs on this build")
	flags.BoolVar(&o.check, "check", false, "say what can be moved, and move nothing")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("%w; see nestor-worker help", err)
	}
	if command.payloads {
		if o.codec, err = payloadCodec(getenv); err != nil {
			return err
		}
	}
	address, namespace := workers.TemporalFromEnv(getenv)
	temporal, err := temporalclient.Dial(ctx, temporalclient.Options{
		Address: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		Codec: o.codec,
	})
	if err != nil {
		return err
	}
	defer temporal.Close()
	o.rollout = rollout.New(temporal, namespace, versioning.Deployment)
	return command.run(ctx, o, flags.Args(), stdout)
}

// payloadCodec reads payloads with the workers' own keys, and makes none: others
// would open nothing. Where encryption is off, and was never on, there need not
// be any.
func payloadCodec(getenv func(string) string) (temporalclient.Codec, error) {
	encrypt, err := codec.Enabled(getenv)
	if err != nil {
		return nil, err
	}
	at := records.Options{DataDir: getenv("NESTOR_DATA"), Keyset: getenv("NESTOR_KEYSET")}
	if at.DataDir == "" && at.Keyset == "" {
		if !encrypt {
			return nil, nil //nolint:nilnil // no codec is one that leaves payloads in clear
		}
		return nil, errors.New("payloads are encrypted; NESTOR_KEYSET names the file of the workers' keys, or NESTOR_DATA their data directory")
	}
	keys, err := seal.LoadKeyset(at.KeysetPath())
	if errors.Is(err, fs.ErrNotExist) && !encrypt {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("the keys of the payloads: %w", err)
	}
	return codec.New(keys, encrypt), nil
}

func listVersions(ctx context.Context, o rolloutOptions, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	versions, err := o.rollout.Versions(ctx)
	if err != nil {
		return err
	}
	switch o.output {
	case "json":
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(append([]rollout.Version{}, versions...))
	case "table":
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "BUILD\tSTATE\tOPEN\tWORKERS\tMAY STOP\tSINCE") //nolint:errcheck // Flush tells
		for _, v := range versions {
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\n", //nolint:errcheck // Flush tells
				v.BuildID, v.State, v.Open, v.Workers, yesNo(v.MayStop()), v.Created.UTC().Format(time.RFC3339))
		}
		return table.Flush()
	default:
		return fmt.Errorf("-o %q is unknown; expected table or json", o.output)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func setCurrent(ctx context.Context, o rolloutOptions, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q; name a build with --build", args[0])
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	if err := o.rollout.SetCurrent(ctx, o.build, o.force); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "version %s is the current one\n", o.build)
	return err
}

// move goes on after a deployment that cannot be moved; the error names all of
// them.
func move(ctx context.Context, o rolloutOptions, ids []string, stdout io.Writer) error {
	if (o.from == "") == (len(ids) == 0) {
		return errors.New("name the deployments to move, or the build that they run on with --from; not both")
	}
	if o.build != o.own {
		return fmt.Errorf("this program is build %s; only the program of build %s can say whether a history replays with it", o.own, o.build)
	}
	if o.from != "" {
		var err error
		if ids, err = o.rollout.Staying(ctx, o.from); err != nil {
			return err
		}
	}
	mover := rollout.Mover{Rollout: o.rollout, BuildID: o.build, Codec: o.codec}
	do, done := mover.Move, "moved to "+o.build
	if o.check {
		do, done = mover.Check, "can be moved to "+o.build
	}
	var errs []error
	for _, id := range ids {
		if err := do(ctx, id); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := fmt.Fprintf(stdout, "%s %s\n", id, done); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// buildID is this program's: its version and its commit, empty when it was
// built without either, as by a plain `go build`.
func buildID() string {
	if version == "dev" && commit == "" {
		return ""
	}
	if commit == "" {
		return version
	}
	const short = 12
	return cmp.Or(version, "dev") + "-" + commit[:min(len(commit), short)]
}

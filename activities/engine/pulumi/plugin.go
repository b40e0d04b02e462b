// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// fetchPatience bounds the download of one plugin, and of what a program in a
// general language depends on: without a network some of it is tried for long.
const fetchPatience = 5 * time.Minute

var (
	pluginName    = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	pluginVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)
)

// plugins sees to it that those which the definition names are there: as
// executables in the search path, whatever their version, or in Pulumi's home,
// where they are fetched to, once.
func (n *node) plugins(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(n.own.Plugins)) {
		version := n.own.Plugins[name]
		if !pluginName.MatchString(name) || !pluginVersion.MatchString(version) {
			return invalid("settings.plugins: %q: %q is not a plugin's name and exact version", name, version)
		}
		if n.has("pulumi-resource-" + name) {
			continue
		}
		version = "v" + strings.TrimPrefix(version, "v")
		if _, err := os.Stat(filepath.Join(n.engine.home(), "plugins", "resource-"+name+"-"+version)); err == nil {
			continue
		}
		if err := n.fetch(ctx, fmt.Sprintf("plugin %s %s", name, version), "plugin", "install", "resource", name, version); err != nil {
			return err
		}
	}
	return nil
}

// install fetches what a program in a general language depends on.
func (n *node) install(ctx context.Context) error {
	if n.project.runtime == yamlRuntime {
		return nil
	}
	if err := n.checkHost(); err != nil {
		return err
	}
	return n.fetch(ctx, "what the program depends on", "install")
}

func (n *node) fetch(ctx context.Context, what string, args ...string) error {
	limited, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	env := []string{}
	for name, value := range n.environment() {
		if name != "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" {
			env = append(env, name+"="+value)
		}
	}
	spec := supervise.Spec{Program: n.program.Path, Workspace: n.req.Workspace, Grace: n.grace()}
	cmd, err := supervise.Command(limited, n.engine.config.SupervisorPath, env, spec, append(args, "--non-interactive")...)
	if err != nil {
		return failed("prepare to fetch "+what, err)
	}
	cmd.Dir = n.path(programDir)
	n.say("fetching %s", what)
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	e := &engine.Error{Class: engine.Unavailable, Engine: Name, Err: err}
	text := n.redact.Text(shorten(fetchError(string(said))))
	if limited.Err() != nil {
		text = fmt.Sprintf("it took longer than %s", fetchPatience)
	}
	e.Message = fmt.Sprintf("%s cannot be fetched: %s; put it into the worker's program directories or give the worker access to it", what, text)
	return e
}

// fetchError is what Pulumi says of a failure, and the last words of the
// language's own tool before it, which know why.
func fetchError(said string) string {
	text := saidError(said)
	before, _, found := strings.Cut(said, "error: ")
	if !found {
		return text
	}
	words := lines([]byte(before))
	last := strings.TrimSpace(string(words[len(words)-1]))
	if last == "" || strings.Contains(text, last) {
		return text
	}
	return text + ": " + last
}

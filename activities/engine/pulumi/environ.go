// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// workspaceVariable marks every process that works for a workspace, so that
// plugins which outlive their program are found; see orphan.go.
const workspaceVariable = "NESTOR_PULUMI_WORKSPACE"

// goSettings say where Go gets a program's modules from and where it keeps what
// it has fetched and built. They are the machine's, as PATH is: a program in Go
// is given the worker's own. Without any, all is kept below the user's home,
// once for all nodes.
var goSettings = []string{ //nolint:gochecknoglobals // immutable
	"GOROOT", "GOTOOLCHAIN", "GOFLAGS", "CGO_ENABLED",
	"GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR",
	"GOPROXY", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOSUMDB", "GONOSUMDB", "GOVCS", "GOAUTH",
}

// environment of the program, built from nothing: what the worker inherited
// does not reach it, least of all a PULUMI_ variable. Only the settings of a
// language's tools are the worker's where the environment gives no others.
func (n *node) environment() map[string]string {
	e := n.engine
	env := map[string]string{
		"HOME":             e.userHome(),
		"TMPDIR":           os.TempDir(), // short: plugins put sockets there
		"PULUMI_HOME":      e.home(),
		"NO_COLOR":         "1",
		workspaceVariable:  n.req.Workspace,
		passphraseVariable: n.passphrase,

		"PULUMI_SKIP_UPDATE_CHECK": "true",
		"PULUMI_AUTOMATION_API":    "true",
		"PULUMI_DEBUG_COMMANDS":    "true", // event logs are behind it
		// A definition names its plugins and their versions (see plugin.go).
		// What a program asks for beyond them must not be looked for in the
		// Internet in the middle of an apply.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		// Backups grow by a checkpoint with each run and are never removed; the
		// backend keeps the last good checkpoint beside the present one anyway.
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
	}
	if n.project.runtime == goRuntime {
		for _, name := range goSettings {
			if value, set := os.LookupEnv(name); set {
				env[name] = value
			}
		}
	}
	for name, value := range n.req.Env {
		if name != passphraseVariable && name != passphraseFileVariable && name != "PATH" {
			env[name] = value
		}
	}
	env["PATH"] = strings.Join(n.searchPath(), string(os.PathListSeparator))
	return env
}

// searchPath is where language hosts, plugins and the tools of languages are.
func (n *node) searchPath() []string {
	dirs := slices.Clone(n.engine.config.SearchPath)
	if n.program.Path != "" {
		dirs = append(dirs, filepath.Dir(n.program.Path))
	}
	dirs = append(dirs, filepath.SplitList(n.req.Env["PATH"])...)
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return dir == "" })
	return dirs
}

// has looks for an executable in the search path.
func (n *node) has(name string) bool {
	for _, dir := range n.searchPath() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// checkEnvironment refuses variables that would bypass the engine.
func checkEnvironment(extra map[string]string) error {
	var refused []string
	for _, name := range []string{
		"PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_STACK", "PULUMI_CONFIG", "PULUMI_EXPERIMENTAL",
		"PULUMI_SKIP_CHECKPOINTS", "PULUMI_DISABLE_SECRET_OUTPUTS", "PULUMI_DIY_BACKEND_LEGACY_LAYOUT",
		"PULUMI_SELF_MANAGED_STATE_LEGACY_LAYOUT", workspaceVariable, supervise.Variable,
	} {
		if _, set := extra[name]; set {
			refused = append(refused, name)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return invalid("the environment sets %s, which the engine sets itself; remove it from the environment's credentials",
		strings.Join(refused, ", "))
}

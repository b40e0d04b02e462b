// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// environment of the program, built from nothing: what the worker inherited
// does not reach it. terraform-exec adds TF_IN_AUTOMATION and silences TF_LOG.
func (e *Engine) environment(extra map[string]string) map[string]string {
	env := map[string]string{
		"PATH":               os.Getenv("PATH"),
		"HOME":               e.home,
		"TMPDIR":             os.TempDir(), // short: plugins put sockets there
		"TF_CLI_CONFIG_FILE": e.rcFile,
		"CHECKPOINT_DISABLE": "1",
	}
	for k, v := range extra {
		env[k] = v
	}
	return env
}

// checkEnvironment refuses variables that would bypass the engine: inputs,
// arguments, another workspace, a plugin cache that concurrent runs corrupt.
func checkEnvironment(extra map[string]string) error {
	refused := tfexec.ProhibitedEnv(extra)
	for _, name := range []string{"TF_CLI_CONFIG_FILE", "TF_DATA_DIR", "TF_PLUGIN_CACHE_DIR", supervise.Variable} {
		if _, ok := extra[name]; ok {
			refused = append(refused, name)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	slices.Sort(refused)
	return invalid("the environment sets %s, which the engine sets itself; remove it from the environment's credentials",
		strings.Join(refused, ", "))
}

// cliConfig is the program's own configuration file. With a mirror, the
// providers in it are taken from there and never asked for elsewhere, so that
// it serves without a network.
func cliConfig(mirror string) ([]byte, error) {
	var b strings.Builder
	b.WriteString("disable_checkpoint = true\n")
	if mirror == "" {
		return []byte(b.String()), nil
	}
	dir, err := filepath.Abs(mirror)
	if err != nil {
		return nil, fmt.Errorf("provider mirror: %w", err)
	}
	held, err := mirrored(dir)
	if err != nil {
		return nil, fmt.Errorf("provider mirror: %w", err)
	}
	b.WriteString("provider_installation {\n")
	if len(held) > 0 {
		fmt.Fprintf(&b, "  filesystem_mirror {\n    path    = %s\n    include = [%s]\n  }\n", quote(dir), strings.Join(held, ", "))
		fmt.Fprintf(&b, "  direct {\n    exclude = [%s]\n  }\n", strings.Join(held, ", "))
	} else {
		b.WriteString("  direct {}\n")
	}
	b.WriteString("}\n")
	return []byte(b.String()), nil
}

// mirrored lists the providers of a mirror: host/namespace/type directories.
func mirrored(dir string) ([]string, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	paths, err := fs.Glob(os.DirFS(dir), "*/*/*")
	if err != nil {
		return nil, err
	}
	var held []string
	for _, p := range paths {
		if info, err := os.Stat(filepath.Join(dir, p)); err == nil && info.IsDir() {
			held = append(held, quote(p))
		}
	}
	return held, nil
}

// quote writes an HCL string literal that holds exactly s.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

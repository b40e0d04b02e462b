// SPDX-License-Identifier: Apache-2.0

package definitions_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	helmcli "helm.sh/helm/v3/pkg/cli"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/orchestrator"
)

// takenPassword is behind the secret that the composition refers to.
const takenPassword = "made-by-hand-7d1e"

// adoption takes a Terraform state, a Pulumi stack and a Helm release over by
// the command line. Nothing changes by that, neither at once nor by the next
// apply; from then on they are nodes like any other.
func adoption(s *site) {
	s.run("composition", "push", s.example("testdata/taken.yaml"))
	s.write(filepath.Join(s.work, "nestor.yaml"), []byte("application: "+s.application+"\nteam: "+team+"\n"))
	s.annotate(1)
	state, stack := s.makeService(), s.makeCache()
	s.makeRelease()
	made := s.look()

	s.run("adopt", "taken.payments", "--env", environment, "--from", state, "--move", "local_file.pay=local_file.service")
	s.run("adopt", "taken.cache", "--env", environment, "--from", stack,
		"--move", "kube:index:Manifest::theirs=kube:index:Manifest::servers")
	s.run("adopt", "taken.web", "--env", environment, "--release", s.namespace+"/legacy")
	if code, out := s.command("plan", "--env", environment); code != cli.CodeOK {
		s.t.Errorf("the plan after the adoption has changes (exit %d):\n%s", code, out)
	}
	if out := s.run("apply", "--env", environment, "--yes"); strings.Contains(out, takenPassword) {
		s.t.Errorf("the password is shown:\n%s", out)
	}
	now := s.look()
	now.Stacks = nil // the node's own, in which nothing was made
	s.wantSame("the world after the adoption", made, now)

	s.annotate(2)
	s.run("apply", "--env", environment, "--yes")
	grown := s.look()
	for _, name := range []string{"StatefulSet/cache", "Deployment/web"} {
		if got := s.at(grown, name, "spec", "replicas"); got != int64(2) || grown.Objects[name].UID != made.Objects[name].UID {
			s.t.Errorf("%s has %v replicas and uid %s, want 2 and %s", name, got, grown.Objects[name].UID, made.Objects[name].UID)
		}
	}
	if diff := cmp.Diff([]string{"legacy"}, grown.Releases); diff != "" {
		s.t.Errorf("releases (-want +got):\n%s", diff)
	}
	s.run("destroy", "--env", environment, "--yes")
	s.wantNothing()
	heads, err := s.Registry.Heads(s.t.Context(), orchestrator.Scope{Team: team, Application: s.application, Environment: environment})
	if err != nil || len(heads) > 0 {
		s.t.Errorf("heads are left: %v, %v", heads, err)
	}
}

// annotate writes the application with its one comment line.
func (s *site) annotate(replicas int) {
	s.t.Helper()
	s.write(filepath.Join(s.work, "main.go"), fmt.Appendf(nil,
		"//nestor:taken directory=%s replicas=%d\npackage main\n", s.directory, replicas))
	s.run("generate")
}

// outside runs a program as a person would, in a directory of its own.
func (s *site) outside(dir string, env []string, program string, args ...string) []byte {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s%s", program, args, err, out, said.Bytes())
	}
	return out
}

// copied is a directory with a file of an example in it, one word changed.
func (s *site) copied(example, from, to string) (dir string) {
	s.t.Helper()
	dir = s.t.TempDir()
	text := strings.ReplaceAll(string(s.read(example)), from, to)
	s.write(filepath.Join(dir, filepath.Base(example)), []byte(text))
	return dir
}

// makeService makes the Consul service with OpenTofu, and returns its state.
func (s *site) makeService() (file string) {
	s.t.Helper()
	dir := s.copied("terraform/modules/consul-service/main.tf", `"local_file" "service"`, `"local_file" "pay"`)
	s.write(filepath.Join(dir, "terraform.tfvars.json"), fmt.Appendf(nil,
		`{"directory": %q, "name": "payments", "address": "pay.example.org", "port": 443, "tags": ["zone-a"], "meta": {}}`, s.directory))
	s.write(filepath.Join(dir, "cli.tfrc"), fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", s.Config.MirrorDir))
	env := []string{"TF_CLI_CONFIG_FILE=" + filepath.Join(dir, "cli.tfrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1"}
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-input=false", "-auto-approve"}} {
		s.outside(dir, env, parts.OpenTofu(s.t), args...)
	}
	return filepath.Join(dir, "terraform.tfstate")
}

// makeCache makes the Redis with Pulumi, and returns the exported stack.
func (s *site) makeCache() (file string) {
	s.t.Helper()
	dir := s.copied("pulumi/programs/redis/Pulumi.yaml", "  servers:\n", "  theirs:\n")
	bin := strings.Join(append(s.Config.BinDirs, os.Getenv("PATH")), string(os.PathListSeparator))
	env := []string{
		"PATH=" + bin, "PULUMI_HOME=" + filepath.Join(dir, "home"), "PULUMI_BACKEND_URL=file://" + dir, "PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_CONFIG_PASSPHRASE=of-a-person", "KUBECONFIG_CONTENT=" + string(s.cluster.Kubeconfig),
	}
	pulumi := func(args ...string) []byte {
		return s.outside(dir, env, parts.Program(s.t, "pulumi"), append(args, "--non-interactive")...)
	}
	pulumi("stack", "init", "theirs")
	for _, set := range [][]string{
		{"name", "cache"},
		{"namespace", s.namespace},
		{"image", "redis:7.4"},
		{"replicas", "1"},
		{"--path", "zones[0]", "zone-a"},
		{"--path", "settings.timeout", "30", "--type", "string"},
		{"password", takenPassword, "--secret"},
	} {
		pulumi(append([]string{"config", "set"}, set...)...)
	}
	pulumi("up", "--yes", "--skip-preview")
	file = filepath.Join(dir, "export.json")
	s.write(file, pulumi("stack", "export", "--show-secrets"))
	return file
}

// makeRelease installs the chart as the helm program does.
func (s *site) makeRelease() {
	s.t.Helper()
	settings := helmcli.New()
	settings.KubeConfig = filepath.Join(s.t.TempDir(), "kubeconfig")
	settings.SetNamespace(s.namespace)
	s.write(settings.KubeConfig, s.cluster.Kubeconfig)
	var config action.Configuration
	s.must(config.Init(settings.RESTClientGetter(), s.namespace, "secret", func(string, ...any) {}))
	chart, err := loader.Load(s.example("helm/charts/web-service"))
	s.must(err)
	install := action.NewInstall(&config)
	install.ReleaseName, install.Namespace = "legacy", s.namespace
	_, err = install.RunWithContext(s.t.Context(), chart, map[string]any{
		"name": "web", "image": map[string]any{"reference": "nginx:1.27"}, "replicas": 1, "port": 8080, "zones": []any{},
		"labels": map[string]any{"app.kubernetes.io/name": "web"}, "settings": map[string]any{"GREETING": "Welcome"},
		"credentials": map[string]any{"password": takenPassword},
	})
	s.must(err)
}

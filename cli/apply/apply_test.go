// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/apply"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/root"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	type want struct {
		Environment, Application, Plan string
		Yes, Detach                    bool
		OnFailure                      orchestrator.OnFailure
		Error                          string
	}
	tests := map[string]struct {
		reason string
		args   []string
		want   want
	}{
		"none":       {"a failed deployment is rolled back by default", []string{}, want{OnFailure: orchestrator.OnFailureRollback}},
		"short":      {"-e and -y are short for --env and --yes", []string{"-e", "staging", "-y"}, want{Environment: "staging", Yes: true, OnFailure: orchestrator.OnFailureRollback}},
		"all":        {"every flag arrives", []string{"--env=a", "--app=b", "--plan=P", "--detach", "--on-failure=stop"}, want{Environment: "a", Application: "b", Plan: "P", Detach: true, OnFailure: orchestrator.OnFailureStop}},
		"on-failure": {"only three choices exist", []string{"--on-failure=ignore"}, want{OnFailure: orchestrator.OnFailureRollback, Error: `invalid argument "ignore" for "--on-failure" flag: must be rollback, stop or continue`}},
		"argument":   {"there are no arguments", []string{"staging"}, want{OnFailure: orchestrator.OnFailureRollback, Error: `unknown command "staging" for "apply"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clitest.NewCommand(t, nil, t.TempDir(), false, "")
			var got want
			cmd := apply.NewCmdApply(c.Factory, func(_ context.Context, o *apply.Options) error {
				got = want{
					Environment: o.Target.Environment, Application: o.Target.Application, Plan: o.PlanID,
					Yes: o.Yes, Detach: o.Detach, OnFailure: o.OnFailure.Value,
				}
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SetOut(c.Out)
			cmd.SetErr(c.Err)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				got = want{OnFailure: orchestrator.OnFailureRollback, Error: err.Error()}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// shared are the recorded answers of the scripts of cmd/nestor.
func shared() string { return filepath.Join("..", "..", "cmd", "nestor", "testdata", "api") }

// shop makes a directory with an application that is up to date.
func shop(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"nestor.yaml": "application: shop\nteam: alpha\n",
		"main.go":     "//nestor:web-app size=small replicas=3\npackage main\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := clitest.NewCommand(t, nil, dir, false, "")
	if code := root.Run(t.Context(), c.Factory, []string{"generate", "--offline"}); code != cli.CodeOK {
		t.Fatalf("generate: exit %d: %s", code, c.Err)
	}
	return dir
}

func start(t *testing.T, dirs ...string) *clitest.Server {
	t.Helper()
	player, err := clitest.NewPlayer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := player.Start(append(dirs, shared())...)
	t.Cleanup(func() {
		server.Close()
		for _, violation := range server.Violations() {
			t.Error(violation)
		}
	})
	return server
}

func TestOnATerminal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason   string
		answer   string
		code     int
		deployed bool
	}{
		"yes":     {"y starts the deployment and follows it", "y\n", cli.CodeOK, true},
		"no":      {"n changes nothing", "n\n", cli.CodeError, false},
		"nothing": {"the end of input is no", "", cli.CodeError, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			c := clitest.NewCommand(t, server, shop(t), true, tt.answer)
			if code := root.Run(t.Context(), c.Factory, []string{"apply"}); code != tt.code {
				t.Errorf("%s: exit %d, want %d", tt.reason, code, tt.code)
			}
			if deployed := strings.Contains(server.Log(), "POST /api/v1/deployments"); deployed != tt.deployed {
				t.Errorf("%s: deployed is %t", tt.reason, deployed)
			}
			clitest.Golden(t, "terminal-"+name+".golden", clitest.Screen(c.Out.String())+"\n--- errors\n"+clitest.Screen(c.Err.String()))
		})
	}
}

// An engine's error is read once, with its node, in lines that end at words; what
// was left behind and the last line refer to it.
func TestFailureOnATerminal(t *testing.T) {
	t.Parallel()
	said := "local-exec provisioner error: " + strings.Repeat("no room for lab-d in this zone, ", 8) + "(exit status 1)"
	event := func(n int, rest string) string {
		const head = `{"deployment":"alpha/shop/staging/3","sequence":%d,"time":"2026-01-02T15:04:%02dZ","principal":"w",%s}`
		return fmt.Sprintf("id: %d\ndata: "+head+"\n\n", n, n, 5+n, rest)
	}
	failed := `"error":{"class":"rejected","retryable":false,"resource":"local_file.d","message":"` + said + `"}`
	own := t.TempDir()
	for name, content := range map[string]string{
		"3/events.sse": event(1, `"type":"deployment.status","data":{"status":"running"}`) +
			event(2, `"type":"node.started","node":"web-app.deployment","data":{"action":"apply","attempt":1}`) +
			event(3, `"type":"node.finished","node":"web-app.deployment","data":{"action":"apply","status":"failed",`+failed+`}`) +
			event(4, `"type":"deployment.finished","data":{"status":"failed"}`),
		"3.json": `{"id":"alpha/shop/staging/3","n":3,"team":"alpha","application":"shop","environment":"staging","kind":"apply",
			"basis":0,"requestId":"R1","principal":"user:ada","onFailure":"rollback","status":"failed","workflowId":"alpha/shop/staging/3",
			"queuedAt":"2026-01-02T15:04:05Z","error":"apply of web-app.deployment: local_file.d: ` + said + `",
			"residue":[{"node":"web-app.deployment","engine":"terraform","address":"alpha/shop/staging/web-app.deployment",
				"reason":"destroying what this deployment created failed: local_file.d: ` + said + `",
				"action":"mend the cause, then destroy or apply again"}]}`,
	} {
		path := filepath.Join(own, "GET/api/v1/deployments/alpha/shop/staging", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := clitest.NewCommand(t, start(t, own), shop(t), true, "")
	if code := root.Run(t.Context(), c.Factory, []string{"apply", "--yes"}); code != cli.CodeError {
		t.Errorf("exit %d, want %d", code, cli.CodeError)
	}
	_, tree, _ := strings.Cut(clitest.Screen(c.Out.String()), "Plan: 1 to create, 1 to change.\n")
	clitest.Golden(t, "terminal-failed.golden", tree+"\n--- errors\n"+clitest.Screen(c.Err.String()))
}

// Ctrl-C leaves the deployment alone, says how to come back, and exits 130.
func TestDetach(t *testing.T) {
	t.Parallel()
	for name, terminal := range map[string]bool{"terminal": true, "pipe": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := t.TempDir()
			stream := filepath.Join(own, "GET/api/v1/deployments/alpha/shop/staging/3/events.sse")
			if err := os.MkdirAll(filepath.Dir(stream), 0o750); err != nil {
				t.Fatal(err)
			}
			// It ends without an end of the deployment, again and again.
			event := `{"deployment":"alpha/shop/staging/3","sequence":1,"time":"2026-01-02T15:04:05Z","type":"deployment.queued","principal":"ada"}`
			if err := os.WriteFile(stream, []byte("id: 1\ndata: "+event+"\n\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			server := start(t, own)
			c := clitest.NewCommand(t, server, shop(t), terminal, "")
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			code := make(chan int, 1)
			go func() { code <- root.Run(ctx, c.Factory, []string{"apply", "--yes"}) }()
			eventually(t, func() bool { return strings.Contains(server.Log(), "events after=1") })
			interrupt()
			select {
			case got := <-code:
				if got != cli.CodeInterrupted {
					t.Errorf("exit %d, want %d", got, cli.CodeInterrupted)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the command goes on after an interrupt")
			}
			want := `Detached. Deployment 3 goes on in staging:
  nestor status --env staging                shows how it stands
  nestor logs -f 3 --env staging             follows its logs
  nestor cancel 3 --env staging              stops it
`
			if diff := cmp.Diff(want, clitest.Screen(c.Err.String())); diff != "" {
				t.Errorf("what it says (-want +got):\n%s", diff)
			}
			if strings.Contains(server.Log(), "cancel") {
				t.Error("detaching canceled the deployment")
			}
		})
	}
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("it did not happen in time")
		}
	}
}

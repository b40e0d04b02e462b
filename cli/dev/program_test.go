// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/cli/dev"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// How a played program behaves, by variables of its environment.
const (
	failAtStart  = "PLAY_FAIL"     // names the program that says "no licence" and exits 3
	ignoreStop   = "PLAY_IGNORE"   // names the program that takes no notice of SIGTERM
	neverReady   = "PLAY_SILENT"   // names the program that runs and never says that it serves
	realTemporal = "PLAY_TEMPORAL" // the worker asks the real server for work
)

// journal is where the played programs of one platform tell what they do.
func journal() string { return filepath.Join(os.Getenv("NESTOR_DATA"), "journal") }

func tell(what string) {
	f, err := os.OpenFile(journal(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, err = fmt.Fprintln(f, what, os.Getpid())
	if err := errors.Join(err, f.Close()); err != nil {
		panic(err)
	}
}

// complain says why a program ends, and returns its exit status.
func complain(why any, status int) int {
	fmt.Fprintln(os.Stderr, why)
	return status
}

// play serves until it is told to stop.
func play(name string, servers ...*http.Server) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if os.Getenv(failAtStart) == name {
		return complain("no licence", 3)
	}
	for _, server := range servers {
		go func() {
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				panic(err)
			}
		}()
	}
	if os.Getenv(neverReady) != name {
		tell("start " + name)
	}
	for range stop {
		if os.Getenv(ignoreStop) != name {
			break
		}
		tell("ignore " + name)
	}
	tell("stop " + name)
	return 0
}

func serve(address string, handle http.HandlerFunc) *http.Server {
	return &http.Server{Addr: address, Handler: handle, ReadHeaderTimeout: time.Second}
}

func playTemporal(args []string) int {
	flags := flag.NewFlagSet("temporal", flag.ContinueOnError)
	httpPort, uiPort := flags.Int("http-port", 0, ""), flags.Int("ui-port", 0, "")
	database := flags.String("db-filename", "", "")
	for _, name := range []string{
		"ip", "port", "namespace", "sqlite-pragma", "log-level", "log-format",
		"dynamic-config-value", "search-attribute", "ui-codec-endpoint",
	} {
		flags.String(name, "", "")
	}
	if err := flags.Parse(args[2:]); err != nil {
		return 2
	}
	if err := os.WriteFile(*database, nil, 0o644); err != nil { // as the real one does
		return complain(err, 1)
	}
	return play("temporal",
		serve("127.0.0.1:"+strconv.Itoa(*uiPort), func(http.ResponseWriter, *http.Request) {}),
		serve("127.0.0.1:"+strconv.Itoa(*httpPort), func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "task-queues") {
				return
			}
			if _, err := fmt.Fprintf(w, `{"pollers":[{"identity":"%s@host"}]}`, lastStarted("worker")); err != nil {
				panic(err)
			}
		}))
}

// lastStarted is the id of the process that was started last under a name.
func lastStarted(name string) string {
	content, err := os.ReadFile(journal())
	if err != nil {
		return ""
	}
	pid := ""
	for line := range strings.Lines(string(content)) {
		if after, ok := strings.CutPrefix(line, "start "+name+" "); ok {
			pid = strings.TrimSpace(after)
		}
	}
	return pid
}

func playAPI() int {
	return play("api", serve(os.Getenv("NESTOR_LISTEN"), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	}))
}

func playWorker() int {
	if err := os.WriteFile(journal()+".environ", []byte(strings.Join(os.Environ(), "\n")), 0o600); err != nil {
		return complain(err, 1)
	}
	if os.Getenv(realTemporal) != "" {
		c, err := client.Dial(client.Options{HostPort: os.Getenv("NESTOR_TEMPORAL_ADDRESS")})
		if err != nil {
			return complain(err, 1)
		}
		defer c.Close()
		w := worker.New(c, contract.QueueControl, worker.Options{})
		if err := w.Start(); err != nil {
			return complain(err, 1)
		}
		defer w.Stop()
	}
	return play("worker")
}

// playDev is `nestor dev` in a process of its own, so that it can be killed.
func playDev(args []string) int {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, syscall.SIGTERM)
	err := dev.Run(noContext(), dev.Options{
		DataDir: args[0], Environ: os.Environ(), Interrupts: interrupts,
		Search: dev.Search{Dirs: []string{filepath.Dir(os.Args[0])}, LookPath: exec.LookPath},
	}, os.Stdout)
	if err != nil {
		return complain(err, 1)
	}
	return 0
}

// programDir holds the test binary under the names of a platform's programs.
func programDir(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"temporal", "nestor-api", "nestor-worker", "nestor-dev"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readJournal returns what the played programs of a data directory told, without their process ids.
func readJournal(t *testing.T, data string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(data, "journal"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(content)) {
		told = append(told, line[:strings.LastIndexByte(line, ' ')])
	}
	return told
}

// pids of all processes that ever started on a data directory, by name.
func pids(t *testing.T, data string) map[string][]int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(data, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int{}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if fields[0] != "start" {
			continue
		}
		pid, err := strconv.Atoi(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		found[fields[1]] = append(found[fields[1]], pid)
	}
	return found
}

// running says that a process exists and is no zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return !strings.Contains(string(stat), ") Z ")
}

// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/internal/launch"
)

// maxLogBytes is the size beyond which a log is set aside when its program
// starts.
const maxLogBytes = 16 << 20

// spec describes a child.
type spec struct {
	name string // also the name of its log
	path string
	args []string
	env  []string
	dir  string
	log  string // path of the log
	// private keeps what the program writes from other users, where it does not
	// do so itself.
	private bool
}

// command that runs the program.
func (s spec) command() *exec.Cmd {
	if s.private {
		return exec.Command("/bin/sh", append([]string{"-c", `umask 077 && exec "$0" "$@"`, s.path}, s.args...)...) //nolint:gosec,noctx // as below
	}
	return exec.Command(s.path, s.args...) //nolint:gosec,noctx // the program is one of ours; its end is asked for by a signal first
}

// child is one running process. Its output goes to its log alone, not through
// this process, so that it can outlive a death of ours for the moment that its
// own stop takes.
type child struct {
	spec    spec
	command *exec.Cmd
	began   time.Time
	logFrom int64         // where this run's output begins in the log
	ended   chan struct{} // closed when the process is gone; then err holds
	err     error
}

// startChild starts a child by way of the launcher, which never ends before us.
func startChild(l *launch.Launcher, s spec) (*child, error) {
	log, from, err := openLog(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own handle; nothing was written here
	command := s.command()
	command.Env, command.Dir = s.env, s.dir
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = childAttributes()
	if err := l.Start(command); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	c := &child{spec: s, command: command, began: time.Now(), logFrom: from, ended: make(chan struct{})}
	go func() {
		c.err = command.Wait()
		close(c.ended)
	}()
	return c, nil
}

func openLog(path string) (log *os.File, from int64, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxLogBytes {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, 0, fmt.Errorf("set the old log aside: %w", err)
		}
	}
	log, err = os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open a log: %w", err)
	}
	info, err = log.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open a log: %w", err), log.Close())
	}
	return log, info.Size(), nil
}

func (c *child) pid() int { return c.command.Process.Pid }

// alive says that the process has not ended.
func (c *child) alive() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// death describes the end of a child, with the last lines that it said.
func (c *child) death(lines int) string {
	how := "ended without an error"
	if c.err != nil {
		how = "ended with " + c.err.Error()
	}
	text := fmt.Sprintf("%s (pid %d) %s", c.spec.name, c.pid(), how)
	last := lastLines(c.spec.log, c.logFrom, lines)
	if len(last) == 0 {
		return text + "; it said nothing (" + c.spec.log + ")"
	}
	return text + "; its last lines in " + c.spec.log + ":\n    " + strings.Join(last, "\n    ")
}

// lastLines returns at most n last lines of what a file holds from an offset
// on; none when it cannot be read.
func lastLines(path string, from int64, n int) []string {
	const window = 16 << 10
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	if start := info.Size() - window; start > from {
		from = start
	}
	content := make([]byte, max(info.Size()-from, 0))
	read, err := file.ReadAt(content, from)
	if err != nil && read == 0 {
		return nil
	}
	text := strings.TrimSpace(string(content[:read]))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(len(lines)-n, 0):]
}

// stop asks the child to end and waits; when the context ends first, it kills
// the child's whole process group. It returns whether a kill was needed.
func (c *child) stop(ctx context.Context) (killed bool, err error) {
	if !c.alive() {
		return false, nil
	}
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, fmt.Errorf("stop %s: %w", c.spec.name, err)
	}
	select {
	case <-c.ended:
		return false, nil
	case <-ctx.Done():
	}
	if err := killGroup(c.command.Process); err != nil {
		return true, fmt.Errorf("kill %s: %w", c.spec.name, err)
	}
	<-c.ended
	return true, nil
}

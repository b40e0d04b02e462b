// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/HatiCode/nestor/chaos/fault"
	"github.com/HatiCode/nestor/chaos/part"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/sqlite"
)

func TestMain(m *testing.M) {
	if part.Main() {
		return
	}
	os.Exit(m.Run())
}

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, within time.Duration) error {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}

func TestProxy(t *testing.T) {
	t.Parallel()
	p, err := fault.NewProxy(t.Context(), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c := dial(t, p.Address())
	if err := say(t, c, time.Minute); err != nil {
		t.Fatalf("without a partition: %v", err)
	}

	silent, end := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.Silence(silent, time.Minute)
	}()
	for say(t, c, 50*time.Millisecond) == nil { // until it has begun
	}
	end()
	<-over
	if err := say(t, c, time.Minute); err != nil {
		t.Errorf("what was kept does not arrive afterwards: %v", err)
	}

	away, end := context.WithCancel(t.Context())
	over = make(chan struct{})
	go func() {
		defer close(over)
		p.Cut(away, time.Minute)
	}()
	for say(t, c, time.Minute) == nil { // until it has begun
	}
	if err := say(t, dial(t, p.Address()), time.Minute); err == nil {
		t.Error("a new connection passes while the proxy is cut off")
	}
	end()
	<-over
	if err := say(t, dial(t, p.Address()), time.Minute); err != nil {
		t.Errorf("a new connection does not pass afterwards: %v", err)
	}
}

func TestPauseAndKill(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	paused := make(chan error, 1)
	go func() { paused <- fault.Pause(ctx, cmd.Process.Pid, time.Minute) }()
	if _, err := io.WriteString(in, "hello\n"); err != nil {
		t.Fatal(err)
	}
	end()
	if err := <-paused; err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("after a pause it says %q, %v", line, err)
	}
	if err := fault.Kill(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended well, want that it was killed")
	}
	if err := fault.Kill(cmd.Process.Pid); !errors.Is(err, fault.ErrGone) {
		t.Errorf("killing what is gone gives %v", err)
	}
}

// TestWriter: what the writer did is never seen, and its lock goes with it.
func TestWriter(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fault.Writer) error{
		"released": (*fault.Writer).Release, "killed": (*fault.Writer).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "nestor.db")
			s, err := sqlite.Open(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			head := store.Key{Partition: "heads/a", Sort: "1"}
			put := func(ctx context.Context) error {
				_, err := s.Write(ctx, store.Batch{Principal: "user:test", Ops: []store.Op{store.Put(head, []byte(`{}`))}})
				return err
			}
			if err := put(t.Context()); err != nil {
				t.Fatal(err)
			}
			command, err := part.Writer(file)
			if err != nil {
				t.Fatal(err)
			}
			w, err := fault.StartWriter(command)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := put(ctx); err == nil {
				t.Error("a write passes while another process has the store")
			}
			if err := end(w); err != nil {
				t.Fatal(err)
			}
			if err := put(t.Context()); err != nil {
				t.Errorf("a write afterwards: %v", err)
			}
			if _, err := s.Get(t.Context(), head); err != nil {
				t.Errorf("what the writer deleted and took back: %v", err)
			}
		})
	}
}

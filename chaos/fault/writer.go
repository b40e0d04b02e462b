// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// held is what a holder says when it has the lock.
const held = "held"

// HoldStore takes SQLite's write lock on a store's file, writes what must never
// be seen, says so, and gives it all back when its input ends. It is the body of
// a process of its own, which may be killed.
func HoldStore(ctx context.Context, file string, in io.Reader, out io.Writer) (err error) {
	source := url.URL{Scheme: "file", Path: file, RawQuery: url.Values{
		"mode": {"rw"}, "_pragma": {"busy_timeout(30000)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("take the writer's lock: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	for _, statement := range []string{
		"UPDATE streams SET last = last + 1000000",
		"DELETE FROM documents WHERE partition LIKE 'heads/%'",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("write into the store: %w", err)
		}
	}
	if _, err := fmt.Fprintln(out, held); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// Writer is a process that holds the store's write lock.
type Writer struct {
	command *exec.Cmd
	input   io.WriteCloser
}

// StartWriter starts a command whose body is HoldStore and returns when it has
// the lock.
func StartWriter(command *exec.Cmd) (w *Writer, err error) {
	w = &Writer{command: command}
	if w.input, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start a writer: %w", err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != held {
		return nil, fmt.Errorf("the writer did not get the store: %w; %s", errors.Join(err, w.Kill()), said.String())
	}
	return w, nil
}

// Release has the writer roll back and end.
func (w *Writer) Release() error {
	return errors.Join(w.input.Close(), w.command.Wait())
}

// Kill ends the writer in the middle of its transaction.
func (w *Writer) Kill() error {
	err := w.command.Process.Kill()
	var ended *exec.ExitError
	if waiting := w.command.Wait(); !errors.As(waiting, &ended) {
		err = errors.Join(err, waiting)
	}
	return err
}

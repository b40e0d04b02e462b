// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/devserver"
)

// Canary is a secret that must be found nowhere, in any of its spellings.
type Canary struct{ spellings [][]byte }

// NewCanary knows how a value looks in clear, in base64 wherever it begins in
// what is encoded, and in hexadecimal.
func NewCanary(value string) Canary {
	c := Canary{spellings: [][]byte{[]byte(value), []byte(hex.EncodeToString([]byte(value)))}}
	const group = 3 // bytes that become four letters
	for before := range group {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + value))
		first, last := 0, len(text)
		if before > 0 {
			first = before + 1 // letters that depend on what comes before
		}
		if rest := (before + len(value)) % group; rest > 0 {
			last -= 4 // and on what comes after
		}
		c.spellings = append(c.spellings, []byte(text[first:last]))
	}
	return c
}

// In says whether the value is in a text.
func (c Canary) In(text []byte) bool {
	for _, spelling := range c.spellings {
		if bytes.Contains(text, spelling) {
			return true
		}
	}
	return false
}

// IllegibleError says that payloads are encrypted where a secret is looked for:
// it would not be found there, whether it is there or not.
type IllegibleError struct{ Where string }

func (e *IllegibleError) Error() string {
	return fmt.Sprintf("%s holds encrypted payloads, in which no secret can be looked for; run the site with %s=off", e.Where, codec.Variable)
}

func legible(where string, text []byte) error {
	if bytes.Contains(text, []byte(codec.Encoding)) {
		return &IllegibleError{Where: where}
	}
	return nil
}

// Files looks for the canary in everything that Nestor and Temporal have
// written: the store with its log, blobs, Temporal's database with its log, and
// the logs of every program. States and workspaces are left out: the engines
// keep values in clear there, by design. With an IllegibleError it could not look.
func Files(s *site.Site, c Canary) (f Findings, err error) {
	var paths []string
	for _, pattern := range []string{
		filepath.Join(s.Data(), "nestor.db*"), filepath.Join(s.Dir, "temporal.db*"), filepath.Join(s.Logs(), "*"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return f, err
		}
		paths = append(paths, found...)
	}
	err = filepath.WalkDir(filepath.Join(s.Data(), "blobs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return f, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path) //nolint:gosec // below the harness's own directory
		if errors.Is(err, fs.ErrNotExist) {
			continue // such as a log that was folded in meanwhile
		}
		if err != nil {
			return f, err
		}
		if err := legible(path, text); err != nil {
			return f, err
		}
		if c.In(text) {
			f.leak("%s holds the secret", path)
		}
	}
	return f, nil
}

// Histories looks for the canary in the history of every run of a workflow. With
// an IllegibleError it could not look.
func Histories(ctx context.Context, s *site.Site, c Canary, workflows ...string) (f Findings, err error) {
	for _, id := range workflows {
		runs, err := s.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: devserver.Namespace, Query: "WorkflowId = '" + id + "'",
		})
		if err != nil {
			return f, err
		}
		if len(runs.GetExecutions()) == 0 {
			return f, fmt.Errorf("the workflow %s is not listed, so its history cannot be looked through", id)
		}
		for _, run := range runs.GetExecutions() {
			if err := f.history(ctx, s, c, id, run.GetExecution().GetRunId()); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

// history looks for the canary in that of one run.
func (f *Findings) history(ctx context.Context, s *site.Site, c Canary, id, run string) error {
	events := s.Temporal.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		text, err := proto.Marshal(event)
		if err != nil {
			return err
		}
		if err := legible(fmt.Sprintf("event %d of the workflow %s", event.GetEventId(), id), text); err != nil {
			return err
		}
		if c.In(text) {
			f.leak("event %d (%s) of the workflow %s holds the secret", event.GetEventId(), event.GetEventType(), id)
		}
	}
	return nil
}

// Text looks for the canary in what somebody was told.
func Text(c Canary, where string, text []byte) (f Findings) {
	if c.In(text) {
		f.leak("%s holds the secret", where)
	}
	return f
}

// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func (f *fixture) say(deployment, node, text string) {
	f.tb.Helper()
	f.must(f.AppendLog(f.tb.Context(), "worker:tiny", deployment, registry.LogChunk{Node: node, Attempt: 1, Text: text}))
}

// read follows the log to its end, as a client does.
func (f *fixture) read(deployment, node string) (chunks []registry.LogChunk, pages int) {
	f.tb.Helper()
	after := int64(0)
	for {
		page, err := f.Logs(f.tb.Context(), deployment, node, after)
		f.must(err)
		if len(page) == 0 {
			return chunks, pages
		}
		chunks, pages = append(chunks, page...), pages+1
		after = page[len(page)-1].Sequence
	}
}

func TestLogPages(t *testing.T) {
	t.Parallel()
	f := open(t)
	const id, lines = "alpha/shop/staging/1", 2*store.DefaultPage + 7
	for i := range lines {
		name := "web.loud"
		if i == 5 || i == lines-1 {
			name = "web.quiet"
		}
		f.say(id, name, fmt.Sprintf("line %d\n", i))
	}
	f.say("alpha/shop/staging/10", "web.quiet", "another deployment\n")

	all, pages := f.read(id, "")
	if len(all) != lines || pages != 3 {
		t.Errorf("%d chunks on %d pages, want %d on 3", len(all), pages, lines)
	}
	for i, chunk := range all {
		if chunk.Sequence != int64(i+1) || chunk.Text != fmt.Sprintf("line %d\n", i) || chunk.Time.IsZero() || chunk.Attempt != 1 {
			t.Fatalf("chunk %d: %+v", i, chunk)
		}
	}
	quiet, _ := f.read(id, "web.quiet")
	var texts []string
	for _, chunk := range quiet {
		texts = append(texts, chunk.Text)
	}
	if diff := cmp.Diff([]string{"line 5\n", fmt.Sprintf("line %d\n", lines-1)}, texts); diff != "" {
		t.Errorf("a node that says little is found behind pages of others (-want +got):\n%s", diff)
	}
	if none, _ := f.read(id, "web.none"); len(none) != 0 {
		t.Errorf("a node that said nothing: %v", none)
	}
}

func TestLargestLogChunkFits(t *testing.T) {
	t.Parallel()
	f := open(t)
	// The worst text for JSON: each byte becomes six.
	text := strings.Repeat("\x01", registry.MaxLogChunk)
	f.say("alpha/shop/staging/1", "web.n", text)
	if chunks, _ := f.read("alpha/shop/staging/1", ""); len(chunks) != 1 || chunks[0].Text != text {
		t.Errorf("got %d chunks", len(chunks))
	}
}

func TestPruneLogs(t *testing.T) {
	t.Parallel()
	f := open(t)
	var ids []string
	for i := range 3 {
		id := f.accept(fmt.Sprintf("request-%d", i)).ID
		ids = append(ids, id)
		for line := range 2*store.MaxTransactionOps + 1 {
			f.say(id, "web.n", strconv.Itoa(line))
		}
		f.finish(id, orchestrator.StatusFailed)
	}
	running := f.accept("running").ID
	f.say(running, "web.n", "still going")

	// Exactly the time of the second one's end is not before it.
	before := f.deployment(ids[1]).FinishedAt
	n, err := f.PruneLogs(t.Context(), "worker:control", before)
	if err != nil || n != 1 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	for i, id := range append(ids, running) {
		chunks, _ := f.read(id, "")
		if gone := len(chunks) == 0; gone != (i == 0) {
			t.Errorf("the log of %s has %d chunks", id, len(chunks))
		}
	}
	if told := f.events(ids[0]); len(told) != 2 {
		t.Errorf("the events of a pruned deployment: %v", told)
	}
	if n, err := f.PruneLogs(t.Context(), "worker:control", before); err != nil || n != 0 {
		t.Errorf("pruned again: %d, %v", n, err)
	}
	if n, err := f.PruneLogs(t.Context(), "worker:control", f.clock.read()); err != nil || n != 2 {
		t.Errorf("pruned all that ended: %d, %v", n, err)
	}
	if chunks, _ := f.read(running, ""); len(chunks) != 1 {
		t.Error("the log of a running deployment was pruned")
	}
}

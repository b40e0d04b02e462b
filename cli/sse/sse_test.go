// SPDX-License-Identifier: Apache-2.0

package sse_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/sse"
)

func TestReader(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		stream string
		want   []sse.Event
	}{
		"plain": {
			"an event ends at an empty line",
			"id: 7\nevent: node.started\ndata: {}\n\n",
			[]sse.Event{{ID: "7", Type: "node.started", Data: "{}"}},
		},
		"several data lines": {
			"data lines are joined",
			"data: a\ndata: b\n\n",
			[]sse.Event{{Type: "message", Data: "a\nb"}},
		},
		"keep-alive": {
			"comments and events without data are no events",
			": ping\n\nevent: x\n\nid: 3\n\ndata: y\n\n",
			[]sse.Event{{ID: "3", Type: "message", Data: "y"}},
		},
		"other line ends": {
			"CR and CR LF end lines too",
			"data: a\r\n\r\ndata: b\r\r",
			[]sse.Event{{Type: "message", Data: "a"}, {Type: "message", Data: "b"}},
		},
		"cut off": {
			"what was not finished did not happen",
			"data: a\n\ndata: b\n",
			[]sse.Event{{Type: "message", Data: "a"}},
		},
		"no space": {
			"the space after the colon is optional, and only one is dropped",
			"data:a\ndata:  b\n\n",
			[]sse.Event{{Type: "message", Data: "a\n b"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One byte at a time: no event may depend on how it was cut into
			// packets.
			reader := sse.NewReader(iotest.OneByteReader(strings.NewReader(tt.stream)))
			var got []sse.Event
			for {
				event, err := reader.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", tt.reason, err)
				}
				got = append(got, event)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestReaderRetry(t *testing.T) {
	t.Parallel()
	reader := sse.NewReader(strings.NewReader("retry: 1500\ndata: a\n\n"))
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	if got, want := reader.Retry(), 1500*time.Millisecond; got != want {
		t.Errorf("retry is %s, want %s", got, want)
	}
}

func TestReaderBoundsAnEvent(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{
		"one line":   "data: " + strings.Repeat("x", 5<<20) + "\n\n",
		"many lines": strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 5) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := sse.NewReader(strings.NewReader(stream)).Next(); !errors.Is(err, sse.ErrTooLarge) {
				t.Errorf("got %v, want %v", err, sse.ErrTooLarge)
			}
		})
	}
}

func TestReaderReportsABrokenConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	stream := io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken))
	reader := sse.NewReader(stream)
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

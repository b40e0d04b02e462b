// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/HatiCode/nestor/internal/parts"
)

// recordDir is set to record histories for workflows' replay tests:
//
//	go test ./internal/e2e -run Deployments -record v0.1.0
var recordDir = flag.String("record", "", "write histories to workflows/testdata/history/<this release>")

// record writes the history of a workflow under a scenario's name, when the
// tests run with -record.
func (s *site) record(name, workflowID string) {
	s.t.Helper()
	if *recordDir == "" {
		return
	}
	if !strings.HasPrefix(name, "application-") {
		// The record of what has ended comes before the end of its workflow. Whether
		// that ended well is no matter here.
		if err := s.Temporal.GetWorkflow(s.t.Context(), workflowID, "").Get(s.t.Context(), nil); err != nil {
			s.t.Logf("%s ended with %v", workflowID, err)
		}
	}
	var history historypb.History
	events := s.Temporal.GetWorkflowHistory(s.t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		s.must(err)
		history.Events = append(history.Events, event)
	}
	data, err := protojson.MarshalOptions{Multiline: true}.Marshal(&history)
	s.must(err)
	dir := filepath.Join(parts.Root(s.t), "workflows", "testdata", "history", *recordDir)
	s.must(os.MkdirAll(dir, 0o750))
	s.must(os.WriteFile(filepath.Join(dir, name+".json"), append(data, '\n'), 0o600))
}

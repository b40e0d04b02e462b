// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/serve"
	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
)

// uiOrigin is where this test's Web UI would be.
const uiOrigin = "http://127.0.0.1:8233"

// TestEncryptedPayloads: with encryption on, deployments succeed, fail and roll
// back as without it, what Temporal keeps shows nothing of what they are about,
// and the codec server shows it to the Web UI.
func TestEncryptedPayloads(t *testing.T) {
	t.Parallel()
	const application = "encrypted"
	temporal := testplatform.StartTemporal(t, application)
	s := newSiteOn(t, testplatform.NewEncrypted(t, temporal, application), application)
	s.StartWorker()
	raw, err := temporalclient.Dial(t.Context(), temporalclient.Options{Address: temporal.Address, Namespace: application})
	s.must(err)
	defer raw.Close()

	d := s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	failed := s.Await(s.apply(s.release(map[string]string{"size": "9", "fail": "true"})), patience)
	s.wantStatus(failed, orchestrator.StatusRolledBack)
	if !strings.Contains(failed.Error, "told to fail: web-deployment") {
		t.Errorf("the error is read back from an encrypted failure, got %q", failed.Error)
	}
	s.wantStatus(s.Await(s.terminatedInTheUI(), patience), orchestrator.StatusFailed)

	lane := orchestrator.ApplicationWorkflowID(s.team, s.application)
	url := s.serveAPI(temporal.Address)
	for _, id := range []string{lane, d.ID, failed.ID} {
		history := rawHistory(t, raw, id)
		// Of the inputs, the results, the summaries and the failures. (Ids and
		// search attributes are for finding a workflow, and stay in clear.)
		for _, word := range []string{"user:test", "told to fail", "web.database", "ledger"} {
			if strings.Contains(history.String(), word) {
				t.Errorf("%s: what Temporal keeps holds %q in clear", id, word)
			}
		}
		decoded := decodeAll(t, url, history)
		for _, word := range map[string][]string{lane: {"user:test"}, d.ID: {"web.database"}, failed.ID: {"told to fail: web-deployment"}}[id] {
			if !strings.Contains(decoded, word) {
				t.Errorf("%s: decoded, it does not hold %q, so that its absence before proves nothing", id, word)
			}
		}
	}
}

// terminatedInTheUI starts a deployment and has its workflow terminated.
func (s *site) terminatedInTheUI() string {
	s.t.Helper()
	r := s.release(map[string]string{"size": "4", "hold": s.hold()})
	id := s.apply(r)
	s.Await(id, patience, orchestrator.StatusRunning)
	s.must(s.Temporal.TerminateWorkflow(s.t.Context(), id, "", "by the test"))
	s.letGo()
	return id
}

func rawHistory(t *testing.T, c client.Client, id string) *historypb.History {
	t.Helper()
	history := &historypb.History{}
	events := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}

// serveAPI runs the API on the site's data and returns its address.
func (s *site) serveAPI(temporal string) string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- serve.Run(ctx, serve.Options{
			Version: "test", Data: s.Config.DataDir, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Ready: writer,
			TemporalAddress: temporal, TemporalNamespace: s.application, PayloadEncryption: true,
			TemporalUI: uiOrigin, TrustTemporalUI: true,
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("the API ended with %v", err)
		}
	})
	line := make([]byte, 256)
	n, err := reader.Read(line)
	s.must(err)
	_, url, found := strings.Cut(strings.TrimSpace(string(line[:n])), " at ")
	if !found {
		s.t.Fatalf("the API said %q", line[:n])
	}
	return url
}

// decodeAll asks the codec server, as a page of the Web UI does, for all
// payloads of a history, wherever they are, and returns their data.
func decodeAll(t *testing.T, url string, history *historypb.History) string {
	t.Helper()
	payloads := &commonpb.Payloads{}
	for _, event := range history.GetEvents() {
		collect(event.ProtoReflect(), payloads)
	}
	if !bytes.Contains([]byte(payloads.String()), []byte(codec.Encoding)) {
		t.Fatal("nothing of the history is encrypted")
	}
	body, err := protojson.Marshal(payloads)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+api.CodecPath+"/decode", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", uiOrigin)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || response.Body.Close() != nil {
		t.Fatalf("decode: %s: %s, %v", response.Status, answer, err)
	}
	decoded := &commonpb.Payloads{}
	if err := protojson.Unmarshal(answer, decoded); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, p := range decoded.GetPayloads() {
		all.Write(p.GetData())
		all.WriteByte('\n')
	}
	return all.String()
}

// decodedText is a history with the data of its payloads as text.
func decodedText(history *historypb.History) string {
	payloads := &commonpb.Payloads{}
	for _, event := range history.GetEvents() {
		collect(event.ProtoReflect(), payloads)
	}
	var all strings.Builder
	all.WriteString(history.String())
	for _, p := range payloads.GetPayloads() {
		all.WriteByte('\n')
		all.Write(p.GetData())
	}
	return all.String()
}

// collect finds every payload inside a message.
func collect(m protoreflect.Message, into *commonpb.Payloads) {
	if p, ok := m.Interface().(*commonpb.Payload); ok {
		into.Payloads = append(into.Payloads, p)
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				collect(v.Message(), into)
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				collect(value.List().Get(i).Message(), into)
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			collect(value.Message(), into)
		}
		return true
	})
}

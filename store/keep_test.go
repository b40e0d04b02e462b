// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/store"
)

type scope struct {
	Team string `json:"team"`
}

type inner struct {
	Class string `json:"class,omitempty"`
}

type text struct{ Value string }

// MarshalJSON writes other members than the fields.
func (t text) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"v": t.Value}) }

type record struct {
	scope
	Name    string            `json:"name"`
	Note    string            `json:"note,omitempty"`
	At      time.Time         `json:"at,omitzero"`
	Inner   *inner            `json:"inner,omitempty"`
	List    []inner           `json:"list,omitempty"`
	Map     map[string]string `json:"map,omitempty"`
	Text    text              `json:"text"`
	Secret  string            `json:"-"`
	Untaged int
}

func TestKeepUnknown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after, want, reason string
	}{
		"nothing to keep": {`{"name":"a","team":"x"}`, `{ "name": "b" }`, `{ "name": "b" }`, "it is left byte for byte"},
		"a member":        {`{"name":"a","new":[1]}`, `{"name":"b"}`, `{"name":"b","new":[1]}`, "a newer program wrote it"},
		"removed":         {`{"name":"a","note":"n","Untaged":1,"inner":{"class":"c"}}`, `{"name":"b"}`, `{"name":"b"}`, "this program knows it, and left it out"},
		"embedded":        {`{"team":"x"}`, `{"name":"b"}`, `{"name":"b"}`, "what is embedded is known"},
		"inside": {
			`{"inner":{"class":"c","new":1}}`, `{"inner":{"class":"d"}}`, `{"inner":{"class":"d","new":1}}`, "objects are looked into",
		},
		"inside what is gone": {`{"inner":{"new":1}}`, `{"name":"b"}`, `{"name":"b"}`, "it goes with what it was about"},
		"list":                {`{"list":[{"new":1}]}`, `{"list":[{}]}`, `{"list":[{}]}`, "items of two lists are not the same ones"},
		"map":                 {`{"map":{"a":"1"}}`, `{"map":{"b":"2"}}`, `{"map":{"b":"2"}}`, "its keys are data"},
		"own words":           {`{"text":{"v":"1"}}`, `{"text":{"w":"2"}}`, `{"text":{"w":"2"}}`, "nobody knows what its members mean"},
		"not stored":          {`{"Secret":"s"}`, `{"name":"b"}`, `{"Secret":"s","name":"b"}`, "this program writes no such member"},
		"no object":           {`[1]`, `{"name":"b"}`, `{"name":"b"}`, "there is nothing to keep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := store.KeepUnknown(json.RawMessage(test.before), json.RawMessage(test.after), &record{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
	if _, err := store.KeepUnknown(json.RawMessage(`{"a":`), json.RawMessage(`{}`), record{}); err == nil || !strings.Contains(err.Error(), "a newer program") {
		t.Errorf("half a document: %v", err)
	}
}

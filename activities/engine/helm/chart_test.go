// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

// configMap is a template with one value.
func configMap(name, key, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  " + key + ": " + value + "\n"
}

func TestChartsThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		chart  chart
		words  []string
	}{
		"template": {
			reason: "a template that does not parse is named",
			chart:  chart{"templates/a.yaml": "{{ if }}"}, words: []string{"templates/a.yaml", "parse error"},
		},
		"yaml": {
			reason: "a manifest that is no YAML is named",
			chart:  chart{"templates/a.yaml": "kind: [\n"}, words: []string{"templates/a.yaml"},
		},
		"metadata": {
			reason: "Chart.yaml must be one",
			chart:  chart{"Chart.yaml": "version: 1\n"}, words: []string{"chart"},
		},
		"dependency": {
			reason: "dependencies travel with the chart",
			chart:  chart{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n  - {name: redis, version: 1.0.0, repository: \"https://charts.test\"}\n"},
			words:  []string{"redis", "helm dependency build"},
		},
		"library": {
			reason: "a library has nothing to install",
			chart:  chart{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ntype: library\n"}, words: []string{"library"},
		},
		"kubernetes version": {
			reason: "a chart says which clusters it is for",
			chart:  chart{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\nkubeVersion: \">= 9.0.0\"\n"}, words: []string{">= 9.0.0"},
		},
		"schema": {
			reason: "values have to fit the chart's schema",
			chart: chart{
				"values.yaml": "size: text\n", "values.schema.json": `{"properties": {"size": {"type": "integer"}}}`,
			},
			words: []string{"size"},
		},
		"no such kind": {
			reason: "a kind that the cluster does not have",
			chart:  chart{"templates/a.yaml": "apiVersion: no.such/v1\nkind: Widget\nmetadata: {name: a}\n"},
			words:  []string{"Widget", "no.such/v1"},
		},
		"wrong type": {
			reason: "a value of a type that the field does not have",
			chart:  chart{"templates/a.yaml": configMap("a", "on", "true")}, words: []string{"ConfigMap", "on"},
		},
		"required": {
			reason: "what the chart asks for is said in its words",
			chart:  chart{"templates/a.yaml": "{{ required \"set color\" .Values.color }}"}, words: []string{"set color"},
		},
		"invalid object": {
			reason: "the API server has looked at it before anything is made",
			chart:  chart{"templates/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 99999}]}\n"},
			words:  []string{"Service", "port"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, test.chart)
			f.refused(t, engine.Invalid, test.words...)
			seen, err := f.engine.Observe(t.Context(), f.req)
			if err != nil || seen.Exists {
				t.Errorf("%s: observed %+v, %v afterwards", test.reason, seen, err)
			}
		})
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		module   string
		settings map[string]any
		words    []string
	}{
		"no chart":       {settings: map[string]any{}, words: []string{"names no chart"}},
		"two charts":     {module: "chart", settings: map[string]any{"chart": "app"}, words: []string{"one place"}},
		"no version":     {settings: map[string]any{"chart": "app", "repository": "https://charts.test"}, words: []string{"settings.version"}},
		"a range":        {settings: map[string]any{"chart": "app", "repository": "https://charts.test", "version": "^1"}, words: []string{"exact"}},
		"no repository":  {settings: map[string]any{"chart": "app", "version": "1.0.0"}, words: []string{"settings.repository"}},
		"outside":        {module: "../chart", settings: map[string]any{}, words: []string{"inside its bundle"}},
		"not there":      {module: "other", settings: map[string]any{}, words: []string{"no chart directory"}},
		"unknown field":  {module: "chart", settings: map[string]any{"wait": true}, words: []string{"wait"}},
		"release's name": {module: "chart", settings: map[string]any{"release": "No_Name"}, words: []string{"No_Name"}},
		"cluster":        {module: "chart", settings: map[string]any{"cluster": "other"}, words: []string{"other", "test"}},
		"value taken":    {module: "chart", settings: map[string]any{"values": map[string]any{"size": int64(1)}}, words: []string{"size"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, nil)
			f.req.Implementation.Module, f.req.Implementation.Settings = test.module, test.settings
			f.inputs(map[string]any{"size": int64(3)})
			f.refused(t, engine.Invalid, test.words...)
		})
	}
}

func TestRepository(t *testing.T) {
	t.Parallel()
	f := begin(t, nil)
	files := chart{"templates/a.yaml": configMap("a", "from", "repository")}
	packed := pack(t, files)
	var password atomic.Value
	password.Store("old-password-of-test")
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	guarded := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, given, _ := r.BasicAuth(); given != password.Load() {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(text))
		}
	}
	entry := func(version, file, digest string) string {
		return "    - {apiVersion: v2, name: app, version: " + version + ", urls: [" + file + "], digest: \"" + digest + "\"}\n"
	}
	mux.Handle("/charts/index.yaml", guarded("apiVersion: v1\nentries:\n  app:\n"+
		entry("1.2.3", "app-1.2.3.tgz", sum(packed))+entry("1.3.0", "app-1.2.3.tgz", sum(nil))+entry("1.4.0", "gone.tgz", "")))
	mux.Handle("/charts/app-1.2.3.tgz", guarded(string(packed)))
	f.req.Implementation.Module = ""
	f.settings(map[string]any{"chart": "app", "repository": server.URL + "/charts", "version": "1.2.3"})

	f.refused(t, engine.Rejected, "NESTOR_HELM_USERNAME")
	f.req.Env = map[string]string{"NESTOR_HELM_USERNAME": "ada", "NESTOR_HELM_PASSWORD": "old-password-of-test"}
	for version, want := range map[string]struct {
		class engine.Class
		words []string
	}{
		"2.0.0": {engine.Invalid, []string{"no version 2.0.0", "1.4.0, 1.3.0, 1.2.3"}},
		"1.3.0": {engine.Rejected, []string{"digest"}},
		"1.4.0": {engine.Invalid, []string{"gone.tgz", "404"}},
	} {
		f.settings(map[string]any{"version": version})
		f.refused(t, want.class, want.words...)
	}
	f.settings(map[string]any{"version": "1.2.3", "chart": "other"})
	f.refused(t, engine.Invalid, "other", "none of this name")
	f.settings(map[string]any{"chart": "app"})
	f.up(t)
	if got := f.configMap(t, "a")["from"]; got != "repository" {
		t.Errorf("installed %v", got)
	}
	if log := f.log.String(); !strings.Contains(log, sum(packed)) || strings.Contains(log, "old-password-of-test") {
		t.Error("the log does not tell the chart's digest, or tells the password")
	}
	password.Store("a-new-one") // what was fetched is kept
	if p, _ := f.up(t); !p.Empty() {
		t.Errorf("changes: %+v", p.Changes)
	}
	server.Close()
	f.settings(map[string]any{"version": "1.5.0"})
	f.refused(t, engine.Transient)
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	f := begin(t, nil)
	packed := pack(t, chart{"templates/a.yaml": configMap("a", "from", "registry")})
	host := serveRegistry(t, "team/app", map[string][]byte{"1.2.3": packed, "1.1.0": packed}, "token-of-the-test")
	f.req.Implementation.Module = ""
	f.settings(map[string]any{"chart": "oci://" + host + "/team/app", "version": "1.2.3"})
	f.refused(t, engine.Rejected, "NESTOR_HELM_USERNAME")
	f.req.Env = map[string]string{"NESTOR_HELM_USERNAME": "ada", "NESTOR_HELM_PASSWORD": "token-of-the-test"}
	f.settings(map[string]any{"version": "3.0.0"})
	f.refused(t, engine.Invalid, "no version 3.0.0", "1.2.3, 1.1.0")
	f.settings(map[string]any{"version": "1.1.0"})
	f.refused(t, engine.Invalid, "1.1.0 was asked for", "1.2.3 came")
	f.settings(map[string]any{"chart": "oci://" + host + "/team/other", "version": "1.2.3"})
	f.refused(t, engine.Invalid, "no such chart")
	f.settings(map[string]any{"chart": "oci://" + host + "/team/app:1.2.3"})
	f.refused(t, engine.Invalid, "settings.version")
	f.settings(map[string]any{"chart": "oci://" + host + "/team/app"})
	f.up(t)
	if got := f.configMap(t, "a")["from"]; got != "registry" {
		t.Errorf("installed %v", got)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{
		"Chart.yaml":                     "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n  - {name: sub, version: 1.0.0, condition: sub.enabled}\n",
		"values.yaml":                    "sub: {enabled: true, color: red}\n",
		"templates/a.yaml":               configMap("a", "x", "text"),
		"charts/sub/Chart.yaml":          "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"charts/sub/values.yaml":         "color: blue\n",
		"charts/sub/templates/sub.yaml":  configMap("sub", "color", "{{ .Values.color }}"),
		"charts/sub/templates/_help.tpl": "",
	})
	f.up(t)
	if got := f.configMap(t, "sub")["color"]; got != "red" {
		t.Errorf("color is %v", got)
	}
	f.req.Implementation.Inputs = map[string]string{"withSub": "sub.enabled"}
	f.inputs(map[string]any{"withSub": false})
	p, _ := f.up(t)
	if got := shown(p); len(got) != 1 || got["ConfigMap/"+f.namespace+"/sub"] != "delete" {
		t.Errorf("changes %v", got)
	}
}

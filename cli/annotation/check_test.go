// SPDX-License-Identifier: Apache-2.0

package annotation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/composer"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	ten := 10.0
	known := []annotation.Known{
		{Name: "web-app", Params: []catalog.Field{
			{Name: "size", Type: catalog.TypeString, Required: true, Enum: []any{"small", "large"}},
			{Name: "replicas", Type: catalog.TypeInteger, Default: int64(1), Maximum: &ten},
			{Name: "token", Type: catalog.TypeString, Sensitive: true, Pattern: "[a-z]+"},
			{Name: "zone", Type: catalog.TypeString, Required: true, Default: "a"},
		}, Team: "alpha"},
		{Name: "api-gateway"},
	}
	tests := map[string]struct {
		reason, text string
		known        []annotation.Known
		want         string
	}{
		"good":                  {"nothing to say", "//nestor:web-app size=small replicas=3", known, ""},
		"misspelt composition":  {"the nearest is suggested", "//nestor:web-ap size=small", known, `a.go:1:10: there is no composition "web-ap" (did you mean "web-app"?)`},
		"unknown composition":   {"without a near one, all are listed", "//nestor:database", known, `a.go:1:10: there is no composition "database" (the team has api-gateway, web-app)`},
		"no compositions":       {"or that there is none", "//nestor:database", nil, `a.go:1:10: there is no composition "database" (the team has no composition)`},
		"misspelt parameter":    {"the nearest is suggested", "//nestor:web-app size=small replcas=3", known, `a.go:1:29: web-app has no parameter "replcas" (did you mean "replicas"?)`},
		"misspelt in env":       {"at the key with its environment", "//nestor:web-app size=small prod.replica=3", known, `a.go:1:29: web-app has no parameter "replica" (did you mean "replicas"?)`},
		"unknown parameter":     {"without a near one, all are listed", "//nestor:web-app size=small colour=red", known, `a.go:1:29: web-app has no parameter "colour" (it has replicas, size, token, zone)`},
		"no schema":             {"the templates say which parameters there are", "//nestor:api-gateway x=1 prod.y=2", known, ""},
		"missing":               {"at the composition", "//nestor:web-app", known, `a.go:1:10: web-app needs the parameter "size" (add size=<string>)`},
		"given in one env only": {"which others there are is not known here", "//nestor:web-app prod.size=large", known, ""},
		"mistyped":              {"at the key", "//nestor:web-app size=small replicas=many", known, `a.go:1:29: replicas: value "many" must be an integer`},
		"mistyped in env":       {"at the key", "//nestor:web-app size=small prod.replicas=2.5", known, `a.go:1:29: replicas: value "2.5" must be an integer`},
		"constraint":            {"enum", "//nestor:web-app size=huge", known, `a.go:1:18: size: value "huge" must be one of "small", "large"`},
		"bound":                 {"maximum", "//nestor:web-app size=small replicas=11", known, `a.go:1:29: replicas: value 11 must be at most 10`},
		"in clear":              {"the file is committed; a message holds no secret", "//nestor:web-app size=small token=s3cret", known, `a.go:1:29: the sensitive parameter "token" cannot be given in clear (write secret://env/NESTOR_SECRET_ALPHA__<NAME> or secret://file/alpha/<path>)`},
		"in clear in env":       {"for one environment too", "//nestor:web-app size=small prod.token=s3cret", known, `a.go:1:29: the sensitive parameter "token" cannot be given in clear (write secret://env/NESTOR_SECRET_ALPHA__<NAME> or secret://file/alpha/<path>)`},
		"reference":             {"what is behind it meets the pattern or not, not the reference", "//nestor:web-app size=small token=secret://file/alpha/token", known, ""},
		"another's secret":      {"a team names its own secrets", "//nestor:web-app size=small token=secret://file/beta/token", known, `a.go:1:29: token: the reference names a file that is not team alpha's (write secret://env/NESTOR_SECRET_ALPHA__<NAME> or secret://file/alpha/<path>)`},
		"all at once":           {"sorted by place", "//nestor:web-app replicas=x colour=1", known, "a.go:1:10: web-app needs the parameter \"size\" (add size=<string>)\na.go:1:18: replicas: value \"x\" must be an integer\na.go:1:29: web-app has no parameter \"colour\" (it has replicas, size, token, zone)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			put(t, root, "a.go", tc.text+"\n")
			result, err := annotation.Scan(t.Context(), root, annotation.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, annotation.Check(result, tc.known).Error()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCheckWithoutColumns(t *testing.T) {
	t.Parallel()
	claims := []composer.Claim{{Instance: "a", Composition: "a", Parameters: map[string]string{"x": "1"}, File: "m.go", Line: 7}}
	known := []annotation.Known{{Name: "a", Params: []catalog.Field{{Name: "colour", Type: catalog.TypeString}}}}
	got := annotation.Check(annotation.Result{Claims: claims}, known).Error()
	if want := `m.go:7:1: a has no parameter "x" (it has colour)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

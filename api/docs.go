// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle string

// docs is the page about the API, made once from openapi.yaml. It needs no
// script, and nothing from another server.
type docs struct {
	html   []byte
	policy string
}

func newDocs(spec *openapi3.T) (*docs, error) {
	page, err := template.New("docs").Funcs(template.FuncMap{"text": richText}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("docs.html: %w", err)
	}
	var html bytes.Buffer
	err = page.Execute(&html, struct {
		docsModel
		Style template.CSS
	}{newDocsModel(spec), template.CSS(docsStyle)}) //nolint:gosec // the style is embedded, nobody's input
	if err != nil {
		return nil, fmt.Errorf("docs.html: %w", err)
	}
	sum := sha256.Sum256([]byte(docsStyle))
	return &docs{
		html: html.Bytes(),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

func (d *docs) page(c echo.Context) error {
	c.Response().Header().Set("Content-Security-Policy", d.policy)
	return c.HTMLBlob(http.StatusOK, d.html)
}

// richText writes the little of Markdown that openapi.yaml's descriptions use:
// paragraphs, `code` and **bold**.
func richText(s string) template.HTML {
	escaped := template.HTMLEscapeString(strings.TrimSpace(s))
	escaped = regexp.MustCompile("`([^`]+)`").ReplaceAllString(escaped, "<code>$1</code>")
	escaped = regexp.MustCompile(`\*\*([^*]+)\*\*`).ReplaceAllString(escaped, "<strong>$1</strong>")
	var b strings.Builder
	for paragraph := range strings.SplitSeq(escaped, "\n\n") {
		if paragraph != "" {
			b.WriteString("<p>" + paragraph + "</p>\n")
		}
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

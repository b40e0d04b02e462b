// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of a page of Search.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// Filter chooses definitions by their preferred version (see
// Snapshot.Preferred). Empty fields choose all; several must all hold.
type Filter struct {
	Name         string // a part of the name, in any case
	Provider     string
	Category     string
	ResourceType string
	// Text is words, each of which must be somewhere in name, description,
	// provider, category, resource type, engines or labels, in any case.
	Text   string
	Cursor string // Page.Next of the page before
	Limit  int    // at most MaxLimit; zero means DefaultLimit
}

// Item is one definition in a list.
type Item struct {
	Preferred Published `json:"preferred"`
	Versions  []string  `json:"versions"` // oldest first
}

// Page is a part of a list. Next is empty at the end.
type Page struct {
	Items []Item `json:"items"`
	Next  string `json:"next,omitempty"`
}

// FilterError says that a filter cannot be used.
type FilterError struct{ Field, Message string }

func (e *FilterError) Error() string { return e.Field + ": " + e.Message }

// Search lists definitions by name. The error of a filter that makes no sense is
// *FilterError.
func (s *Service) Search(ctx context.Context, f Filter) (Page, error) {
	if f.Limit < 0 || f.Limit > MaxLimit {
		return Page{}, &FilterError{Field: "limit", Message: fmt.Sprintf("must be between 1 and %d", MaxLimit)}
	}
	if f.Cursor != "" && CheckName("definition", f.Cursor) != nil {
		return Page{}, &FilterError{Field: "cursor", Message: "is not the \"next\" of a page; begin without it"}
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return Page{}, err
	}
	return snapshot.search(f), nil
}

func (s *Snapshot) search(f Filter) Page {
	limit := f.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	page := Page{Items: []Item{}}
	start, found := slices.BinarySearch(s.names, f.Cursor)
	if found {
		start++
	}
	for _, name := range s.names[start:] {
		p, ok := s.Preferred(name)
		if !ok || !f.matches(p.Definition) {
			continue
		}
		if len(page.Items) == limit {
			page.Next = page.Items[limit-1].Preferred.Definition.Metadata.Name
			break
		}
		item := Item{Preferred: p}
		for _, version := range s.byName[name] {
			item.Versions = append(item.Versions, version.Definition.Metadata.Version)
		}
		page.Items = append(page.Items, item)
	}
	return page
}

func (f Filter) matches(d Definition) bool {
	if f.Provider != "" && f.Provider != d.Spec.Provider ||
		f.Category != "" && f.Category != d.Spec.Category ||
		f.ResourceType != "" && f.ResourceType != d.Spec.ResourceType ||
		!strings.Contains(d.Metadata.Name, strings.ToLower(f.Name)) {
		return false
	}
	text := ""
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		if text == "" {
			text = searchText(d)
		}
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// searchText is everything that free text looks at, each part on a line of its
// own so that no word spans two.
func searchText(d Definition) string {
	parts := []string{d.Metadata.Name, d.Spec.Description, d.Spec.Provider, d.Spec.Category, d.Spec.ResourceType}
	parts = append(parts, d.Spec.Engines...)
	for _, key := range slices.Sorted(maps.Keys(d.Metadata.Labels)) {
		parts = append(parts, key+"="+d.Metadata.Labels[key])
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

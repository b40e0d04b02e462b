// SPDX-License-Identifier: Apache-2.0

package iostreams

// Style colours text, or leaves it as it is where colours are off.
type Style struct{ enabled bool }

func (s Style) wrap(code, text string) string {
	if !s.enabled || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Enabled says whether the methods change anything.
func (s Style) Enabled() bool { return s.enabled }

// Bold text.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim text, for what matters less.
func (s Style) Dim(text string) string { return s.wrap("2", text) }

// Red text, for errors and deletions.
func (s Style) Red(text string) string { return s.wrap("31", text) }

// Green text, for success and additions.
func (s Style) Green(text string) string { return s.wrap("32", text) }

// Yellow text, for warnings and changes.
func (s Style) Yellow(text string) string { return s.wrap("33", text) }

// Cyan text, for what is going on.
func (s Style) Cyan(text string) string { return s.wrap("36", text) }

// Magenta text, for replacements.
func (s Style) Magenta(text string) string { return s.wrap("35", text) }

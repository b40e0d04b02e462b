// SPDX-License-Identifier: Apache-2.0

package output

import (
	"io"
	"strings"

	"github.com/HatiCode/nestor/cli/text"
)

const gap = "  "

// Columns is a table: a header in capitals, columns two spaces apart, as wide
// as their widest cell. An empty cell is shown as "-".
type Columns struct {
	header []string
	rows   [][]Cell
}

// Cell is a text and, optionally, its colour.
type Cell struct {
	Text  string
	Style func(string) string
}

// NewColumns begins a table.
func NewColumns(header ...string) *Columns { return &Columns{header: header} }

// Row adds a line of plain cells; missing ones are empty.
func (c *Columns) Row(cells ...string) {
	row := make([]Cell, len(cells))
	for i, t := range cells {
		row[i] = Cell{Text: t}
	}
	c.Styled(row...)
}

// Styled adds a line of cells.
func (c *Columns) Styled(cells ...Cell) {
	row := make([]Cell, len(c.header))
	copy(row, cells)
	for i := range row {
		if row[i].Text = text.CleanLine(row[i].Text); row[i].Text == "" {
			row[i].Text = "-"
		}
	}
	c.rows = append(c.rows, row)
}

// Len is the number of rows.
func (c *Columns) Len() int { return len(c.rows) }

// Write writes the table. A limit above 0 cuts cells, the widest column first,
// until every line fits into that many columns.
func (c *Columns) Write(w io.Writer, limit int) error {
	widths := make([]int, len(c.header))
	for i, h := range c.header {
		widths[i] = text.Width(h)
		for _, row := range c.rows {
			widths[i] = max(widths[i], text.Width(row[i].Text))
		}
	}
	if limit > 0 {
		c.shrink(widths, limit)
	}
	var b strings.Builder
	header := make([]Cell, len(c.header))
	for i, h := range c.header {
		header[i] = Cell{Text: h}
	}
	writeRow(&b, header, widths)
	for _, row := range c.rows {
		writeRow(&b, row, widths)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shrink takes columns from the widest cells; a header stays readable.
func (c *Columns) shrink(widths []int, limit int) {
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > limit; total-- {
		widest := -1
		for i, w := range widths {
			if w > max(4, text.Width(c.header[i])) && (widest < 0 || w >= widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func writeRow(b *strings.Builder, cells []Cell, widths []int) {
	last := len(cells) - 1
	for i, cell := range cells {
		shown := text.Truncate(cell.Text, widths[i])
		padding := ""
		if i < last {
			padding = strings.Repeat(" ", widths[i]-text.Width(shown)) + gap
		}
		if cell.Style != nil {
			shown = cell.Style(shown)
		}
		b.WriteString(shown + padding)
	}
	b.WriteByte('\n')
}

// SPDX-License-Identifier: Apache-2.0

package clitest

import (
	"regexp"
	"strconv"
	"strings"
)

// Screen is what a terminal shows after the output, without colours: it knows
// carriage return, line feed, cursor up, and clearing a line or what is below.
func Screen(output string) string {
	token := regexp.MustCompile("\x1b\\[\\??([0-9;]*)([a-zA-Z])|\r|\n|[^\x1b\r\n]+")
	lines := []string{""}
	row := 0
	for _, m := range token.FindAllStringSubmatch(output, -1) {
		switch {
		case m[0] == "\r":
			// Every line is rewritten from its start; so is this one.
			continue
		case m[0] == "\n":
			row++
			if row == len(lines) {
				lines = append(lines, "")
			}
		case m[2] == "":
			lines[row] += m[0]
		case m[2] == "A":
			up, err := strconv.Atoi(m[1])
			if err != nil {
				up = 1
			}
			row = max(row-up, 0)
		case m[2] == "K":
			lines[row] = ""
		case m[2] == "J":
			lines = lines[:row+1]
			lines[row] = ""
		}
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

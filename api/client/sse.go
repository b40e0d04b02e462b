// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds one line of a stream: a log chunk, escaped as JSON.
const maxLine = 4 << 20

// message is one server-sent event.
type message struct {
	id   int64 // 0 where the event has none
	data string
}

// readMessages calls yield for each event of a stream until the stream ends,
// fails or yield says false. A truncated event at the end is dropped: the
// server sends it again after a reconnect.
func readMessages(r io.Reader, yield func(message) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var current message
	var data []string
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if data != nil {
				current.data = strings.Join(data, "\n")
				if !yield(current) {
					return nil
				}
			}
			current, data = message{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data = append(data, value)
		case "id":
			id, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("event id %q is no sequence number", value)
			}
			current.id = id
		default: // comments, retry, and fields of later versions
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("an event is longer than %d bytes: %w", maxLine, err)
		}
		return err
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package iostreams

import (
	"fmt"
	"io"
	"sync"
)

// failure remembers the first write that failed.
type failure struct {
	mutex sync.Mutex
	err   error
}

func (f *failure) watch(w io.Writer) io.Writer { return &watched{w: w, failure: f} }

func (f *failure) first() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.err
}

type watched struct {
	w       io.Writer
	failure *failure
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.failure.mutex.Lock()
		defer w.failure.mutex.Unlock()
		if w.failure.err == nil {
			w.failure.err = fmt.Errorf("write the output: %w", err)
		}
	}
	return n, err
}

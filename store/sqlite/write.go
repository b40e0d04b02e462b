// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/HatiCode/nestor/store"
)

// maxGroup bounds how many batches share a commit, and so how long the first
// of them waits for the last, and how long other processes are kept out.
const maxGroup = 64

// writer passes batches one after the other through one connection. Batches
// that wait when a transaction begins join it, each under a savepoint of its
// own, and are committed together.
type writer struct {
	db         *sql.DB
	schema     int // that this program knows
	now        func() time.Time
	statements statements

	queue chan *request
	life  context.Context //nolint:containedctx // the store's, which outlives every call
	end   context.CancelFunc
	done  chan struct{} // closed when run has ended
}

// request is a batch that waits for its turn, and its answer.
type request struct {
	ctx    context.Context //nolint:containedctx // the caller's, which ends the wait for the file's lock
	batch  store.Batch
	answer chan answer // holds one, so that run never blocks on it
}

type answer struct {
	result store.Result
	err    error
}

func newWriter(ctx context.Context, db *sql.DB, schema int, now func() time.Time) (*writer, error) {
	w := &writer{
		db: db, schema: schema, now: now,
		queue: make(chan *request), // unbuffered: what was not taken was not begun
		done:  make(chan struct{}),
	}
	w.life, w.end = context.WithCancel(context.WithoutCancel(ctx))
	err := whileBusy(ctx, func() (err error) {
		w.statements, err = prepareStatements(ctx, db)
		return err
	})
	if err != nil {
		w.end()
		return nil, err
	}
	go w.run() //nolint:contextcheck // lives as long as the store, not as the call that opened it
	return w, nil
}

// write queues the batch and waits for its answer. Only the queueing can be
// given up; a batch that run has taken is answered soon.
func (w *writer) write(ctx context.Context, b store.Batch) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	r := &request{ctx: ctx, batch: b, answer: make(chan answer, 1)}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return store.Result{}, ctx.Err()
	case <-w.life.Done():
		return store.Result{}, ErrClosed
	}
	a := <-r.answer
	return a.result, a.err
}

// stop ends run after the group it is writing.
func (w *writer) stop() {
	w.end()
	<-w.done
}

func (w *writer) close() error {
	w.stop()
	return w.db.Close()
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.life.Done():
			return
		case first := <-w.queue:
			w.group(first)
		}
	}
}

// group writes first and whatever waits by then in one transaction and answers
// all of them.
func (w *writer) group(first *request) {
	tx, release, err := w.begin(first)
	if err != nil {
		first.answer <- answer{err: err}
		return
	}
	defer release()
	a := applier{tx: tx, statements: w.statements, now: w.now}
	if err := a.allowed(w.schema); err != nil {
		first.answer <- answer{err: rollback(tx, err)}
		return
	}
	var taken []*request
	var answers []answer
	for r := first; r != nil; r = w.next(len(taken)) {
		result, err := a.batch(r.batch)
		taken, answers = append(taken, r), append(answers, answer{result: result, err: err})
		if a.broken != nil {
			break
		}
	}
	if err := a.end(); err != nil {
		for i := range answers {
			answers[i] = answer{err: err}
		}
	}
	for i, r := range taken {
		r.answer <- answers[i]
	}
}

// next returns another request that waits already, or nil.
func (w *writer) next(taken int) *request {
	if taken >= maxGroup {
		return nil
	}
	select {
	case r := <-w.queue:
		return r
	default:
		return nil
	}
}

// begin takes the write lock of the file, waiting as long as the first
// request's context and the store live. Once begun, the transaction no longer
// ends with that context: it may carry the batches of others. The caller calls
// release when it has ended.
func (w *writer) begin(first *request) (tx *sql.Tx, release context.CancelFunc, err error) {
	txCtx, cancel := context.WithCancel(context.Background())
	stopCaller := context.AfterFunc(first.ctx, cancel)
	stopClosing := context.AfterFunc(w.life, cancel)
	err = whileBusy(txCtx, func() (err error) {
		tx, err = w.db.BeginTx(txCtx, nil)
		return err
	})
	alive := stopCaller() // false when the context has ended, and with it the transaction
	alive = stopClosing() && alive
	switch {
	case alive && err == nil:
		return tx, cancel, nil
	case alive:
		err = fmt.Errorf("begin: %w", err)
	case first.ctx.Err() != nil:
		err = fmt.Errorf("wait for the file's lock: %w", first.ctx.Err())
	default:
		err = ErrClosed
	}
	cancel() // database/sql rolls back what had begun
	return nil, nil, err
}

// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxMessage bounds the text of one failure in a snapshot, maxMessages those of
// all together, in bytes: of the failures that come after that, the records of
// their steps alone say why.
const (
	maxMessage  = 512
	maxMessages = 32 << 10
)

// The first byte of every snapshot is its version. Version 1, which is still
// read, has flags of one byte; in version 2 they are an unsigned varint.
const (
	snapshotVersion1 = 1
	snapshotVersion  = 2
)

// record is one entry of the journal: an outcome, or a cancellation.
type record struct {
	phase   Phase
	cancel  bool
	step    Step
	outcome Outcome
}

// Flags of a record in a snapshot.
const (
	flagCancel = 1 << iota
	flagFailed
	flagCanceled
	flagChanged
	flagExists
	flagReplaced
	flagMessage
	flagCreated
	flagSnapshotted // from here on, version 2
	flagUntouched
	flagDiffers
)

// letter of a phase in a snapshot; it is part of the format.
func (p Phase) letter() byte {
	return map[Phase]byte{
		PhaseApply: 'a', PhaseRemove: 'r', PhaseObserve: 'o', PhaseRestore: 's', PhaseDestroy: 'd',
		PhaseAdopt: 't', PhaseForget: 'f', PhasePrune: 'p',
	}[p]
}

func phaseOf(letter byte) (Phase, bool) {
	p, ok := map[byte]Phase{
		'a': PhaseApply, 'r': PhaseRemove, 'o': PhaseObserve, 's': PhaseRestore, 'd': PhaseDestroy,
		't': PhaseAdopt, 'f': PhaseForget, 'p': PhasePrune,
	}[letter]
	return p, ok
}

// Snapshot is the journal of outcomes in a few bytes each, so that a walk over
// 10,000 nodes fits a workflow's payload. Steps in flight are not in it: take a
// snapshot when InFlight is 0.
func (w *Walk) Snapshot() ([]byte, error) {
	if len(w.running) > 0 {
		return nil, fmt.Errorf("walk: %d steps are in flight; a snapshot would forget them", len(w.running))
	}
	out := []byte{snapshotVersion}
	room := maxMessages
	for _, r := range w.journal {
		if r.cancel {
			out = binary.AppendUvarint(out, flagCancel)
			out = append(out, r.phase.letter())
			continue
		}
		node, found := slices.BinarySearch(w.ids, r.step.Node)
		if !found {
			return nil, fmt.Errorf("walk: node %s is in no graph", r.step.Node)
		}
		r.outcome.Message = r.outcome.Message[:min(len(r.outcome.Message), maxMessage, room)]
		room -= len(r.outcome.Message)
		out = binary.AppendUvarint(out, r.outcome.flags())
		out = append(out, r.phase.letter())
		out = binary.AppendUvarint(out, uint64(node)) //nolint:gosec // an index is not negative
		if r.outcome.Message != "" {
			out = binary.AppendUvarint(out, uint64(len(r.outcome.Message)))
			out = append(out, r.outcome.Message...)
		}
	}
	return out, nil
}

// Resume is New followed by everything that the snapshot tells.
func Resume(target, previous []Node, opts Options, snapshot []byte) (*Walk, error) {
	w, err := New(target, previous, opts)
	if err != nil {
		return nil, err
	}
	if len(snapshot) == 0 || snapshot[0] != snapshotVersion && snapshot[0] != snapshotVersion1 {
		return nil, errors.New("walk: a snapshot of another version")
	}
	readFlags := binary.ReadUvarint
	if snapshot[0] == snapshotVersion1 {
		readFlags = func(in io.ByteReader) (uint64, error) {
			flags, err := in.ReadByte()
			return uint64(flags), err
		}
	}
	in := bytes.NewReader(snapshot[1:])
	for in.Len() > 0 {
		r, err := readRecord(in, readFlags, w.ids)
		if err != nil {
			return nil, fmt.Errorf("walk: snapshot: %w", err)
		}
		if err := w.replay(r); err != nil {
			return nil, err
		}
	}
	w.advance()
	return w, nil
}

// replay repeats a record in the phase in which it was made. Nothing is in
// flight while it runs, so the phase is moved on by the records, not by what
// seems to be over.
func (w *Walk) replay(r record) error {
	for w.phase != r.phase {
		if w.phase == PhaseDone {
			return fmt.Errorf("walk: snapshot tells of phase %s, which these graphs do not come to", r.phase)
		}
		w.nextPhase()
	}
	if r.cancel {
		w.cancel()
		return nil
	}
	if err := w.order.take(r.step.Node); err != nil {
		return err
	}
	step := w.step(r.step.Node)
	w.begin(step)
	w.complete(step, r.outcome)
	return nil
}

func (o Outcome) flags() uint64 {
	var f uint64
	set := func(on bool, flag uint64) {
		if on {
			f |= flag
		}
	}
	set(o.Verdict == Failed, flagFailed)
	set(o.Verdict == Canceled, flagCanceled)
	set(o.Changed, flagChanged)
	set(o.Exists, flagExists)
	set(o.Replaced, flagReplaced)
	set(o.Message != "", flagMessage)
	set(o.Created, flagCreated)
	set(o.Snapshotted, flagSnapshotted)
	set(o.Untouched, flagUntouched)
	set(o.Differs, flagDiffers)
	return f
}

func readRecord(in *bytes.Reader, readFlags func(io.ByteReader) (uint64, error), ids []string) (record, error) {
	flags, err := readFlags(in)
	if err != nil {
		return record{}, err
	}
	letter, err := in.ReadByte()
	if err != nil {
		return record{}, err
	}
	phase, known := phaseOf(letter)
	if !known {
		return record{}, fmt.Errorf("phase %q is unknown", letter)
	}
	if flags&flagCancel != 0 {
		return record{phase: phase, cancel: true}, nil
	}
	node, err := binary.ReadUvarint(in)
	if err != nil {
		return record{}, err
	}
	if node >= uint64(len(ids)) {
		return record{}, fmt.Errorf("node %d is unknown to these graphs", node)
	}
	r := record{phase: phase, step: Step{Node: ids[node]}}
	r.outcome = Outcome{
		Changed:     flags&flagChanged != 0,
		Exists:      flags&flagExists != 0,
		Replaced:    flags&flagReplaced != 0,
		Created:     flags&flagCreated != 0,
		Snapshotted: flags&flagSnapshotted != 0,
		Untouched:   flags&flagUntouched != 0,
		Differs:     flags&flagDiffers != 0,
	}
	switch {
	case flags&flagFailed != 0:
		r.outcome.Verdict = Failed
	case flags&flagCanceled != 0:
		r.outcome.Verdict = Canceled
	}
	if flags&flagMessage == 0 {
		return r, nil
	}
	length, err := binary.ReadUvarint(in)
	if err != nil || length > maxMessage {
		return record{}, fmt.Errorf("message of %d bytes: %w", length, errors.Join(err, io.ErrUnexpectedEOF))
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(in, message); err != nil {
		return record{}, err
	}
	r.outcome.Message = string(message)
	return r, nil
}

// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"container/heap"
	"fmt"
)

// order hands out ids so that each comes after what it needs; among those that
// may start, the smallest id comes first. One order serves every phase: for a
// destruction, what a node needs is that its dependents are gone.
type order struct {
	waiting map[string]int      // unmet needs of ids not yet handed out
	unlocks map[string][]string // who waits for an id
	ready   idHeap
	blocked map[string]string // id → the failed id it cannot do without
	open    int               // handed out or waiting, neither done nor blocked
}

// newOrder orders ids by needs; needs outside ids count as met.
func newOrder(ids []string, needs func(id string) []string) *order {
	o := &order{
		waiting: make(map[string]int, len(ids)),
		unlocks: make(map[string][]string, len(ids)),
		blocked: map[string]string{},
		open:    len(ids),
	}
	for _, id := range ids {
		o.waiting[id] = 0
	}
	for _, id := range ids {
		for _, need := range needs(id) {
			if _, in := o.waiting[need]; in {
				o.waiting[id]++
				o.unlocks[need] = append(o.unlocks[need], id)
			}
		}
	}
	for _, id := range ids {
		if o.waiting[id] == 0 {
			o.ready = append(o.ready, id)
		}
	}
	heap.Init(&o.ready)
	return o
}

// next hands out one id, if any may start.
func (o *order) next() (string, bool) {
	for o.ready.Len() > 0 {
		id := heap.Pop(&o.ready).(string) //nolint:forcetypeassert // the heap holds strings only
		if o.mayStart(id) {
			delete(o.waiting, id)
			return id, true
		}
	}
	return "", false
}

// take hands out a given id, which must be ready. Its place in the heap is left
// for next to pass over, so that resuming a large walk stays quick.
func (o *order) take(id string) error {
	if !o.mayStart(id) {
		return fmt.Errorf("walk: %s may not start yet", id)
	}
	delete(o.waiting, id)
	return nil
}

// mayStart says that an id was not handed out yet, and that nothing keeps it
// from being.
func (o *order) mayStart(id string) bool {
	needs, waits := o.waiting[id]
	_, blocked := o.blocked[id]
	return waits && needs == 0 && !blocked
}

// done says that an id which was handed out succeeded.
func (o *order) done(id string) {
	o.open--
	for _, waiter := range o.unlocks[id] {
		o.waiting[waiter]--
		if o.waiting[waiter] == 0 {
			if _, blocked := o.blocked[waiter]; !blocked {
				heap.Push(&o.ready, waiter)
			}
		}
	}
}

// fail says that an id which was handed out failed: whatever needs it, near or
// far, is blocked.
func (o *order) fail(id string) {
	o.open--
	o.blockWaiters(id, id)
}

// block takes an id that was not handed out off the order, and whatever needs
// it.
func (o *order) block(id, cause string) {
	if _, already := o.blocked[id]; already {
		return
	}
	o.blocked[id] = cause
	o.open--
	o.blockWaiters(id, cause)
}

func (o *order) blockWaiters(id, cause string) {
	stack := append([]string(nil), o.unlocks[id]...)
	for len(stack) > 0 {
		waiter := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if _, already := o.blocked[waiter]; already {
			continue
		}
		o.blocked[waiter] = cause
		o.open--
		stack = append(stack, o.unlocks[waiter]...)
	}
}

// finished says that nothing is running and nothing more will start.
func (o *order) finished() bool { return o.open == 0 }

// idHeap is a min-heap of ids.
type idHeap []string

func (h *idHeap) Len() int           { return len(*h) }
func (h *idHeap) Less(i, j int) bool { return (*h)[i] < (*h)[j] }
func (h *idHeap) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *idHeap) Push(x any)         { *h = append(*h, x.(string)) } //nolint:forcetypeassert // heap.Interface; strings only
func (h *idHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

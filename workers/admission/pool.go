// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"sync"
	"time"
)

// growth is how long a step may take to have the memory that it weighs. Until
// then its weight is taken off what is available; afterwards the machine shows
// what it really has.
const growth = 5 * time.Second

// reserve is kept available, beside the steps' weights.
const reserve = 128 << 20

// Memory tells how much memory is available.
type Memory interface {
	Memory() (total, available uint64, err error)
}

// Pool is the memory that the queues of one process share: what really is
// available, less what was promised to steps that do not have it yet.
type Pool struct {
	memory Memory
	now    func() time.Time

	mu       sync.Mutex
	promises map[*promise]struct{}
}

// promise of memory to one step.
type promise struct {
	bytes uint64
	until time.Time // zero while the step has not begun
}

// NewPool shares what is available.
func NewPool(m Memory) *Pool {
	return &Pool{memory: m, now: time.Now, promises: map[*promise]struct{}{}}
}

// promise takes memory for a step, if it is there or anyway; otherwise it says
// how much is. Where the machine does not tell, everything is there.
func (p *Pool) promise(bytes uint64, anyway bool) (given *promise, available uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := uint64(reserve)
	for other := range p.promises {
		if !other.until.IsZero() && p.now().After(other.until) {
			delete(p.promises, other)
			continue
		}
		taken += other.bytes
	}
	_, available, err := p.memory.Memory()
	if err == nil && !anyway && available < taken+bytes {
		return nil, available
	}
	given = &promise{bytes: bytes}
	p.promises[given] = struct{}{}
	return given, available
}

// begun says that the step of a promise runs, and grows.
func (p *Pool) begun(given *promise) {
	p.mu.Lock()
	defer p.mu.Unlock()
	given.until = p.now().Add(growth)
}

// end takes a promise back.
func (p *Pool) end(given *promise) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.promises, given)
}

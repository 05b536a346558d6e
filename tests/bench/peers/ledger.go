package main

import (
	"sync/atomic"
	"time"
)

// stalled is how long nothing may start or be settled before the rest counts as lost.
const stalled = 10 * time.Second

// ledger counts by number what the jobs first … first+n-1 went through. Workers call started and settled.
//
// Threads: any.
type ledger struct {
	first      int
	begin      time.Time
	starts     []atomic.Int32
	startedAt  []atomic.Int64 // since begin, of the first start
	firstStart atomic.Int64
	wanted     atomic.Int64 // jobs that are to start
	different  atomic.Int64 // … that did
	done       atomic.Int64 // settlements
}

// unsent is in the place of the starts of a job that was withdrawn.
const unsent = -1

func newLedger(first, jobs int) *ledger {
	l := &ledger{first: first, begin: time.Now(), starts: make([]atomic.Int32, jobs), startedAt: make([]atomic.Int64, jobs)}
	l.wanted.Store(int64(jobs))
	return l
}

// withdraw says of a job that it is not sent after all.
func (l *ledger) withdraw(job int) {
	l.starts[job-l.first].Store(unsent)
	l.wanted.Add(-1)
}

func (l *ledger) started(job int) {
	i := job - l.first
	if i < 0 || i >= len(l.starts) {
		fail("job %d started, which was not enqueued", job)
	}
	if l.starts[i].Add(1) > 1 {
		return
	}
	now := int64(time.Since(l.begin))
	l.startedAt[i].Store(now)
	l.different.Add(1)
	l.firstStart.CompareAndSwap(0, now)
}

// settled is called when the server has confirmed, or, where it does not, when the settlement was sent.
func (l *ledger) settled(jobs int) { l.done.Add(int64(jobs)) }

// wait returns when every job is settled or nothing has moved for a while: the time of the last move.
func (l *ledger) wait() time.Duration {
	var seen int64
	last := time.Now()
	for min(l.done.Load(), l.different.Load()) < l.wanted.Load() && time.Since(last) < stalled {
		time.Sleep(time.Millisecond)
		if now := l.done.Load() + l.different.Load(); now != seen {
			seen, last = now, time.Now()
		}
	}
	return last.Sub(l.begin)
}

// counts is what a ledger has to say of its jobs at the end.
type counts struct{ Jobs, Lost, Duplicates int }

func (l *ledger) counts() counts {
	c := counts{Jobs: int(l.wanted.Load())}
	for i := range l.starts {
		switch n := int(l.starts[i].Load()); {
		case n == 0:
			c.Lost++
		case n > 1:
			c.Duplicates += n - 1
		}
	}
	return c
}

func (c *counts) add(o counts) {
	c.Jobs, c.Lost, c.Duplicates = c.Jobs+o.Jobs, c.Lost+o.Lost, c.Duplicates+o.Duplicates
}

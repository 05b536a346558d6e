package main

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	callers      = 64  // connections, or calls under way, that enqueue or claim one job at a time
	batchCallers = 8   // … that enqueue or claim batchJobs at a time
	batchJobs    = 100 // jobs a request
)

func callersOf(size int) int {
	if size == 1 {
		return callers
	}
	return batchCallers
}

// queue speaks to one server. What a healthy server does not do ends this program.
type queue interface {
	// enqueue adds the jobs first … first+n-1 and returns when they are acknowledged. Calls under way differ in caller.
	enqueue(caller, first, n int) error
	// work starts callersOf(n) that claim and settle n jobs at a time, until stop is called.
	work(n int, l *ledger) (stop func())
	// left is how many jobs the server still has, waiting or claimed.
	left() (int, error)
}

// load is what the scenarios ask for.
type load interface {
	enqueue(size, first, jobs int, limit time.Duration) (acked int, took time.Duration)
	drain(size, first, jobs int) (took time.Duration, c counts)
	open(rate, size, first, jobs int, limit time.Duration) opened
	left() (int, error)
}

// opened are the milliseconds from when each job should have been sent to its acknowledgement and to its start. What was
// not sent within the limit counts in both with how late it was then.
type opened struct {
	AckedMs, StartedMs []float64
	Counts             counts
}

// goLoad is the load on a queue that Go can speak to.
type goLoad struct{ q queue }

func (g goLoad) left() (int, error) { return g.q.left() }

// enqueue adds jobs in a closed loop until there are enough or the time is up.
func (g goLoad) enqueue(size, first, jobs int, limit time.Duration) (int, time.Duration) {
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for caller := range callersOf(size) {
		wg.Go(func() {
			for time.Since(begin) < limit {
				n := int(next.Add(int64(size))) - size
				if n >= jobs {
					next.Add(-int64(size))
					return
				}
				check(g.q.enqueue(caller, first+n, size))
			}
		})
	}
	wg.Wait()
	return int(next.Load()), time.Since(begin)
}

// drain claims and settles until nothing is left; it took from the first start to the last settlement.
func (g goLoad) drain(size, first, jobs int) (time.Duration, counts) {
	l := newLedger(first, jobs)
	stop := g.q.work(size, l)
	last := l.wait()
	stop()
	return last - time.Duration(l.firstStart.Load()), l.counts()
}

// open enqueues at a fixed rate, whatever the server does, while idle workers wait.
func (g goLoad) open(rate, size, first, jobs int, limit time.Duration) opened {
	l := newLedger(first, jobs)
	stop := g.q.work(size, l)
	time.Sleep(time.Second) // the workers connect and wait
	due := make(chan int, jobs)
	acked := make([]float64, jobs)
	interval := time.Second / time.Duration(rate)
	begin := time.Now()
	late := func(n int, at time.Time) float64 {
		return float64(at.Sub(begin)-time.Duration(n)*interval) / float64(time.Millisecond)
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := range due {
				if time.Since(begin) < limit {
					check(g.q.enqueue(caller, first+n, 1))
				} else {
					l.withdraw(first + n)
				}
				acked[n] = late(n, time.Now())
			}
		})
	}
	for n := range jobs {
		sleepUntil(begin.Add(time.Duration(n) * interval))
		due <- n
	}
	close(due)
	wg.Wait()
	l.wait()
	stop()

	o := opened{AckedMs: acked, Counts: l.counts()}
	for n := range jobs {
		switch starts := l.starts[n].Load(); {
		case starts == unsent:
			o.StartedMs = append(o.StartedMs, acked[n])
		case starts > 0:
			o.StartedMs = append(o.StartedMs, late(n, l.begin.Add(time.Duration(l.startedAt[n].Load()))))
		}
	}
	return o
}

// sleepUntil is exact to some 50 µs: time.Sleep waits whole milliseconds in an idle program.
func sleepUntil(at time.Time) {
	for left := time.Until(at); left > 0; left = time.Until(at) {
		spec := syscall.NsecToTimespec(int64(left))
		syscall.Nanosleep(&spec, nil)
	}
}

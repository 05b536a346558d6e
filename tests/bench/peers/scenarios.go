package main

import (
	"slices"
	"time"
)

// scale says how much is measured.
type scale struct {
	openTime    time.Duration // at each rate
	closedTime  time.Duration // an enqueue phase ends after it,
	singleJobs  int           // or after so many jobs
	batchedJobs int
	memoryJobs  int
	restTime    time.Duration // before memory is read
}

var (
	full  = scale{10 * time.Second, 8 * time.Second, 200_000, 1_000_000, 200_000, 10 * time.Second}
	quick = scale{2 * time.Second, 2 * time.Second, 10_000, 50_000, 20_000, 2 * time.Second}
)

const fillLimit = 10 * time.Minute // for memoryJobs

var openRates = [...]int{500, 4_000, 16_000} // jobs a second

// figures are what one peer's run measured; 0 where the peer has no such thing.
type figures struct {
	SyncsPerSecond                float64 // of the disk, just before
	EnqueueSingle, EnqueueBatched float64 // jobs a second
	SettleSingle, SettleBatched   float64
	AckedMs, StartedMs            [len(openRates)]quantiles
	MemoryMiB                     float64
	Counts                        counts
}

type quantiles struct{ P50, P99 float64 }

func quantilesOf(samples []float64) quantiles {
	if len(samples) == 0 {
		return quantiles{}
	}
	slices.Sort(samples)
	return quantiles{samples[len(samples)/2], samples[len(samples)*99/100]}
}

// measure runs every scenario, each on a fresh server with an empty folder.
func (p *peer) measure(folder string, s scale) figures {
	var f figures
	f.SyncsPerSecond = probeDisk(folder, time.Second).perSecond
	scenarios := []func(load, *process, scale, *figures){p.latency, p.single, p.memory}
	if p.batchedEnqueue {
		scenarios = append(scenarios, p.batched)
	}
	for _, scenario := range scenarios {
		dir := freshFolder(folder)
		server, l := p.start(dir)
		scenario(l, server, s, &f)
		if f.Counts.Lost == 0 {
			awaitEmpty(l)
		}
		stopAll()
		removeAll(dir)
	}
	return f
}

func (p *peer) latency(l load, _ *process, s scale, f *figures) {
	first := 0
	for i, rate := range openRates {
		jobs := rate * int(s.openTime/time.Second)
		o := l.open(rate, p.openSize, first, jobs, 3*s.openTime)
		f.AckedMs[i], f.StartedMs[i] = quantilesOf(o.AckedMs), quantilesOf(o.StartedMs)
		f.Counts.add(o.Counts)
		first += jobs
	}
}

func (p *peer) single(l load, _ *process, s scale, f *figures) {
	jobs, took := l.enqueue(1, 0, s.singleJobs, s.closedTime)
	f.EnqueueSingle = perSecond(jobs, took)
	took, c := l.drain(1, 0, jobs)
	f.SettleSingle = perSecond(jobs, took)
	f.Counts.add(c)
}

func (p *peer) batched(l load, _ *process, s scale, f *figures) {
	jobs, took := l.enqueue(batchJobs, 0, s.batchedJobs, s.closedTime)
	f.EnqueueBatched = perSecond(jobs, took)
	took, c := l.drain(p.bestSize(), 0, jobs)
	if p.batchedSettle {
		f.SettleBatched = perSecond(jobs, took)
	}
	f.Counts.add(c)
}

func (p *peer) memory(l load, server *process, s scale, f *figures) {
	size := 1
	if p.batchedEnqueue {
		size = batchJobs
	}
	jobs, _ := l.enqueue(size, 0, s.memoryJobs, fillLimit)
	if jobs < s.memoryJobs {
		fail("only %d jobs were enqueued in %v", jobs, fillLimit)
	}
	time.Sleep(s.restTime)
	f.MemoryMiB = server.memoryMiB()
	_, c := l.drain(p.bestSize(), 0, jobs)
	f.Counts.add(c)
}

// bestSize is how many jobs the fastest workers claim at a time.
func (p *peer) bestSize() int {
	if p.batchedSettle {
		return batchJobs
	}
	return 1
}

// awaitEmpty ends the program when the server still has jobs whose settlement it should know.
func awaitEmpty(l load) {
	var n int
	for begin := time.Now(); time.Since(begin) < stalled; time.Sleep(20 * time.Millisecond) {
		var err error
		n, err = l.left()
		check(err)
		if n == 0 {
			return
		}
	}
	fail("%d jobs are still there after all was settled", n)
}

func perSecond(jobs int, took time.Duration) float64 { return float64(jobs) / took.Seconds() }

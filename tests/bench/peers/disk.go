package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// disk is what every durable enqueue waits for.
type disk struct{ perSecond, p50Ms, p99Ms, maxMs float64 }

// probeDisk writes 512 bytes and syncs, again and again, as hack/bench broker does.
func probeDisk(folder string, t time.Duration) disk {
	f, err := os.Create(filepath.Join(folder, "disk-probe"))
	check(err)
	defer os.Remove(f.Name())
	defer f.Close()
	bytes := make([]byte, 512)
	var ms []float64
	begin := time.Now()
	now := begin
	for now.Sub(begin) < t {
		_, err = f.Write(bytes)
		check(err)
		check(syscall.Fdatasync(int(f.Fd())))
		after := time.Now()
		ms = append(ms, after.Sub(now).Seconds()*1000)
		now = after
	}
	q := quantilesOf(ms) // sorts
	return disk{perSecond(len(ms), now.Sub(begin)), q.P50, q.P99, ms[len(ms)-1]}
}

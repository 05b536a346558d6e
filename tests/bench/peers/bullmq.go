package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// bullMQ has bullmq.js do the work: each call is one run of it.
type bullMQ struct{ port string }

func startBullMQ(dir string) (*process, load) {
	server, port := launchRedis(dir)
	return server, bullMQ{port}
}

func bullMQMissing() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "no node"
	}
	if _, err := os.Stat(filepath.Join(options.tools, "node_modules", "bullmq")); err != nil {
		return "no bullmq from npm"
	}
	return ""
}

func (q bullMQ) call(verb string, arguments map[string]any, result any) {
	text, err := json.Marshal(arguments)
	check(err)
	cmd := exec.Command("node", filepath.Join(options.tools, "bullmq.js"), verb, q.port, string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		fail("bullmq.js %s: %v", verb, err)
	}
	check(json.Unmarshal(out, result))
}

func (q bullMQ) enqueue(size, first, jobs int, limit time.Duration) (int, time.Duration) {
	var r struct {
		Acked int
		Ms    float64
	}
	q.call("enqueue", map[string]any{"size": size, "first": first, "jobs": jobs, "limitMs": limit.Milliseconds()}, &r)
	return r.Acked, milliseconds(r.Ms)
}

func (q bullMQ) drain(_, first, jobs int) (time.Duration, counts) {
	var r struct {
		Ms     float64
		Counts counts
	}
	q.call("drain", map[string]any{"first": first, "jobs": jobs}, &r)
	return milliseconds(r.Ms), r.Counts
}

func (q bullMQ) open(rate, _, first, jobs int, limit time.Duration) (o opened) {
	q.call("open", map[string]any{"rate": rate, "first": first, "jobs": jobs, "limitMs": limit.Milliseconds()}, &o)
	return o
}

func (q bullMQ) left() (int, error) {
	var r struct{ Left int }
	q.call("left", map[string]any{}, &r)
	return r.Left, nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

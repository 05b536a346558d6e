package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
)

const sluiceQueue = "/v1/namespaces/bench/queues/work"

// sluice speaks the HTTP API of docs/api.md to a broker with default settings; results are kept.
type sluice struct {
	port  string
	conns [callers]*httpConn
}

func startSluice(dir string) (*process, load) {
	q := &sluice{port: freePort()}
	server := launch(dir, command{argv: []string{options.broker, "--listen", "127.0.0.1:" + q.port, "--data", filepath.Join(dir, "data")}})
	awaitListener(q.port)
	for i := range q.conns {
		q.conns[i] = dialHTTP(q.port)
	}
	retry(func() error { return q.conns[0].expect(200, "GET", "/readyz", nil) })
	check(q.conns[0].expect(200, "PUT", sluiceQueue, []byte(`{"spec":{}}`)))
	return server, goLoad{q}
}

func (c *httpConn) expect(want int, method, target string, body []byte) error {
	status, answer, err := c.call(method, target, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answered %d: %s", method, target, status, answer)
	}
	return err
}

func (q *sluice) enqueue(caller, first, n int) error {
	c := q.conns[caller]
	if n == 1 {
		return c.expect(202, "POST", sluiceQueue+"/jobs", append(appendBody([]byte(`{"payload":`), first), '}'))
	}
	request := []byte(`{"jobs":[`)
	for i := range n {
		if i > 0 {
			request = append(request, ',')
		}
		request = append(appendBody(append(request, `{"payload":`...), first+i), '}')
	}
	if err := c.expect(202, "POST", sluiceQueue+"/jobs:batch", append(request, "]}"...)); err != nil {
		return err
	}
	if got := bytes.Count(c.answer, []byte(`"id":`)); got != n {
		return fmt.Errorf("%d of %d jobs were accepted: %s", got, n, c.answer)
	}
	return nil
}

func (q *sluice) work(n int, l *ledger) func() {
	claim := fmt.Appendf(nil, `{"worker":"bench","instance":"1","max":%d,"waitSeconds":1}`, n)
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range callersOf(n) {
		c := dialHTTP(q.port)
		wg.Go(func() {
			defer c.socket.Close()
			for !stopped.Load() {
				check(c.expect(200, "POST", sluiceQueue+"/jobs:claim", claim))
				settlements, claimed := settle(c.answer, l)
				if claimed == 0 {
					continue
				}
				check(c.expect(200, "POST", sluiceQueue+"/jobs:settle", settlements))
				if got := bytes.Count(c.answer, []byte(`"status":"ok"`)); got != claimed {
					fail("%d of %d jobs were settled: %s", got, claimed, c.answer)
				}
				l.settled(claimed)
			}
		})
	}
	return func() { stopped.Store(true); wg.Wait() }
}

// settle makes the settlements of all jobs in the answer to a claim.
func settle(claimed []byte, l *ledger) (request []byte, jobs int) {
	request = []byte(`{"worker":"bench","settlements":[`)
	for {
		var id, lease, job []byte
		if id, claimed = textAfter(claimed, `"id":"`); id == nil {
			return append(request, "]}"...), jobs
		}
		lease, claimed = textAfter(claimed, `"lease":"`)
		job, claimed = textAfter(claimed, bodyHead)
		l.started(jobNumber(job))
		if jobs > 0 {
			request = append(request, ',')
		}
		request = fmt.Appendf(request, `{"id":"%s","lease":"%s","outcome":"Succeeded","result":{"ok":true}}`, id, lease)
		jobs++
	}
}

// textAfter is what stands between name and the next quote, and the rest; nil when there is no such name.
func textAfter(from []byte, name string) (text, rest []byte) {
	_, after, found := bytes.Cut(from, []byte(name))
	if !found {
		return nil, nil
	}
	text, rest, _ = bytes.Cut(after, []byte(`"`))
	return text, rest
}

func (q *sluice) left() (int, error) {
	if err := q.conns[0].expect(200, "GET", sluiceQueue, nil); err != nil {
		return 0, err
	}
	var queue struct {
		Figures struct{ Backlog, Running int }
	}
	err := json.Unmarshal(q.conns[0].answer, &queue)
	return queue.Figures.Backlog + queue.Figures.Running, err
}

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// beanstalkd has no batches: a batch is so many commands written at once, answered one by one.
type beanstalkd struct {
	address string
	conns   [callers]beanConn
}

type beanConn struct{ *bufio.ReadWriter }

func startBeanstalkd(dir string) (*process, load) {
	port := freePort()
	server := launch(dir, command{argv: []string{"beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", dir, "-f0"}})
	awaitListener(port)
	q := &beanstalkd{address: "127.0.0.1:" + port}
	for i := range q.conns {
		q.conns[i] = dialBean(q.address)
	}
	return server, goLoad{q}
}

func dialBean(address string) beanConn {
	c, err := net.Dial("tcp", address)
	check(err)
	return beanConn{bufio.NewReadWriter(bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 64<<10))}
}

func (q *beanstalkd) enqueue(caller, first, n int) error {
	c := q.conns[caller]
	for job := first; job < first+n; job++ {
		fmt.Fprintf(c, "put 0 0 60 %d\r\n%s\r\n", bodyBytes, body(job))
	}
	c.Flush()
	for range n {
		if line, err := c.ReadString('\n'); err != nil || !strings.HasPrefix(line, "INSERTED") {
			return fmt.Errorf("put: %q %v", line, err)
		}
	}
	return nil
}

func (q *beanstalkd) work(n int, l *ledger) func() {
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range callersOf(n) {
		c := dialBean(q.address)
		wg.Go(func() {
			for !stopped.Load() {
				if n == 1 {
					c.work(1, "reserve-with-timeout 1\r\n", l)
				} else if c.work(n, "reserve-with-timeout 0\r\n", l) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() { stopped.Store(true); wg.Wait() }
}

// work reserves and deletes what comes of n jobs.
func (c beanConn) work(n int, reserve string, l *ledger) int {
	for range n {
		c.WriteString(reserve)
	}
	c.Flush()
	var ids []int
	buffer := make([]byte, bodyBytes+len("\r\n"))
	for range n {
		line, err := c.ReadString('\n')
		check(err)
		var id, size int
		if k, _ := fmt.Sscanf(line, "RESERVED %d %d", &id, &size); k != 2 {
			continue // TIMED_OUT or DEADLINE_SOON
		}
		_, err = io.ReadFull(c, buffer)
		check(err)
		l.started(jobOf(buffer[:size]))
		ids = append(ids, id)
		fmt.Fprintf(c, "delete %d\r\n", id)
	}
	c.Flush()
	for range ids {
		line, err := c.ReadString('\n')
		check(err)
		if line != "DELETED\r\n" {
			fail("delete: %q", line)
		}
		l.settled(1)
	}
	return len(ids)
}

func (q *beanstalkd) left() (int, error) {
	c := q.conns[0]
	c.WriteString("stats\r\n")
	c.Flush()
	line, err := c.ReadString('\n')
	if err != nil {
		return 0, err
	}
	var size, ready, reserved int
	fmt.Sscanf(line, "OK %d", &size)
	text := make([]byte, size+len("\r\n"))
	if _, err = io.ReadFull(c, text); err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "current-jobs-ready: %d", &ready)
		fmt.Sscanf(line, "current-jobs-reserved: %d", &reserved)
	}
	return ready + reserved, nil
}

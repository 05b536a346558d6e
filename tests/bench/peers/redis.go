package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// launchRedis starts a server that syncs before it answers; asynq and BullMQ stand on it too.
func launchRedis(dir string) (server *process, port string) {
	port = freePort()
	server = launch(dir, command{argv: []string{"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always"}})
	awaitListener(port)
	return server, port
}

// redisLists is Redis' own pattern of a reliable queue: LPUSH, LMOVE to a list of the worker's, LREM.
type redisLists struct{ db *redis.Client }

func startRedisLists(dir string) (*process, load) {
	server, port := launchRedis(dir)
	return server, goLoad{redisLists{redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, PoolSize: 2 * callers, ReadTimeout: -1})}}
}

func (q redisLists) enqueue(_, first, n int) error {
	bodies := make([]any, n)
	for i := range bodies {
		bodies[i] = body(first + i)
	}
	return q.db.LPush(context.Background(), "ready", bodies...).Err()
}

func activeList(worker int) string { return fmt.Sprintf("active:%d", worker) }

func (q redisLists) work(n int, l *ledger) func() {
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for worker := range callersOf(n) {
		wg.Go(func() {
			for !stopped.Load() {
				if n == 1 {
					q.workOne(activeList(worker), l)
				} else if q.workBatch(activeList(worker), n, l) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() { stopped.Store(true); wg.Wait() }
}

func (q redisLists) workOne(active string, l *ledger) {
	ctx := context.Background()
	job, err := q.db.BLMove(ctx, "ready", active, "RIGHT", "LEFT", time.Second).Result()
	if err == redis.Nil {
		return
	}
	check(err)
	l.started(jobOf([]byte(job)))
	check(q.db.LRem(ctx, active, -1, job).Err())
	l.settled(1)
}

func (q redisLists) workBatch(active string, n int, l *ledger) int {
	ctx := context.Background()
	moves, err := q.db.Pipelined(ctx, func(p redis.Pipeliner) error {
		for range n {
			p.LMove(ctx, "ready", active, "RIGHT", "LEFT")
		}
		return nil
	})
	if err != nil && err != redis.Nil {
		fail("LMOVE: %v", err)
	}
	var jobs []string
	for _, move := range moves {
		if job, err := move.(*redis.StringCmd).Result(); err != redis.Nil {
			check(err)
			l.started(jobOf([]byte(job)))
			jobs = append(jobs, job)
		}
	}
	if len(jobs) == 0 {
		return 0
	}
	_, err = q.db.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, job := range jobs {
			p.LRem(ctx, active, -1, job)
		}
		return nil
	})
	check(err)
	l.settled(len(jobs))
	return len(jobs)
}

func (q redisLists) left() (int, error) {
	ctx := context.Background()
	sum, err := q.db.LLen(ctx, "ready").Result()
	for worker := range callers {
		if err != nil {
			break
		}
		var n int64
		n, err = q.db.LLen(ctx, activeList(worker)).Result()
		sum += n
	}
	return int(sum), err
}

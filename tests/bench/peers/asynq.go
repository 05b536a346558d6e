package main

import (
	"context"
	"time"

	"github.com/hibiken/asynq"
)

// asynqQueue has no batches. Its server looks every 5 ms instead of every second, or it would start idle jobs that late.
type asynqQueue struct {
	redis  asynq.RedisClientOpt
	client *asynq.Client
}

func startAsynq(dir string) (*process, load) {
	server, port := launchRedis(dir)
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + port, PoolSize: 2 * callers}
	return server, goLoad{asynqQueue{redis, asynq.NewClient(redis)}}
}

func (q asynqQueue) enqueue(_, first, _ int) error {
	_, err := q.client.Enqueue(asynq.NewTask("noop", body(first)))
	return err
}

// work counts a job as settled when its handler returns; the library removes it right after.
func (q asynqQueue) work(_ int, l *ledger) func() {
	s := asynq.NewServer(q.redis, asynq.Config{Concurrency: callers, LogLevel: asynq.ErrorLevel, TaskCheckInterval: 5 * time.Millisecond})
	check(s.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		l.started(jobOf(t.Payload()))
		l.settled(1)
		return nil
	})))
	return s.Shutdown
}

func (q asynqQueue) left() (int, error) {
	info, err := asynq.NewInspector(q.redis).GetQueueInfo("default")
	if err != nil {
		return 0, err
	}
	return info.Size, nil
}

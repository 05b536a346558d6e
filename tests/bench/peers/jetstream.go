package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ackLimit is how long a confirmation may take.
const ackLimit = 30 * time.Second

// jetStream is a work-queue stream on file, whose server syncs each message.
type jetStream struct {
	producer jetstream.JetStream
	stream   jetstream.Stream
	consumer jetstream.Consumer // on a connection of its own
}

func startJetStream(dir string) (*process, load) {
	port := freePort()
	config := filepath.Join(dir, "nats.conf")
	check(os.WriteFile(config, fmt.Appendf(nil, "listen: 127.0.0.1:%s\njetstream { store_dir: %q, sync_interval: always }\n", port, dir), 0o644))
	server := launch(dir, command{argv: []string{filepath.Join(options.tools, "nats-server"), "-c", config}})

	ctx := context.Background()
	connect := func() (js jetstream.JetStream) {
		retry(func() error {
			connection, err := nats.Connect("nats://127.0.0.1:"+port, nats.NoReconnect())
			if err == nil {
				js, err = jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(2*batchCallers*batchJobs))
			}
			return err
		})
		return js
	}
	q := &jetStream{producer: connect()}
	retry(func() (err error) {
		q.stream, err = q.producer.CreateStream(ctx, jetstream.StreamConfig{
			Name: "jobs", Subjects: []string{"jobs"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage})
		return err
	})
	var err error
	q.consumer, err = connect().CreateConsumer(ctx, "jobs", jetstream.ConsumerConfig{Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy})
	check(err)
	return server, goLoad{q}
}

func (q *jetStream) enqueue(_, first, n int) error {
	if n == 1 {
		_, err := q.producer.Publish(context.Background(), "jobs", body(first))
		return err
	}
	acks := make([]jetstream.PubAckFuture, n)
	for i := range acks {
		var err error
		if acks[i], err = q.producer.PublishAsync("jobs", body(first+i)); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		}
	}
	return nil
}

func (q *jetStream) work(n int, l *ledger) func() {
	if n > 1 {
		return q.workBatches(n, l)
	}
	messages, err := q.consumer.Messages(jetstream.PullMaxMessages(batchJobs))
	check(err)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				m, err := messages.Next()
				if err != nil {
					return // drained
				}
				l.started(jobOf(m.Data()))
				confirmAck(m)
				l.settled(1)
			}
		})
	}
	return func() { messages.Drain(); wg.Wait() }
}

func (q *jetStream) workBatches(n int, l *ledger) func() {
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range batchCallers {
		wg.Go(func() {
			for !stopped.Load() {
				batch, err := q.consumer.FetchNoWait(n)
				check(err)
				var last jetstream.Msg
				jobs := 0
				for m := range batch.Messages() {
					if last != nil {
						check(last.Ack())
					}
					l.started(jobOf(m.Data()))
					last = m
					jobs++
				}
				check(batch.Error())
				if last == nil {
					time.Sleep(time.Millisecond)
					continue
				}
				confirmAck(last) // acks are worked through in order: this one confirms those before it
				l.settled(jobs)
			}
		})
	}
	return func() { stopped.Store(true); wg.Wait() }
}

func confirmAck(m jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), ackLimit)
	defer cancel()
	check(m.DoubleAck(ctx))
}

func (q *jetStream) left() (int, error) {
	info, err := q.stream.Info(context.Background())
	if err != nil {
		return 0, err
	}
	return int(info.State.Msgs), nil
}

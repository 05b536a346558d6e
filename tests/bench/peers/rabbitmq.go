package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const rabbitQueue = "jobs"

// rabbitMQ is a quorum queue of one node with publisher confirms. The server does not confirm acks.
type rabbitMQ struct {
	url      string
	channels [callers]*amqp.Channel // of one connection, to publish
}

func startRabbitMQ(dir string) (*process, load) {
	giveTo("rabbitmq", dir)
	port, names, distribution := freePort(), freePort(), freePort()
	env := []string{"ERL_EPMD_PORT=" + names, "ERL_EPMD_ADDRESS=127.0.0.1", "HOME=" + dir, "RABBITMQ_MNESIA_BASE=" + dir,
		"RABBITMQ_LOG_BASE=" + dir, "RABBITMQ_PID_FILE=" + dir + "/pid", "RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/plugins",
		"RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_DIST_PORT=" + distribution, "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + port}
	launch(dir, command{user: "rabbitmq", env: env, argv: []string{"epmd"}}) // or the server starts one that stays
	awaitListener(names)
	server := launch(dir, command{user: "rabbitmq", env: env, argv: []string{"/usr/lib/rabbitmq/bin/rabbitmq-server"}})

	q := &rabbitMQ{url: fmt.Sprintf("amqp://guest:guest@127.0.0.1:%s/", port)}
	var connection *amqp.Connection
	retry(func() (err error) { connection, err = amqp.Dial(q.url); return err })
	for i := range q.channels {
		var err error
		q.channels[i], err = connection.Channel()
		check(err)
		check(q.channels[i].Confirm(false))
	}
	retry(func() error {
		_, err := q.channels[0].QueueDeclare(rabbitQueue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	})
	return server, goLoad{q}
}

func (q *rabbitMQ) enqueue(caller, first, n int) error {
	confirms := make([]*amqp.DeferredConfirmation, n)
	for i := range confirms {
		var err error
		confirms[i], err = q.channels[caller].PublishWithDeferredConfirm("", rabbitQueue, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body(first + i)})
		if err != nil {
			return err
		}
	}
	for i, confirm := range confirms {
		if ok, err := confirm.WaitContext(context.Background()); err != nil || !ok {
			return fmt.Errorf("job %d is not confirmed: %v", first+i, err)
		}
	}
	return nil
}

// work consumes with one channel that is sent 64 jobs ahead, or with eight that ack by the hundred.
func (q *rabbitMQ) work(n int, l *ledger) func() {
	connection, err := amqp.Dial(q.url)
	check(err)
	channels, ahead := 1, callers
	if n > 1 {
		channels, ahead = batchCallers, 2*n
	}
	var wg sync.WaitGroup
	var opened []*amqp.Channel
	for range channels {
		c, err := connection.Channel()
		check(err)
		check(c.Qos(ahead, 0, false))
		deliveries, err := c.Consume(rabbitQueue, "worker", false, false, false, false, nil)
		check(err)
		opened = append(opened, c)
		wg.Go(func() { consume(deliveries, n, l) })
	}
	return func() {
		for _, c := range opened {
			check(c.Cancel("worker", false))
		}
		wg.Wait()
		check(connection.Close())
	}
}

// consume acks n deliveries at a time, and every 10 ms those that came.
func consume(deliveries <-chan amqp.Delivery, n int, l *ledger) {
	var last amqp.Delivery
	waiting := 0
	ack := func() {
		if waiting > 0 {
			check(last.Ack(true))
			l.settled(waiting)
			waiting = 0
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				ack()
				return
			}
			l.started(jobOf(d.Body))
			last = d
			if waiting++; waiting == n {
				ack()
			}
		case <-tick.C:
			ack()
		}
	}
}

func (q *rabbitMQ) left() (int, error) {
	state, err := q.channels[0].QueueDeclarePassive(rabbitQueue, true, false, false, false, nil)
	return state.Messages, err
}

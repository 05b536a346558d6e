package main

import (
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	poolConnections = 90 // PostgreSQL takes 100
	// By default workers and notices wait 100 ms, which bounds 64 workers to 640 jobs/s.
	fetchCooldown = time.Millisecond
)

// riverQueue stands on PostgreSQL as initdb leaves it. Completed jobs are kept. Workers fetch and complete in batches of the library's.
type riverQueue struct {
	pool     *pgxpool.Pool
	inserter *river.Client[pgx.Tx]
}

// noop marshals to the body of every peer.
type noop struct {
	Job string `json:"job"`
	Pad string `json:"pad"`
}

func (noop) Kind() string { return "noop" }

func noopOf(job int) noop { return noop{string(body(job)[len(bodyHead):][:jobDigits]), pad} }

func startRiver(dir string) (*process, load) {
	giveTo("postgres", dir)
	run(dir, command{user: "postgres", argv: []string{postgresProgram("initdb"), "-D", filepath.Join(dir, "data"), "-A", "trust", "-U", "postgres"}})
	port := freePort()
	server := launch(dir, command{user: "postgres", stop: syscall.SIGINT, argv: []string{postgresProgram("postgres"), "-D",
		filepath.Join(dir, "data"), "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}})
	awaitListener(port)

	ctx := context.Background()
	config, err := pgxpool.ParseConfig("postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable")
	check(err)
	config.MaxConns = poolConnections
	q := &riverQueue{}
	q.pool, err = pgxpool.NewWithConfig(ctx, config)
	check(err)
	retry(func() error { return q.pool.Ping(ctx) })
	migrator, err := rivermigrate.New(riverpgxv5.New(q.pool), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	q.inserter = q.client(river.Config{})
	return server, goLoad{q}
}

// postgresProgram is of the newest version that is installed; Debian keeps them out of the PATH.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return slices.Max(found)
	}
	path, err := exec.LookPath(name)
	check(err)
	return path
}

func (q *riverQueue) client(config river.Config) *river.Client[pgx.Tx] {
	config.Logger = slog.New(slog.DiscardHandler)
	config.FetchCooldown = fetchCooldown
	c, err := river.NewClient(riverpgxv5.New(q.pool), &config)
	check(err)
	return c
}

func (q *riverQueue) enqueue(_, first, n int) error {
	if n == 1 {
		_, err := q.inserter.Insert(context.Background(), noopOf(first), nil)
		return err
	}
	jobs := make([]river.InsertManyParams, n)
	for i := range jobs {
		jobs[i].Args = noopOf(first + i)
	}
	_, err := q.inserter.InsertManyFast(context.Background(), jobs)
	return err
}

func (q *riverQueue) work(_ int, l *ledger) func() {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[noop]) error {
		l.started(jobNumber([]byte(j.Args.Job)))
		return nil
	}))
	c := q.client(river.Config{Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: callers}}})
	completed, unsubscribe := c.SubscribeConfig(&river.SubscribeConfig{
		Kinds: []river.EventKind{river.EventKindJobCompleted}, ChanSize: full.batchedJobs})
	go func() {
		for range completed {
			l.settled(1) // told after the completion is committed
		}
	}()
	check(c.Start(context.Background()))
	return func() { check(c.Stop(context.Background())); unsubscribe() }
}

func (q *riverQueue) left() (n int, err error) {
	err = q.pool.QueryRow(context.Background(), "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&n)
	return n, err
}

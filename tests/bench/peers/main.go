// Command peers measures Sluice and other job queues, all of them durable, one after the other on the same disk,
// and prints a table. hack/bench peers builds what it needs and calls it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// peer is a row of the table. What it has of batches is said here, the rest in its own file.
type peer struct {
	name           string // for --only
	title          string
	batchedEnqueue bool
	batchedSettle  bool
	openSize       int                               // jobs that idle workers ask for at a time
	start          func(dir string) (*process, load) // on the main goroutine
	missing        func() string                     // what this machine lacks to run it; nil: nothing
}

var peers = []peer{
	{name: "sluice", title: "Sluice", batchedEnqueue: true, batchedSettle: true, openSize: batchJobs, start: startSluice},
	{name: "beanstalkd", title: "beanstalkd -f0", batchedEnqueue: true, batchedSettle: true, openSize: 1, start: startBeanstalkd},
	{name: "redis", title: "Redis lists", batchedEnqueue: true, batchedSettle: true, openSize: 1, start: startRedisLists},
	{name: "asynq", title: "asynq on Redis", openSize: 1, start: startAsynq},
	{name: "bullmq", title: "BullMQ on Redis", batchedEnqueue: true, openSize: 1, start: startBullMQ, missing: bullMQMissing},
	{name: "river", title: "River on PostgreSQL", batchedEnqueue: true, openSize: 1, start: startRiver},
	{name: "jetstream", title: "NATS JetStream", batchedEnqueue: true, batchedSettle: true, openSize: 1, start: startJetStream},
	{name: "rabbitmq", title: "RabbitMQ quorum queue", batchedEnqueue: true, batchedSettle: true, openSize: 1, start: startRabbitMQ},
}

// options are the same for the program that makes the table and the one a peer that it starts.
var options struct {
	broker, tools, folder, only, measure string
	quick                                bool
}

func main() {
	flag.StringVar(&options.broker, "broker", "", "sluice-broker")
	flag.StringVar(&options.tools, "tools", "", "folder with nats-server, node_modules and bullmq.js")
	flag.StringVar(&options.folder, "folder", "", "folder for the servers' data, on the disk to measure")
	flag.StringVar(&options.only, "only", "", "peers to run, with commas between")
	flag.BoolVar(&options.quick, "quick", false, "small counts")
	flag.StringVar(&options.measure, "measure", "", "(for this program itself) one peer's figures as JSON")
	flag.Parse()
	s := full
	if options.quick {
		s = quick
	}
	if options.measure != "" {
		measureOne(options.measure, s)
		return
	}
	os.Exit(compare(chosen(), s))
}

// chosen are the peers named by --only, in the order of the table.
func chosen() (some []peer) {
	names := strings.Split(options.only, ",")
	for _, p := range peers {
		if options.only == "" || slices.Contains(names, p.name) {
			some = append(some, p)
		}
	}
	if options.only != "" && len(some) != len(names) {
		fail("not all of %s are peers", options.only)
	}
	return some
}

// compare runs each peer in a process of its own: what goes wrong there is that row's matter.
func compare(some []peer, s scale) (status int) {
	folder := freshFolder(options.folder)
	defer os.RemoveAll(folder)
	adoptOrphans()
	var interrupted atomic.Bool
	var child atomic.Pointer[os.Process]
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range signals {
			interrupted.Store(true)
			if c := child.Load(); c != nil {
				c.Signal(syscall.SIGTERM)
			}
		}
	}()

	t := newTable(s)
	d := probeDisk(folder, 2*time.Second)
	fmt.Printf("The disk: write 512 bytes + fdatasync %s/s, p50 %.3f ms, p99 %.3f ms, max %.3f ms\n\n", whole(d.perSecond), d.p50Ms, d.p99Ms, d.maxMs)
	t.printHead()
	for _, p := range some {
		if interrupted.Load() {
			break
		}
		if p.missing != nil && p.missing() != "" {
			t.printNote(p, "not run: "+p.missing())
			continue
		}
		fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), p.title)
		f, err := inProcess(p, folder, &child)
		killOrphans()
		switch {
		case interrupted.Load():
			t.printNote(p, "interrupted")
		case err != nil:
			t.printNote(p, "failed")
			status = 1
		case f.Counts.Lost > 0:
			fmt.Fprintf(os.Stderr, "peers: %s lost %d jobs\n", p.name, f.Counts.Lost)
			status = 1
			fallthrough
		default:
			t.printRow(p, f)
		}
	}
	if interrupted.Load() {
		return 130
	}
	t.printRatios()
	load, _ := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(load)); len(fields) > 2 {
		fmt.Printf("\nLoad average at the end, one and fifteen minutes: %s %s\n", fields[0], fields[2])
	}
	return status
}

// inProcess has this program measure one peer, and be ended together with us.
func inProcess(p peer, folder string, child *atomic.Pointer[os.Process]) (f figures, err error) {
	self, err := os.Executable()
	check(err)
	cmd := exec.Command(self, "--measure", p.name, "--broker", options.broker, "--tools", options.tools,
		"--folder", folder, fmt.Sprintf("--quick=%v", options.quick))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	child.Store(cmd.Process)
	decoded := json.NewDecoder(out).Decode(&f)
	child.Store(nil)
	if err := cmd.Wait(); err != nil {
		return f, err
	}
	return f, decoded
}

func measureOne(name string, s scale) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		failing.Lock()
		stopAll()
		os.Exit(1)
	}()
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == name })
	check(json.NewEncoder(os.Stdout).Encode(peers[i].measure(options.folder, s)))
}

var failing sync.Mutex

// fail ends this program and its servers. Only the first caller is heard.
func fail(format string, a ...any) {
	failing.Lock()
	time.Sleep(200 * time.Millisecond) // a server whose end is the reason has ended by then
	fmt.Fprintf(os.Stderr, "peers %s: %s%s\n", options.measure, fmt.Sprintf(format, a...), fates())
	stopAll()
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// freshFolder may be entered by the users whose rights servers get.
func freshFolder(parent string) string {
	dir, err := os.MkdirTemp(parent, "peers-")
	check(err)
	check(os.Chmod(dir, 0o755))
	return dir
}

func removeAll(dir string) { check(os.RemoveAll(dir)) }

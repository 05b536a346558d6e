package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startLimit = 3 * time.Minute  // until a server answers
	stopLimit  = 20 * time.Second // from the signal to SIGKILL
)

// Servers end when the thread that started them does (Pdeathsig): that has to be the main one.
func init() { runtime.LockOSThread() }

// process is a server under our control, with all that it starts itself.
//
// Threads: launch belongs to the main goroutine.
type process struct {
	cmd   *exec.Cmd
	how   syscall.Signal // it ends on
	log   string
	asked atomic.Bool   // to end
	ended chan struct{} // closed when it has ended, asked or not
}

// launched are the processes of this program, in the order of their start.
var launched struct {
	sync.Mutex
	list []*process
}

type command struct {
	user string         // whose rights it gets when we are root; "": ours
	stop syscall.Signal // asks it to end; 0: SIGKILL, its folder goes anyway
	env  []string
	argv []string
}

// launch starts a server that writes its log into dir. Its unasked end is the end of this program.
func launch(dir string, c command) *process {
	p := &process{how: c.stop, log: filepath.Join(dir, filepath.Base(c.argv[0])+".log"), ended: make(chan struct{})}
	if p.how == 0 {
		p.how = syscall.SIGKILL
	}
	log, err := os.Create(p.log)
	check(err)
	defer log.Close()
	p.cmd = exec.Command(c.argv[0], c.argv[1:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = append(os.Environ(), c.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: p.how, Credential: credential(c.user)}
	check(p.cmd.Start())
	launched.Lock()
	launched.list = append(launched.list, p)
	launched.Unlock()
	go func() {
		p.cmd.Wait()
		close(p.ended)
		if !p.asked.Load() {
			fail("its server ended")
		}
	}()
	return p
}

// run is for commands that end by themselves.
func run(dir string, c command) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: credential(c.user)}
	if out, err := cmd.CombinedOutput(); err != nil {
		fail("%s: %v\n%s", c.argv[0], err, out)
	}
}

// stopAll ends every process that launch started, the newest first, and what these started.
func stopAll() {
	launched.Lock()
	defer launched.Unlock()
	for i := len(launched.list) - 1; i >= 0; i-- {
		launched.list[i].stop()
	}
	launched.list = nil
}

func (p *process) stop() {
	p.asked.Store(true)
	tree := processTree(p.cmd.Process.Pid)
	p.cmd.Process.Signal(p.how)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
	}
	for _, pid := range tree {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
}

// fates tells of each process how it ended, or that it has not, and the last that it wrote.
func fates() (told string) {
	launched.Lock()
	defer launched.Unlock()
	for _, p := range launched.list {
		fate := "running"
		select {
		case <-p.ended:
			fate = p.cmd.ProcessState.String()
		default:
		}
		text, _ := os.ReadFile(p.log)
		told += fmt.Sprintf("\n--- %s: %s\n%s", filepath.Base(p.cmd.Path), fate, text[max(0, len(text)-1000):])
	}
	return told
}

// memoryMiB is the RSS of a process; of several the sum of their PSS, so that what they share counts once.
func (p *process) memoryMiB() float64 {
	tree, key, kib := processTree(p.cmd.Process.Pid), "Pss:", 0
	if len(tree) == 1 {
		key = "Rss:"
	}
	for _, pid := range tree {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); fields[0] == key {
				n, _ := strconv.Atoi(fields[1])
				kib += n
			}
		}
	}
	return float64(kib) / 1024
}

// processTree lists a process and its descendants.
func processTree(root int) []int {
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", tree[i]))
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for _, field := range bytes.Fields(text) {
				pid, _ := strconv.Atoi(string(field))
				tree = append(tree, pid)
			}
		}
	}
	return tree
}

// credential is nil when the rights stay ours.
func credential(name string) *syscall.Credential {
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	check(err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// giveTo makes a folder the user's, whose rights the server gets.
func giveTo(name, dir string) {
	if c := credential(name); c != nil {
		check(os.Chown(dir, int(c.Uid), int(c.Gid)))
	}
}

// freePort is one that nobody listens on now.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// retry calls f until it succeeds: a server that has just been started may refuse for a while.
func retry(f func() error) {
	var err error
	for begin := time.Now(); time.Since(begin) < startLimit; time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	fail("the server does not answer: %v", err)
}

func awaitListener(port string) {
	retry(func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// adoptOrphans has what a process of ours leaves behind become our child.
func adoptOrphans() {
	const setChildSubreaper = 36
	syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
}

// killOrphans ends all that is left of what we started. Requires: no process of ours is wanted any more.
func killOrphans() {
	for _, pid := range processTree(os.Getpid())[1:] {
		syscall.Kill(pid, syscall.SIGKILL)
		syscall.Wait4(pid, nil, 0, nil)
	}
}

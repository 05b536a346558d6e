"""A box: the namespaces, processes and files that one Kubernetes of hack/cluster lives in.

Its first process owns a network, a mount and a PID namespace. Everything else runs below it, so that ending this one
process ends all of them and undoes all their mounts, also after a crash in the middle of `up`. It is recognised by the
program it runs, which lies in the box's own folder: no recorded pid is ever trusted.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from report import Failure

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NODE = "198.18.0.1"  # kubelets refuse loopback addresses as their node's
# Where programs write whatever they are told: the box gets empty ones of its own.
PRIVATE = ("/run/containerd", "/run/netns", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers")


class Box:
    def __init__(self, name):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
            raise Failure(f"a name is a DNS label of at most 32 characters, not {name!r}")
        self.name = name
        self.folder = ROOT / "build" / "cluster" / name
        self.kubeconfig = self.folder / "admin.conf"
        self.program = self.folder / "init"
        self.socket = "/run/containerd/containerd.sock"
        # Two checkouts may both have a box of this name.
        self.cgroup = f"sluice-{name}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"

    def init_pid(self):
        """The first process of this box, or None."""
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                exe = os.readlink(entry / "exe")
            except OSError:
                continue
            if exe.removesuffix(" (deleted)") == str(self.program):
                return int(entry.name)
        return None

    def require_up(self):
        pid = self.init_pid()
        if pid is None:
            raise Failure(f"the box {self.name} is not up: hack/cluster up --name {self.name}")
        return pid

    def create(self):
        """Namespaces, first process, network, cgroups. Requires root and that the box is not up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in ("pki", "logs", "volumes"):
            (self.folder / folder).mkdir(exist_ok=True)
        for path in PRIVATE:
            pathlib.Path(path).mkdir(parents=True, exist_ok=True)
        part = self.program.with_name("init.part")
        run("gcc", "-static", "-Os", "-o", part, HERE / "init.c")
        part.rename(self.program)
        mounts = "".join(f"mount -t tmpfs -o mode=755 box {path} && " for path in PRIVATE)
        subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "slave",
             "sh", "-c", mounts + 'exec "$0"', str(self.program)],
            cwd="/", start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "logs" / "init.log", "wb"))  # pylint: disable=consider-using-with
        self.wait("init", lambda: self.init_pid() is not None, 10)
        self.make_network()
        for hierarchy in cgroup_hierarchies("cgroup") or cgroup_hierarchies("cgroup2"):
            (hierarchy / self.cgroup).mkdir(exist_ok=True)

    def make_network(self):
        # Both ends of the uplink stay inside: an address and a default route are all that the parts want.
        for line in ("link set lo up", "link add uplink type veth peer name uplink-peer",
                     f"addr add {NODE}/24 dev uplink", "link set uplink up", "link set uplink-peer up",
                     "route add default via 198.18.0.254 dev uplink"):
            self.run("ip", *line.split())

    def command(self, *arguments):
        """A command inside of all namespaces of the box."""
        return ["nsenter", f"--target={self.require_up()}", "--net", "--mount", "--pid", "--",
                *map(str, arguments)]

    def run(self, *arguments, **options):
        return run(*self.command(*arguments), **options)

    def start(self, name, path, *arguments):
        """Starts a program that stays; the shell ends at once, and the box's first process takes its child over."""
        log = self.folder / "logs" / f"{name}.log"
        script = 'cd "$0" && PATH=$1:$PATH && log=$2 && shift 2 && setsid "$@" </dev/null >"$log" 2>&1 &'
        run(*self.command("sh", "-c", script, self.folder, path, log, *arguments))

    def wait(self, part, fact, seconds):
        """Polls until `fact` holds; on failure shows the end of the part's log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if fact():
                return
            time.sleep(0.1)
        log = self.folder / "logs" / f"{part}.log"
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        raise Failure("\n".join([f"{part} was not ready within {seconds} s; the end of {log}:", *lines]))

    def destroy(self):
        """Ends everything of this box and removes its files. Nothing to do is success."""
        while (pid := self.init_pid()) is not None:
            os.kill(pid, signal.SIGKILL)  # the kernel ends the whole PID namespace with it
            deadline = time.monotonic() + 30
            while self.init_pid() == pid and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.init_pid() == pid:
                raise Failure(f"process {pid} of the box {self.name} does not end")
        # runc also uses the v2 hierarchy of a machine that has both.
        for hierarchy in cgroup_hierarchies("cgroup", "cgroup2"):
            remove_cgroup(hierarchy / self.cgroup)
        for _ in range(50):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.1)
        raise Failure(f"{self.folder} cannot be removed")


def run(*arguments, capture=False, check=True):
    done = subprocess.run([str(a) for a in arguments], text=True, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not capture else subprocess.PIPE)
    if check and done.returncode != 0:
        output = (done.stdout or "") + (done.stderr or "" if capture else "")
        raise Failure(f"{' '.join(str(a) for a in arguments[:12])}: exit status {done.returncode}\n{output.strip()}")
    return done.stdout if check else done


def cgroup_hierarchies(*kinds):
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [pathlib.Path(mount[1]) for mount in mounts if mount[2] in kinds]


def remove_cgroup(folder):
    if not folder.exists():
        return
    deadline = time.monotonic() + 10
    for root, _, _ in os.walk(folder, topdown=False):
        while True:
            try:
                os.rmdir(root)
                break
            except FileNotFoundError:
                break
            except OSError as error:
                # Ended processes leave their cgroup a moment later.
                if time.monotonic() > deadline:
                    raise Failure(f"cgroup {root}: {error.strerror}") from error
                time.sleep(0.05)

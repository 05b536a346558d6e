#!/usr/bin/env python3
"""Measures Sluice on a real Kubernetes and prints a table; hack/bench cluster brings up the box and calls it.

  hack/cluster enter --name BOX tests/bench/cluster.py [--quick] [--only NAME]… [--operator-arg ARG]… [--rounds N] [--jobs N]

Installs the chart from this checkout with the images that are loaded, and takes away what it made in its namespaces.
"""
import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import cluster_objects as objects
from cluster_api import Calls, LineWatch, Refused, Server, create_many, kubernetes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = "sluice"
PRODUCER = "bench-producer"
PATIENCE_SECONDS = 300
SETTLED_SECONDS = 10
QUEUES = "/apis/sluice.dev/v1alpha1/namespaces/{}/queues"
JOBS = "/apis/sluice.dev/v1alpha1/namespaces/{}/jobs"
SCHEDULES = "/apis/sluice.dev/v1alpha1/namespaces/{}/schedules"
BATCH_JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"
NAME = re.compile(rb'"name":"([^"]+)"')


def kubectl(*words, text=None):
    return subprocess.run(["kubectl", *words], input=text, text=True, capture_output=True, check=True).stdout


def percentile(values, share):
    """Of few values: the smallest that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def wait_for(what, fact, seconds=PATIENCE_SECONDS, every=0.1):
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() >= end:
            raise Refused(f"after {seconds} s still not: {what}")
        time.sleep(every)


def is_of(process, pod_uid):
    """Whether a folder of /proc is a process of this pod."""
    group = (process / "cgroup").read_text()
    return pod_uid in group or pod_uid.replace("-", "_") in group


class Table:
    def __init__(self):
        print("| what | figure | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|", flush=True)

    def row(self, what, figure="", values=None):
        numbers = ["", "", ""]
        if values:
            in_ms = [1000 * value for value in values]
            numbers = [f"{number:,.0f}" for number in (percentile(in_ms, 0.5), percentile(in_ms, 0.99), max(in_ms))]
        print(f"| {what} | {figure} | {' | '.join(numbers)} |", flush=True)


class Release:
    """The chart as installed, and ways to look at it from outside."""

    def __init__(self, server, operator_args):
        self.calls = Calls(server)
        words = ["helm", "upgrade", "--install", RELEASE, str(ROOT / "charts" / "sluice"), "--namespace", RELEASE,
                 "--create-namespace", "--set", "image.tag=dev", "--set", "broker.persistence.size=1Gi",
                 "--set", f"operator.podAnnotations.bench=at-{int(time.time())}",
                 "--set", f"broker.podAnnotations.bench=at-{int(time.time())}", "--wait", "--timeout", "180s"]
        for number, argument in enumerate(operator_args):
            words += ["--set-string", f"operator.extraArgs[{number}]={argument}"]
        done = subprocess.run(words, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise Refused(f"helm: {done.stderr}\n{kubectl('get', 'pods', '-A')}")

    def leader(self):
        """The pod that leads now: a lease whose holder is gone waits for its end."""
        pods = {pod["metadata"]["name"]: pod for pod in self.calls.call("GET", PODS.format(RELEASE))["items"]}
        leases = self.calls.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases")["items"]
        for lease in leases:
            holder = lease["spec"].get("holderIdentity", "").partition("_")[0]
            if holder in pods and "deletionTimestamp" not in pods[holder]["metadata"]:
                return pods[holder]
        return None

    @staticmethod
    def processes(pod, program):
        """Its processes as this machine sees them; none when the cluster runs elsewhere."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "comm").read_text().strip() == program[:15] and is_of(folder, pod["metadata"]["uid"]):
                    yield folder
            except OSError:
                continue

    def operator_memory_mib(self):
        for folder in self.processes(self.leader(), "sluice-operator"):
            status = (folder / "status").read_text()
            now, most = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))
            return f"{now:.1f} MiB, at most {most:.1f}"
        return "not on this machine"

    def cpu_seconds(self):
        """Spent so far by this cluster's server and this release, as far as they run on this machine."""
        spent = dict.fromkeys(("kube-apiserver", "etcd", "sluice-operator", "sluice-broker"), 0.0)
        network = os.readlink("/proc/self/ns/net")
        own = [pod["metadata"]["uid"] for pod in self.calls.call("GET", PODS.format(RELEASE))["items"]]
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                comm = (folder / "comm").read_text().strip()
                if comm not in spent:
                    continue
                is_ours = os.readlink(folder / "ns/net") == network or any(is_of(folder, uid) for uid in own)
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if is_ours:
                spent[comm] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return spent

    def broker(self, namespace):
        """The broker as a producer meets it: TLS, and a token of a service account that may enqueue."""
        wait_for("the broker's CA", lambda: "ca.crt" in self.ca(namespace))
        address = self.calls.call("GET", f"/api/v1/namespaces/{RELEASE}/services/sluice-broker")["spec"]["clusterIP"]
        token = kubectl("create", "token", PRODUCER, "-n", namespace, "--audience", "sluice", "--duration", "3h").strip()
        return Server(f"https://{address}:7070", self.ca(namespace)["ca.crt"], token, f"sluice-broker.{RELEASE}.svc")

    def ca(self, namespace):
        maps = self.calls.call("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
        return next((found["data"] for found in maps if found["metadata"]["name"] == "sluice-ca"), {})


class Tenant:
    """A namespace that holds its pods to the restricted profile, and a producer in it."""

    def __init__(self, server, name):
        name = f"{name}-{os.getpid()}"  # the last run's may still be going
        self.server, self.name, self.calls = server, name, Calls(server)
        self.calls.call("POST", "/api/v1/namespaces", {"metadata": {
            "name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
        kubectl("create", "serviceaccount", PRODUCER, "-n", name)
        kubectl("create", "role", PRODUCER, "-n", name, "--verb=create,get,list", "--resource=queues.sluice.dev/jobs")
        kubectl("create", "rolebinding", PRODUCER, "-n", name, f"--role={PRODUCER}", f"--serviceaccount={name}:{PRODUCER}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["kubectl", "delete", "namespace", self.name, "--wait=false"], capture_output=True, check=False)

    def add_queue(self, queue):
        name = queue["metadata"]["name"]
        self.calls.call("POST", QUEUES.format(self.name), queue)
        wait_for(f"queue {name} ready", lambda: self.is_ready(name))

    def is_ready(self, queue_name):
        found = self.calls.call("GET", f"{QUEUES.format(self.name)}/{queue_name}")
        conditions = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", [])}
        has_template = "template" in found["spec"].get("worker", {})
        return conditions.get("Ready") == "True" and (not has_template or conditions.get("TemplateValid") == "True")

    def pods(self):
        return self.calls.call("GET", PODS.format(self.name))["items"]


def first_job(server, release, table, options):
    """Each round waits until the pod of the last one is gone."""
    created, pod_ready, started, acknowledged = [], [], [], []
    with Tenant(server, "bench-first") as tenant:
        tenant.add_queue(objects.queue(tenant.name, "first", maxReplicas=1, idleSeconds=2,
                                       scaleDown={"stabilizationSeconds": 1}))
        broker = Calls(release.broker(tenant.name))
        path = f"/v1/namespaces/{tenant.name}/queues/first/jobs"
        seen = {}

        def on_pod(line, at):
            event = json.loads(line)
            if event["type"] == "ADDED":
                seen.setdefault("created", at)
            conditions = {one["type"]: one["status"] for one in event["object"]["status"].get("conditions", [])}
            if conditions.get("Ready") == "True":
                seen.setdefault("ready", at)

        watch = LineWatch(server, PODS.format(tenant.name), on_pod)
        broker.call("GET", path + "?limit=1")  # connects; the token is reviewed
        for _ in range(options.rounds):
            seen.clear()
            sent = time.time()
            job = broker.call("POST", path, {"payload": objects.PAYLOAD})
            acknowledged.append(time.time() - sent)
            job = broker.call("GET", f"{path}/{job['id']}?waitSeconds=60")
            if job["state"] != "Succeeded":
                raise Refused(f"a job of the benchmark ended so: {job}")
            started.append(float(job["result"]) - sent)
            created.append(seen["created"] - sent)
            wait_for("no pod left", lambda: not tenant.pods(), 120)
            if "ready" in seen:  # one that soon has nothing to do may go before its first probe
                pod_ready.append(seen["ready"] - sent)
            time.sleep(0.5)
        watch.stop()
    how = f"{options.rounds} times"
    table.row("first job of an empty queue: sent → acknowledged", how, acknowledged)
    table.row("… sent → pod created", how, created)
    table.row("… sent → pod ready", f"{len(pod_ready)} times", pod_ready)
    table.row("… sent → handler started", how, started)


def watch_completions(server, path, is_complete, count):
    """A watch that notes when each object was first seen complete, and an event for when all were."""
    seen, all_seen = {}, threading.Event()

    def on_line(line, at):
        if not is_complete(line):
            return
        seen.setdefault(NAME.search(line)[1], at)
        if len(seen) >= count:
            all_seen.set()

    return LineWatch(server, path, on_line), seen, all_seen


def many_jobs(server, release, table, options):
    count = options.jobs
    with Tenant(server, "bench-jobs") as tenant:
        tenant.add_queue(objects.queue(tenant.name, "many", concurrency=10, maxReplicas=2, backlogPerWorker=1000))
        watch, seen, all_seen = watch_completions(server, JOBS.format(tenant.name),
                                                  lambda line: b'"state":"Succeeded"' in line, count)
        before = release.cpu_seconds()
        began, created = create_many(server, JOBS.format(tenant.name),
                                     [objects.job(tenant.name, f"job-{n}", "many") for n in range(count)])
        if not all_seen.wait(PATIENCE_SECONDS):
            raise Refused(f"{len(seen)} of {count} jobs complete after {PATIENCE_SECONDS} s")
        ended = max(seen.values())
        after = release.cpu_seconds()
        watch.stop()
        table.row(f"{count:,} Job resources created, over 16 connections", f"{count / (created - began):,.0f}/s")
        table.row(f"{count:,} Job resources created → all complete", f"{count / (ended - began):,.0f}/s")
        share = ", ".join(f"{name} {1000 * (after[name] - before[name]) / count:.1f}" for name in before)
        table.row("… CPU ms a job", share)
        if options.no_memory:
            return
        time.sleep(SETTLED_SECONDS)
        table.row(f"operator memory (RSS) with {count:,} Jobs, {SETTLED_SECONDS} s later", release.operator_memory_mib())
        foreign_pods(server, release, table, options)


def foreign_pods(server, release, table, options):
    with Tenant(server, "bench-foreign") as tenant:
        create_many(server, PODS.format(tenant.name),
                    [objects.foreign_pod(tenant.name, f"pod-{n}") for n in range(options.pods)])
        time.sleep(SETTLED_SECONDS)
        both = f"{options.jobs:,} Jobs and {options.pods:,} foreign pods"
        table.row(f"operator memory (RSS) with {both}, {SETTLED_SECONDS} s later", release.operator_memory_mib())
        old = release.leader()["metadata"]["name"]
        kubectl("delete", "pod", "-n", RELEASE, old, "--wait=false")
        wait_for("another leader", lambda: (release.leader() or {"metadata": {"name": old}})["metadata"]["name"] != old)
        time.sleep(SETTLED_SECONDS)
        table.row("… of the next leader, which has listed them all", release.operator_memory_mib())


def batch_jobs(server, _release, table, options):
    count = options.batch_jobs
    with Tenant(server, "bench-batch") as tenant:
        watch, seen, all_seen = watch_completions(server, BATCH_JOBS.format(tenant.name),
                                                  lambda line: b'"completionTime":' in line, count)
        began, _ = create_many(server, BATCH_JOBS.format(tenant.name),
                               [objects.batch_job(tenant.name, f"batch-{n}") for n in range(count)])
        if not all_seen.wait(PATIENCE_SECONDS):
            raise Refused(f"{len(seen)} of {count} batch/v1 Jobs complete after {PATIENCE_SECONDS} s")
        watch.stop()
        table.row(f"{count:,} batch/v1 Jobs created → all complete", f"{count / (max(seen.values()) - began):,.1f}/s")


def schedules(server, release, table, options):
    """Lateness: when the broker took the tick's job, less the tick."""
    count, ticks = options.schedules, 2
    with Tenant(server, "bench-schedules") as tenant:
        tenant.add_queue(objects.waiting_queue(tenant.name, "ticks"))
        broker = Calls(release.broker(tenant.name))
        create_many(server, SCHEDULES.format(tenant.name),
                    [objects.schedule(tenant.name, f"minutely-{n}", "ticks") for n in range(count)])
        first = (int(time.time()) // 60 + 1) * 60
        if first - time.time() < 10:  # what was created late is known by then
            first += 60
        last = first + 60 * (ticks - 1)
        time.sleep(max(0, last + 20 - time.time()))
        late, cursor = [], ""
        while True:
            page = broker.call("GET", f"/v1/namespaces/{tenant.name}/queues/ticks/jobs?limit=1000{cursor}")
            for job in page["jobs"]:
                tick = seconds_of(job["schedule"]["tick"])
                if first <= tick <= last:
                    late.append(seconds_of(job["createdAt"]) - tick)
            if not page.get("cursor"):
                break
            cursor = "&cursor=" + page["cursor"]
        table.row(f"{count:,} minutely Schedules, {ticks} ticks: lateness",
                  f"{len(late):,} of {count * ticks:,} fired", late)


def seconds_of(moment):
    """Of "2026-01-31T10:00:00.123Z"."""
    whole, _, fraction = moment.rstrip("Z").partition(".")
    return calendar_seconds(whole) + float("0." + (fraction or "0"))


def calendar_seconds(text):
    parts = time.strptime(text + " +0000", "%Y-%m-%dT%H:%M:%S %z")
    return time.mktime(parts) - time.timezone


SCENARIOS = {"first": first_job, "batch": batch_jobs, "jobs": many_jobs, "schedules": schedules}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller counts")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--operator-arg", action="append", default=[], metavar="ARG", help="as --operator-arg=--threads=4")
    parser.add_argument("--no-memory", action="store_true", help="only the rate of `jobs`")
    for name, full, quick in (("rounds", 50, 10), ("jobs", 10_000, 1_000), ("pods", 10_000, 1_000),
                              ("batch-jobs", 50, 20), ("schedules", 1_000, 100)):
        parser.add_argument(f"--{name}", type=int, help=f"{full:,}, or {quick:,} with --quick")
        parser.set_defaults(**{f"{name.replace('-', '_')}_counts": (full, quick)})
    options = parser.parse_args()
    for name in ("rounds", "jobs", "pods", "batch_jobs", "schedules"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(options, f"{name}_counts")[options.quick])
    return options


def main():
    options = read_options()
    try:
        server = kubernetes()
        release = Release(server, options.operator_arg)
        wait_for("a leader", lambda: release.leader() is not None)
        table = Table()
        for name, scenario in SCENARIOS.items():
            if not options.only or name in options.only:
                scenario(server, release, table, options)
    except (Refused, OSError, subprocess.CalledProcessError) as problem:
        print(f"tests/bench/cluster.py: {problem}{getattr(problem, 'stderr', None) or ''}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())

"""The box's programs, built from the Go modules beside this file and kept between runs.

Their versions stand in the go.mod files and nowhere else; a changed go.mod is another folder of the cache.
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

from report import Failure, say

HERE = pathlib.Path(__file__).resolve().parent
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
# Name, folder of its module, package.
OTHERS = (("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
          ("coredns", "dns", "."),
          ("helm", "helm", "helm.sh/helm/v4/cmd/helm"))
SOURCES = ("go.mod", "go.sum", "etcd/go.mod", "etcd/go.sum", "dns/go.mod", "dns/go.sum", "dns/main.go",
           "helm/go.mod", "helm/go.sum")


def cache_folder():
    base = os.environ.get("SLUICE_CACHE")
    if not base:
        base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice"
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(name.encode() + b"\0" + (HERE / name).read_bytes() + b"\0")
    return pathlib.Path(base) / "kubernetes" / digest.hexdigest()[:16] / "bin"


def ensure():
    """The folder of the programs, all of them there. Builds what is missing; another run that builds is waited for."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in KUBERNETES if not (folder / name).exists()]
        others = [other for other in OTHERS if not (folder / other[0]).exists()]
        if missing or others:
            build(folder, missing, others)
    return folder


def build(folder, missing, others):
    if not shutil.which("go"):
        raise Failure("building Kubernetes needs Go 1.26 or newer (https://go.dev/dl), which is not in the PATH")
    version = go(["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"], HERE, capture=True).strip()
    stamp = "k8s.io/component-base/version."
    minor = version.split(".")[1]
    flags = f"-s -w -X {stamp}gitVersion={version} -X {stamp}gitMajor=1 -X {stamp}gitMinor={minor}"
    say(f"building Kubernetes {version} into {folder} (about ten minutes once, on two cores)")
    for name in missing:
        build_one(folder, name, HERE, f"k8s.io/kubernetes/cmd/{name}", flags)
    for name, module, package in others:
        build_one(folder, name, HERE / module, package, "-s -w")


def build_one(folder, name, module, package, flags):
    began = time.monotonic()
    # A build that is interrupted leaves no program that looks complete.
    part = folder / f".{name}.part"
    go(["build", "-trimpath", "-ldflags", flags, "-o", str(part), package], module)
    part.rename(folder / name)
    say(f"  {name} in {time.monotonic() - began:.0f} s")


def go(arguments, folder, capture=False):
    env = dict(os.environ, CGO_ENABLED="0")
    done = subprocess.run(["go", *arguments], cwd=folder, env=env, text=True, check=False,
                          stdout=subprocess.PIPE if capture else None)
    if done.returncode != 0:
        raise Failure(f"go {arguments[0]} failed in {folder}")
    return done.stdout

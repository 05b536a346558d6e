"""Packs files into a one-layer image archive that `ctr images import` and `docker load` take: no registry, no base image."""
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from report import Failure

NOBODY = 65532  # the numeric user of our images; no account file is needed for it


def with_libraries(program):
    """(source, destination) of a program's shared libraries and its loader; nothing for a static one."""
    listed = subprocess.run(["ldd", str(program)], text=True, capture_output=True, check=False)
    if listed.returncode != 0:
        return []
    if "not found" in listed.stdout:
        raise Failure(f"{program} misses a library:\n{listed.stdout}")
    return [(path, path) for path in re.findall(r"(/\S+) \(0x", listed.stdout)]


class Layer:
    """The files of one layer, in order of their names and without times, so that the same files are the same image."""

    def __init__(self):
        self.entries = {}

    def add(self, source, destination):
        source = pathlib.Path(source)
        if not source.exists():
            raise Failure(f"{source} is not there")
        if source.is_dir():
            for root, folders, files in os.walk(source):
                folders[:] = sorted(name for name in folders if name != "__pycache__")
                for name in files:
                    path = pathlib.Path(root) / name
                    if path.exists():
                        self.add(path, pathlib.Path(destination) / path.relative_to(source))
            return
        self.entries[str(destination).lstrip("/")] = source.resolve()

    def lay_out(self, folder):
        """Copies the files below `folder` instead."""
        for name, source in sorted(self.entries.items()):
            place = pathlib.Path(folder) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)

    def pack(self):
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for folder in sorted({str(p) for name in self.entries for p in pathlib.PurePosixPath(name).parents}):
                if folder != ".":
                    info = tarfile.TarInfo(folder)
                    info.type = tarfile.DIRTYPE
                    info.mode = 0o755
                    tar.addfile(info)
            for name, source in sorted(self.entries.items()):
                info = tarfile.TarInfo(name)
                info.size = source.stat().st_size
                info.mode = 0o755 if os.access(source, os.X_OK) else 0o644
                with open(source, "rb") as file:
                    tar.addfile(info, file)
        return blob.getvalue()


def write(name, out, layer, entrypoint=None, env=(), user=NOBODY, working_dir="/"):
    """Writes the archive `out` of an image called `name`."""
    blob = layer.pack()
    digest = hashlib.sha256(blob).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *env],
            "Entrypoint": entrypoint,
            "User": f"{user}:{user}",
            "WorkingDir": working_dir,
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
    }
    config = json.dumps(config, sort_keys=True).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [digest + "/layer.tar"]}]).encode()
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with tarfile.open(part, "w") as tar:
        for path, data in ((config_name, config), (digest + "/layer.tar", blob), ("manifest.json", manifest)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    part.rename(out)

"""HTTP calls of the cluster benchmark: one kept-alive connection a thread, watches read as they come."""
import base64
import contextlib
import http.client
import json
import multiprocessing
import queue
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

READ_BYTES = 1 << 16
CALL_SECONDS = 60
VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


class Refused(Exception):
    """An answer that is no success."""


class Server:
    """Where, whom to trust, and who we are. `name` is what the certificate says."""

    def __init__(self, url, ca_pem, token, name=None, certificate=None):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 443
        self.name = name or self.host
        self.tls = ssl.create_default_context(cadata=ca_pem)
        if certificate:
            self.tls.load_cert_chain(*certificate)
        self.authorization = {"Authorization": f"Bearer {token}"} if token else {}

    def connect(self, timeout=CALL_SECONDS):
        raw = socket.create_connection((self.host, self.port), timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(raw, server_hostname=self.name)

    def http(self):
        connection = http.client.HTTPSConnection(self.host, self.port)
        connection.sock = self.connect()
        connection.auto_open = 0
        return connection

    def head(self, method, path, body=b"", content_type="application/json"):
        """A request as bytes, for those who send thousands."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.name}", f"Content-Type: {content_type}",
                 f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in self.authorization.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def kubernetes():
    """The API server of the current kubeconfig, by token or client certificate."""
    text = subprocess.run(["kubectl", "config", "view", "--raw", "--flatten", "--minify", "-o", "json"],
                          check=True, capture_output=True, text=True).stdout
    config = json.loads(text)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    certificate = None
    if "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + b"\n" +
                       base64.b64decode(user["client-key-data"]))
        certificate = (file.name,)
    return Server(cluster["server"], ca, user.get("token"), certificate=certificate)


class Calls:
    """Calls over one connection, opened again when it broke. One thread."""

    def __init__(self, server):
        self.server, self.connection = server, None

    def call(self, method, path, body=None, content_type="application/json", answers=(200, 201, 202)):
        data = None if body is None else json.dumps(body)
        for last in (False, True):
            try:
                if self.connection is None:
                    self.connection = self.server.http()
                self.connection.request(method, path, data,
                                        {"Content-Type": content_type, **self.server.authorization})
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                if last:
                    raise
        if answer.status not in answers:
            raise Refused(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None


def read_answer(sock):
    """The status of one answer; its body is read and dropped."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    while (len(body) < int(length[1])) if length else not body.endswith(b"0\r\n\r\n"):
        body += receive(sock)
    return int(head[9:12]), body


def receive(sock):
    data = sock.recv(READ_BYTES)
    if not data:
        raise Refused("the connection was closed")
    return data


def create_many(server, path, bodies, connections=16):
    """POSTs every body, from a process of its own; when the first was sent and the last answered."""
    fork = multiprocessing.get_context("fork")
    answer, ask = fork.Pipe(duplex=False)
    process = fork.Process(target=send_all, args=(server, path, bodies, connections, ask))
    process.start()
    began, ended, problem = answer.recv()
    process.join()
    if problem:
        raise Refused(f"POST {path}: {problem}")
    return began, ended


def send_all(server, path, bodies, connections, answer):
    waiting = queue.SimpleQueue()
    for body in bodies:
        waiting.put(server.head("POST", path, json.dumps(body).encode()))
    problems = []
    began = time.time()
    threads = [threading.Thread(target=send_some, args=(server, waiting, problems)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer.send((began, time.time(), problems[0] if problems else None))


def send_some(server, waiting, problems):
    """One connection's share. 429 is tried again."""
    try:
        with contextlib.suppress(queue.Empty), server.connect() as sock:
            while not problems:
                request = waiting.get_nowait()
                sock.sendall(request)
                status, body = read_answer(sock)
                if status == 429:
                    waiting.put(request)
                    time.sleep(0.1)
                elif status >= 300:
                    problems.append(f"{status} {body[:300]!r}")
    except (OSError, Refused) as problem:
        problems.append(str(problem))


class LineWatch:
    """A watch on a thread of its own: calls back with each event's line, and when it came. Resumes when it is cut, as the
    API server does to whoever reads too slowly."""

    def __init__(self, server, path, on_line):
        self.server, self.path, self.on_line = server, path, on_line
        self.is_over = False
        self.version = Calls(server).call("GET", path + "?limit=1")["metadata"]["resourceVersion"].encode()
        self.open()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def open(self):
        self.connection = self.server.http()
        self.connection.sock.settimeout(None)
        self.connection.request("GET", f"{self.path}?watch=1&resourceVersion={self.version.decode()}&timeoutSeconds=3600",
                                headers=self.server.authorization)
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise Refused(f"watch {self.path}: {self.answer.status}")

    def read(self):
        while not self.is_over:
            with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
                self.read_one()
            if not self.is_over:
                self.open()

    def read_one(self):
        rest = b""
        while data := self.answer.read1(READ_BYTES):
            now = time.time()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                version = VERSION.search(line)
                self.version = version[1] if version else self.version
                self.on_line(line, now)

    def stop(self):
        self.is_over = True
        with contextlib.suppress(OSError, AttributeError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)

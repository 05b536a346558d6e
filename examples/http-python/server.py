#!/usr/bin/env python3
"""An http handler: counts the words of each job's text. The standard library is all it needs.

Answers: 200 the result; 400 and 422 the job is at fault, do not try again; 503 try again later.
"""
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the worker's connections

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            job = json.loads(body)
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        if not isinstance(job, dict) or not isinstance(job.get("text"), str):
            return self.answer(422, {"error": 'want {"text": "..."}'})
        # Stands for a database that is away: succeeds from the given attempt on.
        if int(self.headers["Sluice-Attempt"]) < job.get("succeedAtAttempt", 1):
            return self.answer(503, {"error": "not now"}, {"Retry-After": "1"})
        return self.answer(200, {"words": len(job["text"].split()), "job": self.headers["Sluice-Job-Id"]})

    def do_GET(self):
        """For probes."""
        self.answer(200, {})

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Payloads and ids stay out of the log."""


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    # On Kubernetes SIGTERM comes after the last job: the pod's hook waits for it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


main()

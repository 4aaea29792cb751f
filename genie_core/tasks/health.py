"""Health over HTTP, for kubelet's probes: GET of a path -> 200 or 503, and a small JSON document saying why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread

from genie_core.errors import IOFailure
from genie_core.sandbox.http_server import LocalHTTPServer

# path -> what is wrong there, and what to tell besides
Checks = Mapping[str, Callable[[], tuple[list[str], Mapping[str, object]]]]


@contextmanager
def serve(host: str, port: int, checks: Checks) -> Iterator[int]:
    """Answer from a thread; the port, that of the system's choice for 0. Raises IOFailure where it is taken."""
    try:
        server = LocalHTTPServer(host, port, _handler(checks))
    except OSError as error:
        raise IOFailure(f"health cannot be served on {host}:{port}: {error.strerror}") from None
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(checks: Checks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a client that says nothing holds a thread no longer

        def do_GET(self) -> None:
            if self.path not in checks:
                self.send_error(404)
                return
            problems, facts = checks[self.path]()
            body = json.dumps({"problems": problems, **facts}).encode() + b"\n"
            self.send_response(503 if problems else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """kubelet asks every few seconds: nobody wants to read that."""

    return Handler

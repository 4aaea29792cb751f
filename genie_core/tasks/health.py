"""Health over HTTP, for kubelet's probes: GET of a path -> 200 or 503, and a small JSON document saying why.

Beside it other pages can be served, as metrics.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread

from genie_core.errors import IOFailure
from genie_core.sandbox.http_server import LocalHTTPServer

# path -> the problem, "" for none, and facts
Checks = Mapping[str, Callable[[], tuple[list[str], Mapping[str, object]]]]
# path -> content type, and what makes the body
Pages = Mapping[str, tuple[str, Callable[[], bytes]]]


@contextmanager
def serve(host: str, port: int, checks: Checks, pages: Pages | None = None) -> Iterator[int]:
    """Serve from a thread; returns the port, chosen by the system for 0. Raises IOFailure where it is in use."""
    try:
        server = LocalHTTPServer(host, port, _handler(checks, pages or {}))
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


def _handler(checks: Checks, pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a client that sends nothing holds a thread no longer

        def do_GET(self) -> None:
            if self.path in pages:
                content_type, body_of = pages[self.path]
                self._answer(200, content_type, body_of())
            elif self.path in checks:
                problems, facts = checks[self.path]()
                body = json.dumps({"problems": problems, **facts}).encode() + b"\n"
                self._answer(503 if problems else 200, "application/json", body)
            else:
                self.send_error(404)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no request: kubelet sends one every few seconds."""

    return Handler

"""HTTP and HTTPS around an API. One thread a connection; `close` waits for all of them."""

import json
import socket
import ssl
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from genie_core.sandbox.http_server import LocalHTTPServer

from . import execs
from .api import API, Answer, Request
from .faults import Fault, Wire, plainly, render
from .pki import Authority, Pair

_IDLE_SECONDS = 60


class APIServer:
    """A running server. `faults` are met one a request, in order; None among them is a request without one.

    With an authority it serves TLS and takes (never demands, like the real one) client certificates of that authority.
    """

    def __init__(
        self,
        api: API | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        authority: Authority | None = None,
        certificate: Pair | None = None,
        demand_client_certificate: bool = False,
    ) -> None:
        self.api = api or API()
        self.host = host
        self.faults: list[Fault | None] = []
        self.connections = 0
        self.slow_watches = 0.0
        self.stopping = Event()
        self.authority = authority
        self.context = (
            _server_context(authority, certificate, demand_client_certificate) if authority else None
        )
        self._http = _HTTPServer(self, host, port)
        self.port: int = self._http.server_port
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop: no thread and no socket of it is left."""
        self.stopping.set()
        self.api.end_watches()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()

    def hang_up(self) -> None:
        """Close the connections that there are, as a restarting server does."""
        self._http.hang_up()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.context else 'http'}://{host}:{self.port}"

    def kubeconfig(self, *, user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
        """A kubeconfig for this server, with these entries of the user and, besides, of the cluster."""
        entry: dict[str, Any] = {"server": self.url}
        if self.authority:
            entry["certificate-authority"] = str(self.authority.ca_file)
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": entry | cluster}],
            "users": [{"name": "genie", "user": user or {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "genie"}}],
            "current-context": "test",
        }

    def write_kubeconfig(self, path: Path, *, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
        path.touch(0o600)
        path.write_text(json.dumps(self.kubeconfig(user=user, **cluster)))
        return path


class _HTTPServer(LocalHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(self, owner: APIServer, host: str, port: int) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(host, port, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.owner.context:
            sock = self.owner.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        sock.settimeout(_IDLE_SECONDS)
        self._open.add(sock)
        return sock, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        _notify_close(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or refuses our certificate, is no error of the server."""

    def hang_up(self) -> None:
        for sock in list(self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # gone already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTPServer

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        self.server.owner.connections += 1
        self.number = self.server.owner.connections
        super().setup()

    def _serve(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}
        answer = owner.api.answer(
            Request(self.command, self.path, headers, body, self._client()), self.number
        )
        if answer.stream is not None:
            self._stream(answer)
            return
        if answer.run is not None:
            self._exec(answer, headers)
            return
        fault = (owner.faults.pop(0) if owner.faults else None) or plainly
        keep = fault(Wire(self.connection, owner.stopping), answer)
        self.close_connection = self.close_connection or not keep

    def _stream(self, answer: Answer) -> None:
        """A body in chunks, each as soon as it is there; `slow_watches` seconds before each."""
        owner, wire = self.server.owner, Wire(self.connection, self.server.owner.stopping)
        assert answer.stream is not None
        wire.send(render(Answer(200, b"", answer.headers), Content_Length="", Transfer_Encoding="chunked"))
        for line in answer.stream:
            if owner.slow_watches and not wire.wait(owner.slow_watches):
                break
            wire.send(b"%x\r\n%s\r\n" % (len(line), line))
        wire.send(b"0\r\n\r\n")

    def _exec(self, answer: Answer, headers: dict[str, str]) -> None:
        """Become a WebSocket that carries the streams of a process; refuse any other request."""
        assert answer.run is not None
        protocol = execs.protocol_of(headers)
        if "sec-websocket-key" not in headers or not protocol:
            problem = (
                "unable to upgrade: unable to negotiate protocol"
                if not protocol
                else "Upgrade request required"
            )
            self.connection.sendall(render(Answer(400 if protocol else 403, problem.encode() + b"\n")))
        else:
            self.connection.sendall(
                execs.handshake(headers["sec-websocket-key"], protocol) + answer.run.frames
            )
            if not answer.run.frames:
                execs.serve(self.connection, self.rfile, answer.run, protocol)
        self.close_connection = True

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _serve

    def _client(self) -> str:
        certificate: Any = self.request.getpeercert() if isinstance(self.request, ssl.SSLSocket) else None
        subject = dict(pair for part in (certificate or {}).get("subject", ()) for pair in part)
        return str(subject.get("commonName", ""))

    def log_message(self, *_: object) -> None:
        """What was asked is in the API's `requests`."""


def _notify_close(sock: Any) -> None:
    """Send TLS's close_notify, and do not wait for the answer to it."""
    if isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0:
        try:
            sock.settimeout(0)
            sock.unwrap()
        except (OSError, ValueError):
            return  # WANT_READ: it is sent; or the handshake never came to its end


def _server_context(authority: Authority, certificate: Pair | None, demand: bool) -> ssl.SSLContext:
    pair = certificate or authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED if demand else ssl.CERT_OPTIONAL
    return context

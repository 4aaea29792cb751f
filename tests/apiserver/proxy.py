"""Proxies that make tunnels, as companies have them before their clusters: HTTP (RFC 9110, 9.3.6) and SOCKS5."""

import base64
import select
import socket
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread
from typing import Self

from genie_core.sandbox.http_server import LocalHTTPServer


class Proxy:
    """A running proxy on the loopback. Whichever host a client names, it connects to that port of the loopback.

    With `account` ("user:password") it wants that account, and answers 407 else.
    """

    def __init__(self, account: str = "") -> None:
        self.tunnels: list[str] = []
        self.account = account
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                wanted = f"Basic {base64.b64encode(owner.account.encode()).decode()}"
                if owner.account and self.headers.get("Proxy-Authorization") != wanted:
                    self.send_error(407)
                    return
                owner.tunnels.append(self.path)
                port = int(self.path.rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port)) as there:
                    self.send_response(200)
                    self.end_headers()
                    _join(self.connection, there)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """What was asked is in `tunnels`."""

        self._serve(LocalHTTPServer("127.0.0.1", 0, Handler))

    def _serve(self, server: TCPServer) -> None:
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def authority(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class SocksProxy(Proxy):
    """The same with SOCKS5 (RFC 1928), without accounts."""

    def __init__(self) -> None:
        self.tunnels = []
        owner = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(2 + 255)
                self.request.sendall(b"\5\0")
                kind = self.request.recv(4)[3]
                host = self.request.recv(self.request.recv(1)[0] if kind == 3 else 4)
                port = int.from_bytes(self.request.recv(2), "big")
                owner.tunnels.append(f"{host.decode() if kind == 3 else socket.inet_ntoa(host)}:{port}")
                with socket.create_connection(("127.0.0.1", port)) as there:
                    self.request.sendall(b"\5\0\0\1" + bytes(6))
                    _join(self.request, there)

        self._serve(ThreadingTCPServer(("127.0.0.1", 0), Handler))


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(1 << 16)
            if not data:
                return
            (other if ready is one else one).sendall(data)

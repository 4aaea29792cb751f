"""One HTTP/1.1 connection for one request after another, with a deadline that covers all of a request.

The deadline holds for name resolution, connecting, the TLS handshake and a body that drips; nothing here waits
without it. Redirects are not followed and proxies not used: credentials go where the kubeconfig says.

One GET of a pod over TLS 1.3, whole process, median of 30 in ms, Python 3.11 / 3.13 -I -S, less what the process
takes without it: 9.2 / 8.8 as it is here; 20 / 21 with `ssl` and `socket`; 32 / 30 with `http.client`. The whole ADD
without it takes 25. So sockets are the C ones, and the part of RFC 9112 that an API server's answers use is read by
hand, strictly: what is not understood is an error, and tests/property/test_http_answers.py holds `read_response` to
what http.client makes of the same bytes.
"""

from time import monotonic

from genie_core.edges.kube_ahead import AHEAD
from genie_core.edges.kube_errors import BadAnswer
from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping
    from typing import Any

    from genie_core.edges.kube_cluster import Cluster
    from genie_core.edges.kube_tls import TLSStream

LARGEST_BODY = 8 << 20  # etcd holds 1.5 MiB of an object
_LARGEST_HEAD = 64 << 10
_BLOCK = 64 << 10
_HEX = frozenset("0123456789abcdefABCDEF")


class Response(Value):
    """An answer: its status, its headers by lower-case name, its whole body; `last` if the connection ends with it."""

    __slots__ = ("body", "headers", "last", "status")

    def __init__(self, status: int, headers: "Mapping[str, str]", body: bytes, last: bool = False) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.last = last


class Connection:
    """A connection to the cluster's API server, made when it is first needed and kept."""

    def __init__(self, cluster: "Cluster", clock: "Callable[[], float]" = monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._stream: socket | TLSStream | None = None
        self._context: Any = None

    def exchange(
        self, method: str, target: str, headers: "Mapping[str, str]", body: bytes, until: float
    ) -> Response:
        """Ask once and read the whole answer, before the clock shows `until`.

        Raises OSError (TimeoutError at the deadline), Untrusted, Unauthorized or BadAnswer; then the
        connection is closed.
        """
        request = _request(method, target, {"Host": self._cluster.authority} | dict(headers), body)
        try:
            response = self._ask(request, until)
        except BaseException:
            self.close()
            raise
        if response.last:
            self.close()
        return response

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _ask(self, request: bytes, until: float) -> Response:
        if self._stream is None:
            self._stream = AHEAD.stream(self._cluster)
        if self._stream is not None:
            try:
                return self._once(self._stream, request, until)
            except ConnectionError:
                self.close()  # the server hung up while the connection lay idle
        self._stream = self._open(until)
        return self._once(self._stream, request, until)

    def _once(self, stream: "socket | TLSStream", request: bytes, until: float) -> Response:
        def receive() -> bytes:
            stream.settimeout(self._left(until))
            return stream.recv(_BLOCK)

        stream.settimeout(self._left(until))
        stream.sendall(request)
        return read_response(_Reader(receive))

    def _open(self, until: float) -> "socket | TLSStream":
        sock = self._connect(until)
        if not self._cluster.tls:
            return sock
        from genie_core.edges.kube_tls import client_context, handshake

        try:
            self._context = self._context or AHEAD.context(self._cluster) or client_context(self._cluster)
            sock.settimeout(self._left(until))
            return handshake(self._context, sock, self._cluster)
        except BaseException:
            sock.close()
            raise

    def _connect(self, until: float) -> "socket":
        """The first address that answers; each has its share of the time that is left."""
        addresses = self._resolve(until)
        failure = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = new_socket(family, kind, protocol)
            try:
                sock.settimeout(self._left(until) / (len(addresses) - index))
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure

    def _resolve(self, until: float) -> "list[Any]":
        """The host's addresses. The resolver knows no deadline, so a thread waits for it, left behind if need be."""
        from _socket import AI_NUMERICHOST, SOCK_STREAM, gaierror, getaddrinfo
        from _thread import allocate_lock, start_new_thread

        host = self._cluster.host.encode("ascii")  # a str would import the IDNA codec
        port = self._cluster.port
        try:
            return getaddrinfo(host, port, 0, SOCK_STREAM, 0, AI_NUMERICHOST)
        except gaierror:
            pass  # a name
        done = allocate_lock()
        done.acquire()
        answers: list[list[Any] | OSError] = []

        def ask() -> None:
            try:
                answers.append(getaddrinfo(host, port, 0, SOCK_STREAM))
            except OSError as error:
                answers.append(error)
            finally:
                done.release()

        start_new_thread(ask, ())
        if not done.acquire(timeout=self._left(until)):
            raise TimeoutError("the name was not resolved in time")
        if isinstance(answers[0], OSError):
            raise answers[0]
        return answers[0]

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        return left


def new_socket(family: int, kind: int, protocol: int) -> "socket":
    """A TCP socket that `_ssl` takes. Raises OSError."""
    from _socket import IPPROTO_TCP, TCP_NODELAY, socket

    class Socket(socket):
        __slots__ = ("__weakref__",)  # which `_ssl` wants, and the C class lacks

    sock = Socket(family, kind, protocol)
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return sock


def _request(method: str, target: str, headers: "Mapping[str, str]", body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


# --- reading (RFC 9112) ----------------------------------------------------------------------------------


class _Reader:
    """Bytes as they come, taken by lines and by counts."""

    def __init__(self, receive: "Callable[[], bytes]") -> None:
        self._receive = receive
        self._buffer = bytearray()

    def more(self) -> bool:
        """Wait for more; False at the end of the stream."""
        block = self._receive()
        self._buffer += block
        return bool(block)

    def line(self) -> str:
        """The next line without its end."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                raise BadAnswer("the API server's answer has a line that does not end")
            if not self.more():
                raise ConnectionResetError("the connection was closed before the end of the answer")
        line = self.take(end + 1)
        return line.rstrip(b"\r\n").decode("latin-1")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) < count:
            if not self.more():
                raise ConnectionResetError("the connection was closed before the end of the answer")
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def rest(self) -> bytes:
        """All until the stream ends."""
        while self.more():
            _check_size(len(self._buffer))
        return self.take(len(self._buffer))

    @property
    def empty(self) -> bool:
        return not self._buffer


def read_response(reader: _Reader) -> Response:
    """A whole answer. Raises BadAnswer for what is not HTTP, ConnectionResetError where it is cut off."""
    version, status, headers = _read_head(reader)
    while 100 <= status < 200:
        version, status, headers = _read_head(reader)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise BadAnswer("the API server's answer is compressed, although the request did not allow it")
    body, delimited = _read_body(reader, status, headers)
    keep = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    return Response(status, headers, body, last=not (keep and delimited and reader.empty))


def _read_head(reader: _Reader) -> tuple[str, int, dict[str, str]]:
    """Version, status and headers; several of one name are joined by commas."""
    version, _, tail = reader.line().partition(" ")
    code = tail.partition(" ")[0]
    if version not in ("HTTP/1.0", "HTTP/1.1") or not _is_number(code) or len(code) != 3:
        raise BadAnswer("what the API server answers is not HTTP/1.1")
    headers: dict[str, str] = {}
    size = 0
    while line := reader.line():
        name, colon, value = line.partition(":")
        size += len(line)
        if not colon or not name or name != name.strip() or size > _LARGEST_HEAD:
            raise BadAnswer("the headers of the API server's answer are malformed or too large")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return version, int(code), headers


def _read_body(reader: _Reader, status: int, headers: "Mapping[str, str]") -> tuple[bytes, bool]:
    """The body, and whether its end was marked by more than the end of the stream."""
    if status in (204, 304):
        return b"", True
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise BadAnswer("the API server's answer has an unknown transfer encoding")
        return _read_chunks(reader), True
    if length is None:
        return reader.rest(), False
    if not _is_number(length):
        raise BadAnswer("the API server's answer has no proper Content-Length")
    _check_size(int(length))
    return reader.take(int(length)), True


def _read_chunks(reader: _Reader) -> bytes:
    body = bytearray()
    while True:
        size = reader.line().partition(";")[0].strip()
        if not size or len(size) > 8 or not _HEX.issuperset(size):
            raise BadAnswer("the API server's answer has a malformed chunk")
        count = int(size, 16)
        if count == 0:
            break
        _check_size(len(body) + count)
        body += reader.take(count)
        if reader.line():
            raise BadAnswer("the API server's answer has a malformed chunk")
    while reader.line():
        pass  # trailers
    return bytes(body)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _check_size(count: int) -> None:
    if count > LARGEST_BODY:
        raise BadAnswer(f"the API server's answer is larger than {LARGEST_BODY >> 20} MiB")

"""Requests through the connection pool that the package `kubernetes` makes from its configuration.

The pool knows proxies and the name that the server's certificate must have; TLS is set up as the plugin's own client
does it (kube_tls), since the interpreter's defaults refuse authorities that kubectl accepts. Redirects are not
followed, no request is repeated here, an answer has a largest size, and a thread keeps the deadline: neither the
resolver nor a body that comes a byte at a time would.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as Late
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from genie_core.edges.kube_cluster import Cluster
from genie_core.edges.kube_errors import BadAnswer
from genie_core.edges.kube_http import LARGEST_BODY, Response
from genie_core.edges.kube_tls import secure, translate
from genie_core.errors import GenieError
from genie_core.survey.collection import in_thread

if TYPE_CHECKING:
    from genie_core.survey.user_websocket import Messages

_CONNECT_SECONDS = 10.0
_UPGRADE_SECONDS = 30.0  # the API server asks the kubelet, and that the runtime, before it answers
_WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class PooledConnection:
    """Carries requests to `cluster` as a configuration of the package `kubernetes` says.

    `more` are headers of every request, of which several may have the same name. Raises what a TLS context raises.
    """

    def __init__(self, cluster: Cluster, configuration: Any, more: Sequence[tuple[str, str]] = ()) -> None:
        from kubernetes.client.rest import RESTClientObject

        self._cluster = cluster
        self._more = more
        self._pools = RESTClientObject(configuration).pool_manager
        if cluster.tls:
            self._pools.connection_pool_kw["ssl_context"] = _tls_context(cluster)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, until: float
    ) -> Response:
        """Ask once and read the whole answer, before the monotonic clock shows `until`.

        Raises OSError (TimeoutError at the deadline), Untrusted, Unauthorized or BadAnswer.
        """
        seconds = until - monotonic()
        if seconds <= 0:
            raise TimeoutError("no whole answer in time")
        asked = in_thread(lambda: self._ask(method, target, headers, body, seconds))
        try:
            return asked.result(seconds)
        except Late:
            if asked.done():
                raise
            raise TimeoutError("no whole answer in time") from None

    def lines(
        self,
        target: str,
        headers: Mapping[str, str],
        silent: float,
        refusal: Callable[[Response], GenieError],
    ) -> Iterator[bytes]:
        """The lines of an answer that goes on, each as soon as it is there, until the server ends it.

        The request is made at once. After `silent` seconds without any byte the answer is given up. Raises what
        `exchange` raises, and the `refusal` of an answer that is not 200.
        """
        import urllib3

        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=silent)
        try:
            answer = self._open("GET", target, headers, b"", timeout)
            if answer.status != HTTPStatus.OK:
                raise refusal(_read(answer))
        except urllib3.exceptions.HTTPError as error:
            _refuse(error, self._cluster)
        return self._rest_of(answer)

    def upgrade(
        self, target: str, headers: Mapping[str, str], refusal: Callable[[Response], GenieError]
    ) -> Messages:
        """Make a WebSocket of a connection (RFC 6455, 4.1), which its method `end` closes.

        Raises what `exchange` raises, and the `refusal` of an answer that is not 101.
        """
        import urllib3

        key = base64.b64encode(os.urandom(16)).decode("ascii")
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_UPGRADE_SECONDS)
        try:
            answer = self._open("GET", target, {**headers, **asked}, b"", timeout)
            if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
                raise refusal(_read(answer))
        except urllib3.exceptions.HTTPError as error:
            _refuse(error, self._cluster)
        if answer.headers.get("Sec-WebSocket-Accept") != _accepted(key):
            answer.close()
            raise BadAnswer("the API server's answer is not that of a WebSocket")
        return _websocket(answer)

    def _rest_of(self, answer: Any) -> Iterator[bytes]:
        import urllib3

        try:
            yield from _lines(answer.stream(1 << 16, decode_content=True))
        except urllib3.exceptions.HTTPError as error:
            _refuse(error, self._cluster)
        finally:
            answer.close()

    def close(self) -> None:
        self._pools.clear()

    def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Response:
        import urllib3

        try:
            return _read(self._open(method, target, headers, body, seconds))
        except urllib3.exceptions.HTTPError as error:
            _refuse(error, self._cluster)

    def _open(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout: Any) -> Any:
        """The answer, of which the body is still to be read."""
        import urllib3

        fields = urllib3.HTTPHeaderDict(headers)
        for name, value in self._more:
            fields.add(name, value)
        return self._pools.urlopen(
            method,
            f"{'https' if self._cluster.tls else 'http'}://{self._cluster.authority}{target}",
            body=body or None,
            headers=fields,
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
        )


def _websocket(answer: Any) -> Messages:
    """The connection of an answer 101; the bytes that came right behind its headers are the first ones to be read."""
    from genie_core.survey.user_websocket import Messages

    sock, answer.connection.sock = answer.connection.sock, None
    sock.setblocking(False)
    try:
        early = bytes(answer._fp.fp.peek())  # noqa: SLF001 (what http.client has read behind the headers)
    except OSError:  # TLS, and nothing is there
        early = b""
    answer.close()
    return Messages(sock, early)


def _accepted(key: str) -> str:
    """What a server answers to that key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1(f"{key}{_WEBSOCKET_GUID}".encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The complete lines of a body that comes in any parts. Raises BadAnswer for one that is too long."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > LARGEST_BODY:
            raise BadAnswer(f"a line of the API server's answer is larger than {LARGEST_BODY >> 20} MiB")
        yield from (line for line in whole if line)


def _read(answer: Any) -> Response:
    """The whole answer; its connection goes back to the pool."""
    try:
        body = answer.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise BadAnswer(f"the API server's answer is larger than {LARGEST_BODY >> 20} MiB")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)


def _refuse(error: Any, cluster: Cluster) -> NoReturn:
    """Raise what the plugin's own client would: an OSError for a server that is away, else what is wrong."""
    import ssl

    from urllib3 import exceptions

    cause = _cause(error)
    if isinstance(error, exceptions.ProxyError):
        raise OSError(f"the proxy: {getattr(cause, 'strerror', None) or cause}") from None
    if isinstance(cause, ssl.SSLError):
        translate(cause, cluster)
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        raise cause from None
    if isinstance(cause, (TimeoutError, exceptions.TimeoutError)):
        raise TimeoutError("no whole answer in time") from None
    if isinstance(error, exceptions.ProtocolError):
        raise ConnectionResetError("the connection was closed before the end of the answer") from None
    raise BadAnswer(f"what the API server answers is not understood ({type(error).__name__})") from None


def _cause(error: BaseException) -> BaseException:
    """The innermost exception that urllib3 has wrapped: an argument of it, or what it was raised from."""
    wrapped = [*error.args, getattr(error, "original_error", None), error.__cause__]
    inner = next((item for item in wrapped if isinstance(item, BaseException)), None)
    return error if inner is None else _cause(inner)


def _tls_context(cluster: Cluster) -> Any:
    """As kube_tls makes it, of the kind that urllib3 takes."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    secure(context, cluster)
    if cluster.insecure:
        import urllib3

        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # user_cluster warns once
    return context

"""A TLS connection to the API server that is made while a process of `genie serve` waits for a call, and kept idle."""

from _socket import AI_NUMERICHOST, IPPROTO_TCP, SOCK_STREAM, TCP_USER_TIMEOUT, getaddrinfo
from select import EPOLLIN, EPOLLOUT

from genie_core.edges.kube_http import new_socket
from genie_core.edges.kube_tls import TLSStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genie_core.edges.kube_cluster import Cluster

_UNANSWERED_MS = 2000  # a connection that was lost on the way without a word is then given up for another


class Line:
    """A TLS connection that is being made, and then idle. Nothing here waits."""

    def __init__(self, cluster: "Cluster", context: "Any") -> None:
        """Raises OSError."""
        host = cluster.host.encode("ascii")
        family, kind, protocol, _, address = getaddrinfo(
            host, cluster.port, 0, SOCK_STREAM, 0, AI_NUMERICHOST
        )[0]
        self._sock = new_socket(family, kind, protocol)
        try:
            self._sock.settimeout(0)
            self._sock.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, _UNANSWERED_MS)
            try:
                self._sock.connect(address)
            except BlockingIOError:  # under way
                pass
            self._tls = context._wrap_socket(self._sock, False, cluster.server_name)  # noqa: SLF001
        except OSError:
            self._sock.close()
            raise
        self.is_ready = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def proceed(self) -> int:
        """The events of epoll(7) that it waits for now; 0 once it has failed or was closed."""
        from _ssl import SSLWantReadError, SSLWantWriteError  # which an interpreter can lack

        try:
            if not self.is_ready:
                self._tls.do_handshake()
                self.is_ready = True
            self._tls.read(1)  # takes in session tickets; a server has nothing to say before a request
        except SSLWantReadError:
            return EPOLLIN
        except SSLWantWriteError:
            return EPOLLOUT
        except OSError:  # the call makes its own connection, and says what is wrong
            return 0
        return 0

    def stream(self, cluster: "Cluster") -> TLSStream:
        return TLSStream(self._sock, self._tls, cluster)

"""What a process of `genie serve` makes for the API server before the call that needs it: a context and a connection.

OpenSSL takes a millisecond for a context and its certificate authority, and a handshake takes three. A process that
waits for a call makes them for the kubeconfig that the last call used; all of the server's processes share its name in
a memory file. Both are used only where the call's own address and files say the same, byte by byte.

A connection is made only soon after a call that asked the API server, and not again once that has closed it: a node
where no pods start has none.
"""

import posix
from time import monotonic

from genie_core.errors import GenieError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from select import epoll
    from typing import Any, Protocol

    from genie_core.edges.kube_cluster import Cluster
    from genie_core.edges.kube_tls import TLSStream

    class Line(Protocol):
        """What is made: kube_line.Line."""

        is_ready: bool

        def fileno(self) -> int: ...
        def proceed(self) -> int: ...
        def stream(self, cluster: Cluster) -> TLSStream: ...
        def close(self) -> None: ...


_LONGEST = 4096  # PATH_MAX of linux/limits.h
_TIME = 8  # bytes: when the last call asked, in milliseconds of CLOCK_MONOTONIC
_KIND = "kubeconfig"  # how the source of a cluster begins, where that is a file
_RECENT_SECONDS = 90  # kube-apiserver closes a connection that has been idle for so long


class Ahead:
    """What is kept of the last call, and for the next one."""

    def __init__(self) -> None:
        self._last = -1
        self._made: tuple[Cluster, object, Any] | None = None
        self._line: Line | None = None

    def share(self) -> None:
        """Make the memory file; the processes that are forked from here on use it. Raises OSError."""
        self._last = posix.memfd_create(_KIND, posix.MFD_CLOEXEC)

    def note(self, cluster: "Cluster") -> None:
        """Note the kubeconfig of a call that asks the API server now, if there is one."""
        kind, _, name = cluster.source.partition(" ")
        data = name.encode("utf-8", "surrogateescape")
        if self._last >= 0 and kind == _KIND and len(data) < _LONGEST:
            now = int(monotonic() * 1000).to_bytes(_TIME, "little")
            posix.pwrite(self._last, now + data.ljust(_LONGEST, b"\0"), 0)

    def kubeconfig(self) -> str:
        """The file that the last call used; "" before the first."""
        if self._last < 0:
            return ""
        return posix.pread(self._last, _LONGEST, _TIME).rstrip(b"\0").decode("utf-8", "surrogateescape")

    def prepare(self, cluster: "Cluster", make: "Callable[[Cluster], Any]") -> None:
        """Keep the context that `make` makes for this cluster, unless its files were replaced meanwhile."""
        contents = _contents(cluster)
        context = make(cluster)
        self._made = (cluster, contents, context) if contents == _contents(cluster) else None

    def context(self, cluster: "Cluster") -> "Any":
        """The context that was made for such a cluster; None where there is none."""
        return self._made[2] if self._made and self._made[1] == _contents(cluster) else None

    def connect(self, poller: "epoll", make: "Callable[[Cluster, Any], Line]") -> None:
        """Have `make` begin a connection, if a call has asked lately; `poller` then waits for what it waits for."""
        if self._made is None or self._line is not None or not self._asked_lately():
            return
        try:
            self._line = make(self._made[0], self._made[2])
        except (OSError, ValueError):  # a host name, which is not resolved here, or no route
            return
        poller.register(self._line.fileno(), 0)
        self.proceed(poller)

    def fileno(self) -> int:
        """The connection's descriptor; -1 where there is none."""
        return self._line.fileno() if self._line else -1

    def proceed(self, poller: "epoll") -> None:
        """Go on with the connection as far as that takes no waiting; drop it where it has ended."""
        if self._line is None:
            return
        if wanted := self._line.proceed():
            poller.modify(self._line.fileno(), wanted)
            return
        poller.unregister(self._line.fileno())
        self._line.close()
        self._line = None

    def stream(self, cluster: "Cluster") -> "TLSStream | None":
        """The connection that was made to such a cluster, once; None where there is none, or it has been closed."""
        self.note(cluster)
        line, self._line = self._line, None
        if line is None:
            return None
        if line.proceed() and line.is_ready and self.context(cluster):
            return line.stream(cluster)
        line.close()
        return None

    def _asked_lately(self) -> bool:
        if self._last < 0:
            return False
        asked = int.from_bytes(posix.pread(self._last, _TIME, 0), "little")
        return bool(asked) and monotonic() * 1000 - asked < _RECENT_SECONDS * 1000


def _contents(cluster: "Cluster") -> object:
    """What a connection is made with. It is equal to no other where a file cannot be read, or with the system's CAs."""
    if not cluster.ca and not cluster.insecure:
        return object()
    files = cluster.ca, cluster.credentials.certificate, cluster.credentials.key
    address = cluster.host, cluster.port, cluster.server_name, cluster.insecure
    try:
        return *address, *(pem and pem.content() for pem in files)
    except GenieError:
        return object()


AHEAD = Ahead()

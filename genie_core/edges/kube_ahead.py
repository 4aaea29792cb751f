"""A TLS context that is made before the call that needs it, in a process of `genie serve`.

OpenSSL takes a millisecond for a context and its certificate authority. A process that waits for a call makes them for
the kubeconfig that the last call used; all of the server's processes share its name in a memory file. The context is
used where the call's own files say the same, byte by byte.
"""

import posix

from genie_core.edges.files import open_regular, read_all
from genie_core.errors import GenieError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genie_core.edges.kube_cluster import Cluster, Pem

_LONGEST = 4096  # PATH_MAX of linux/limits.h
_NAME = "kubeconfig "  # how the source of a cluster begins, where that is a file


class Ahead:
    """What is kept of the last call, and for the next one."""

    def __init__(self) -> None:
        self._last = -1
        self._made: tuple[object, Any] | None = None

    def share(self) -> None:
        """Make the memory file; the processes that are forked from here on use it. Raises OSError."""
        self._last = posix.memfd_create("kubeconfig", posix.MFD_CLOEXEC)

    def note(self, cluster: "Cluster") -> None:
        """Note what a connection is made with."""
        name = cluster.source.removeprefix(_NAME).encode("utf-8", "surrogateescape")
        if self._last >= 0 and len(name) < _LONGEST:
            posix.pwrite(self._last, name.ljust(_LONGEST, b"\0"), 0)

    def kubeconfig(self) -> str:
        """The file that the last call used; "" before the first."""
        if self._last < 0:
            return ""
        return posix.pread(self._last, _LONGEST, 0).rstrip(b"\0").decode("utf-8", "surrogateescape")

    def keep(self, cluster: "Cluster", context: "Any") -> None:
        """Keep a context that was made for this cluster."""
        self._made = _contents(cluster), context

    def take(self, cluster: "Cluster") -> "Any":
        """The context that was made for such a cluster, once; None where there is none."""
        made, self._made = self._made, None
        return made[1] if made and made[0] == _contents(cluster) else None


def _contents(cluster: "Cluster") -> object:
    """What a context holds; a value equal to no other where a file cannot be read, or the system's CAs are used."""
    credentials = cluster.credentials
    if not cluster.ca and not cluster.insecure:
        return object()
    try:
        return cluster.insecure, _bytes(cluster.ca), _bytes(credentials.certificate), _bytes(credentials.key)
    except (GenieError, OSError, ValueError):
        return object()


def _bytes(pem: "Pem | None") -> bytes:
    if pem is None or not pem.path:
        return pem.data if pem else b""
    fd = open_regular(pem.path)
    try:
        return read_all(fd)
    finally:
        posix.close(fd)


AHEAD = Ahead()

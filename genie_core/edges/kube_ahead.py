"""A TLS context that is made before the call that needs it, in a process of `genie serve`.

OpenSSL takes a millisecond for a context and its certificate authority. A process that waits for a call makes them for
the kubeconfig that the last call used; all of the server's processes share its name in a memory file. The context is
used where the call's own files say the same, byte by byte.
"""

import posix

from genie_core.errors import GenieError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from genie_core.edges.kube_cluster import Cluster

_LONGEST = 4096  # PATH_MAX of linux/limits.h
_KIND = "kubeconfig"  # how the source of a cluster begins, where that is a file


class Ahead:
    """What is kept of the last call, and for the next one."""

    def __init__(self) -> None:
        self._last = -1
        self._made: tuple[object, Any] | None = None

    def share(self) -> None:
        """Make the memory file; the processes that are forked from here on use it. Raises OSError."""
        self._last = posix.memfd_create(_KIND, posix.MFD_CLOEXEC)

    def note(self, cluster: "Cluster") -> None:
        """Note the kubeconfig that a connection is made with, if there is one."""
        kind, _, name = cluster.source.partition(" ")
        data = name.encode("utf-8", "surrogateescape")
        if self._last >= 0 and kind == _KIND and len(data) < _LONGEST:
            posix.pwrite(self._last, data.ljust(_LONGEST, b"\0"), 0)

    def kubeconfig(self) -> str:
        """The file that the last call used; "" before the first."""
        if self._last < 0:
            return ""
        return posix.pread(self._last, _LONGEST, 0).rstrip(b"\0").decode("utf-8", "surrogateescape")

    def prepare(self, cluster: "Cluster", make: "Callable[[Cluster], Any]") -> None:
        """Keep the context that `make` makes for this cluster, unless its files were replaced meanwhile."""
        contents = _contents(cluster)
        context = make(cluster)
        self._made = (contents, context) if contents == _contents(cluster) else None

    def take(self, cluster: "Cluster") -> "Any":
        """The context that was made for such a cluster, once; None where there is none."""
        made, self._made = self._made, None
        return made[1] if made and made[0] == _contents(cluster) else None


def _contents(cluster: "Cluster") -> object:
    """What a context holds; a value equal to no other where a file cannot be read, or the system's CAs are used."""
    if not cluster.ca and not cluster.insecure:
        return object()
    pair = cluster.credentials.certificate, cluster.credentials.key
    try:
        return cluster.insecure, *(pem and pem.content() for pem in (cluster.ca, *pair))
    except GenieError:
        return object()


AHEAD = Ahead()

"""The bridges of logical networks: the bridge plugin makes them, and here they are removed when no pod is left on one.

Between the plugin's look for its bridge and its new port on it the bridge must stay. So an ADD shares one byte of the
node's lock file per bridge, and a removal needs that byte alone (fcntl(2), F_SETLK: independent of the file's flock).
The kernel releases it whatever is killed. On the kubelet path, for pods with such a network.
"""

import posix
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, lockf

from genie_core.edges.files import open_private
from genie_core.edges.netlink import open_here
from genie_core.select.underlay import bridge_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Held:
    """Bridges that are not removed until the context ends. `path` is the node's lock file."""

    def __init__(self, path: str, names: "Iterable[str]") -> None:
        self._fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
        for name in names:
            lockf(self._fd, LOCK_SH, 1, bridge_number(name))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        posix.close(self._fd)


def remove_unused(path: str, name: str) -> bool:
    """Remove the bridge if it has no port and no ADD is about to use it. False where it stays.

    Raises KernelRefused, Denied, IOFailure.
    """
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    try:
        lockf(fd, LOCK_EX | LOCK_NB, 1, bridge_number(name))
        with open_here() as kernel:
            links = kernel.links()
            bridge = links.get(name)
            if bridge is None or any(link.master == bridge.index for link in links.values()):
                return False
            kernel.delete_link(bridge)
            return True
    except BlockingIOError:
        return False
    finally:
        posix.close(fd)

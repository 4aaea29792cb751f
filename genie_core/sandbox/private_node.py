"""A private copy of this node, in which CNI plugins change nothing outside of it (see `private_node_inside`).

    with PrivateNode() as node:
        netns = node.add_namespace("pod")
        ran = node.run(["/usr/lib/cni/bridge"], env={...}, stdin="{...}")

It works for root and for an ordinary user. The node, and everything in it, ends with this process.
"""

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Self

from genie_core.errors import Denied, GenieError, TryAgain
from genie_core.sandbox.node_process import ROOT, START_TIMEOUT, NodeProcess, Places
from genie_core.sandbox.private_node_links import UPLINK, NodeLink

# The state of CNI plugins: empty in a private node. /run: sockets of daemons, locks, namespaces.
HIDDEN = ("/run", "/var/run", "/var/lib/cni")
# The real node's content, writable in the private one, with two levels of directories below:
# configurations (/etc/cni/genie/net.d) and the plugin's versions (/opt/cni/bin/.genie/VERSION) are written there.
COPIED = ("/etc/cni", "/opt/cni/bin")
LEVELS = 2


class PrivateNode(NodeProcess):
    """A node of its own, for the length of a `with` block.

    `copied` directories have the real node's content and are writable, in addition to COPIED; `visible` paths stay
    although the node hides the directory above them; `links` are its interfaces. With `confined` root has no rights
    outside of the node; without, it can make private nodes inside. It lives as long as the thread that made it.
    Raises Denied where this kernel or this container does not let this user make namespaces.
    """

    is_private = True
    places = Places()

    def __init__(
        self,
        *,
        copied: Sequence[str] = (),
        visible: Sequence[str] = (),
        links: Sequence[NodeLink] = (UPLINK,),
        confined: bool = True,
    ) -> None:
        self._wanted = {
            "confined": confined,
            "hidden": [path for path in HIDDEN if not os.path.islink(path)],
            "copied": [*((path, LEVELS) for path in COPIED), *((path, 0) for path in copied)],
            "links": [asdict(link) for link in links],
            "visible": [os.path.realpath(path) for path in (*visible, ROOT, sys.prefix, sys.base_prefix)],
        }

    def __enter__(self) -> Self:
        try:
            self.start("genie_core.sandbox.private_node_inside", self._wanted)
        except OSError as error:
            raise _explained(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.end()  # its child, the node's first process, dies with it

    def entering(self, netns: str) -> list[str]:
        """The prefix of a command that runs it in the node, from outside, and in the pod's namespace."""
        parent = self._process.pid
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            first = file.read().split()[0]
        return [
            "nsenter",
            *(["--user", "--preserve-credentials"] if _is_foreign(f"/proc/{first}/ns/user") else []),
            f"--target={first}",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            f"--net=/proc/{first}/root{netns}",
        ]


def _is_foreign(namespace: str) -> bool:
    """Whether it is another user namespace than this process's."""
    return not os.path.samestat(os.stat(namespace), os.stat("/proc/self/ns/user"))


def _explained(error: OSError) -> GenieError:
    """The error for a private node that could not be made."""
    if isinstance(error, TimeoutError):
        return TryAgain(f"the private node was not ready within {START_TIMEOUT:g} seconds")
    place = f" ({error.filename})" if error.filename else ""
    reason = f"a private node cannot be made here: {error.strerror or error}{place}"
    if isinstance(error, FileNotFoundError) and error.filename == "ip":
        return GenieError(reason, hint="install iproute2 (apt-get install iproute2)")
    if error.errno in _FORBIDDEN:
        return Denied(reason, hint=_PERMISSION_HINT)
    return GenieError(reason)


_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS)  # the last two: user.max_user_namespaces
_PERMISSION_HINT = (
    "user namespaces are closed to this user; run it as root, or allow them: "
    "sysctl kernel.unprivileged_userns_clone=1 (Debian), "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces > 0"
)

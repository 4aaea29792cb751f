"""The edges that commands give to their tasks, and their default directories.

Every command imports this; what only dry runs and searches need is imported in the functions.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from genie_cli import options
from genie_cli.render import note
from genie_core.edges.kube import KubeAPI
from genie_core.errors import EXIT_TIMEOUT
from genie_core.settings import CACHE_DIR, CONF_DIR, IPAM_DIR
from genie_core.survey.rootfs import Root, seen_otherwise
from genie_core.survey.user_cluster import Access, connect, no_server
from genie_core.tasks.node_state import own_configuration

if TYPE_CHECKING:
    from genie_core.sandbox.host_node import HostNode
    from genie_core.sandbox.private_node import PrivateNode
    from genie_core.tasks.dry_run.searched import Searched

_COMING = ("conf_dir", "state_dir", "ipam_dir", "cache_dir")


def searched(flags: options.ConfDirs, bin_dirs: Sequence[str]) -> Searched:
    """The directories that the flags name, else those of the runtime. Raises GenieError for missing ones."""
    from genie_core.survey.places import Places, require_named
    from genie_core.tasks.dry_run.searched import search

    require_named(Places(conf_dirs=flags.conf_dirs))
    return search(flags.conf_dirs, search_path(bin_dirs) if bin_dirs else ())


def search_path(asked: Sequence[str]) -> list[str]:
    """The directories of plugin binaries that exist: of those asked for, else of those that the runtime searches.

    It is a search path, so some may be missing. Raises GenieError where all that were asked for are.
    """
    from genie_core.survey.places import Places, require_named
    from genie_core.tasks.dry_run.searched import search

    if not asked:
        return list(search((), ()).bin_dirs)
    require_named(Places(bin_dirs=tuple(asked)))
    return [path for path in asked if Path(path).is_dir()]


def warn_of_missing(flags: object) -> None:
    """Warn of directories and of a socket that flags name and that do not exist: misspelt ones look like empty ones.

    Those of Genie and of the runtime may come with the first pod, and so may the default ones.
    """
    from genie_core.survey.places import Places, missing_of

    root = Root(getattr(flags, "root", "/"))
    named = [(f"--{name.replace('_', '-')}", getattr(flags, name, "")) for name in _COMING]
    usual = ("", CONF_DIR, IPAM_DIR, CACHE_DIR)
    gone = [(flag, path) for flag, path in named if path not in usual and not root.exists(path)]
    for flag, path in gone + (missing_of(flags) if isinstance(flags, Places) else []):
        note(f"warning: {flag} {path}: there is no such directory")
    socket = flags.cri_socket.removeprefix("unix://") if isinstance(flags, Places) else ""
    if socket and not root.exists(socket):
        note(f"warning: --cri-socket {socket}: there is no such socket")


class Reached(Protocol):
    """Flags that name a kubeconfig."""

    @property
    def kubeconfig(self) -> str: ...


class Named(Protocol):
    """Flags that name a node, and whether this machine is to be taken for it."""

    @property
    def node(self) -> str: ...

    @property
    def here(self) -> bool: ...


def access(flags: Reached) -> Access:
    """Which API server --kubeconfig and --context mean; an insecure one is warned of once."""
    context = getattr(flags, "context", "")
    return Access(kubeconfig=flags.kubeconfig, context=context, warn=_warn_once)


def is_here(flags: Named, access: Access, *, to_change: bool = False) -> bool:
    """Whether the node that --node names is this machine. Raises GenieError where that cannot be found out.

    A command that is `to_change` the node does not guess without an API server.
    """
    if flags.here or not flags.node:
        return True
    from genie_core.tasks.this_node import is_this

    own, is_known = node_of("")
    return is_this(flags.node, own, access, is_explicit=is_known, to_change=to_change)


@cache
def _warn_once(text: str) -> None:
    note(f"warning: {text}")


def api(flags: options.Cluster, seconds: float) -> KubeAPI:
    """The API server that the flags name, for so many seconds. Raises GenieError where there is none."""
    found = connect(access(flags), seconds)
    if found is None:
        raise no_server()
    return found


@contextmanager
def timed(seconds: float) -> Iterator[None]:
    """Give the error of an API server that has not answered in so many seconds the exit code of a timeout."""
    from genie_core.edges.kube_errors import Unreachable

    until = monotonic() + seconds
    try:
        yield
    except Unreachable as error:
        if monotonic() < until:
            raise
        raise error.replace(exit_code=EXIT_TIMEOUT) from None


def node_of(asked: str) -> tuple[str, bool]:
    """This node's name, and whether it was given."""
    explicit = asked or os.environ.get("NODE_NAME", "")
    return explicit or socket.gethostname(), bool(explicit)


def private_node(conf_dirs: Sequence[str], bin_dirs: Sequence[str], *, alike: bool = False) -> PrivateNode:
    """A private node, not started yet, in which these directories are visible, and `conf_dirs` writable.

    `alike`: with interfaces of the same names, MTUs and addresses as this node's. Raises IOFailure.
    """
    from genie_core.sandbox.private_node import PrivateNode
    from genie_core.sandbox.private_node_links import UPLINK
    from genie_core.survey.netlink import read_links
    from genie_core.tasks.dry_run.likeness import likeness

    links = likeness(read_links()) if alike else [UPLINK]
    return PrivateNode(copied=conf_dirs, visible=[*conf_dirs, *bin_dirs], links=links)


def host_node() -> HostNode:
    """This node itself, for a dry run."""
    from genie_core.sandbox.host_node import HostNode
    from genie_core.tasks.abandoned import undo

    return HostNode(undo)


def warn_of_container(*paths: str) -> None:
    """Warn where this is a container that shares the node's processes, but not its files."""
    for path in seen_otherwise(*paths)[:1]:
        note(
            f"warning: {path} is not the node's: this runs in a container, or in a mount namespace of its own; "
            "run it on the node itself (nsenter --target 1 --mount --net)"
        )


def configuration(flags: options.OwnFiles) -> tuple[dict[str, Any], dict[str, Any]]:
    """Genie's own entry, {} where the node has none, and the configuration to read the node by."""
    warn_of_missing(flags)
    return own_configuration(flags.conf_dir, flags.state_dir)

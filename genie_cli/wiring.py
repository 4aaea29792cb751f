"""Where the command line makes the core's edges: default places, looked at once, here."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from genie_cli.render import note
from genie_core import settings
from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.sandbox.host_node import HostNode
from genie_core.sandbox.private_node import PrivateNode
from genie_core.sandbox.private_node_links import UPLINK
from genie_core.survey.nodenet import read_node
from genie_core.survey.rootfs import seen_otherwise
from genie_core.survey.user_cluster import Access, find_cluster
from genie_core.tasks.abandoned import undo
from genie_core.tasks.dry_run.likeness import likeness
from genie_core.tasks.dry_run.searched import Searched, search
from genie_core.tasks.node_state import own_entry, read_conflist
from genie_core.tasks.pods import parse_name

BIN_DIRS = tuple(Path(path) for path in settings.USUAL_BIN_DIRS)
CONF_DIR = Path(settings.CONF_DIR)


def searched(conf_dir: Sequence[Path] | None, bin_dir: Sequence[Path] | None) -> Searched:
    """Where the runtime looks, or where it was asked to. Raises GenieError for directories that are not there."""
    return search(conf_dirs(conf_dir) if conf_dir else (), bin_dirs(bin_dir) if bin_dir else ())


def bin_dirs(asked: Sequence[Path] | None) -> list[str]:
    """The directories of plugin binaries that exist: of those asked for, else of those that the runtime searches.

    It is a search path, so some may be missing. Raises GenieError where all that were asked for are.
    """
    if not asked:
        return list(search((), ()).bin_dirs)
    found = [str(path.absolute()) for path in asked if path.is_dir()]
    if not found:
        raise _missing("--bin-dir", asked[0])
    return found


def conf_dirs(asked: Sequence[Path] | None) -> list[str]:
    """The directories of configurations: those asked for, else the usual one if it exists. Raises GenieError."""
    for path in asked or ():
        if not path.is_dir():
            raise _missing("--conf-dir", path)
    return [str(path.absolute()) for path in asked or (CONF_DIR,) if path.is_dir()]


def _missing(flag: str, path: Path) -> GenieError:
    return GenieError(f"{flag} {path}: there is no such directory", exit_code=EXIT_USAGE)


def access(kubeconfig: Path | str | None, context: str) -> Access:
    """Which API server --kubeconfig and --context mean; what is not safe about it is said once."""
    path = str(Path(kubeconfig).absolute()) if kubeconfig else ""
    return Access(kubeconfig=path, context=context, warn=_warn_once)


@cache
def _warn_once(text: str) -> None:
    note(f"warning: {text}")


def pod_name(text: str, namespace: str, chosen: Access) -> tuple[str, str]:
    """(namespace, name) of `NS/NAME`, `NAME` or `pod/NAME`; without a namespace, that of the context.

    Raises GenieError for nothing, and for two namespaces.
    """
    return object_name(text, namespace, chosen, "pod")


def object_name(text: str, namespace: str, chosen: Access, kind: str) -> tuple[str, str]:
    """The same of an object of another kind, in words."""
    space, name = parse_name(text, namespace, kind)
    return space or _namespace(chosen), name


def _namespace(chosen: Access) -> str:
    try:
        found = find_cluster(chosen)
    except GenieError:
        found = None  # whoever asks that server is told why it cannot be
    return (found.namespace if found else "") or "default"


def node_of(asked: str) -> tuple[str, bool]:
    """This node's name, and whether it was given."""
    explicit = asked or os.environ.get("NODE_NAME", "")
    return explicit or socket.gethostname(), bool(explicit)


def private_node(conf_dirs: Sequence[str], bin_dirs: Sequence[str], *, alike: bool = False) -> PrivateNode:
    """A private node, not started yet, with these directories in it; the former may be written to there.

    `alike`: with interfaces of the same names, MTUs and addresses as this node's. Raises IOFailure.
    """
    links = likeness(read_node()) if alike else [UPLINK]
    return PrivateNode(copied=conf_dirs, visible=[*conf_dirs, *bin_dirs], links=links)


def host_node() -> HostNode:
    """This node itself, for a dry run."""
    return HostNode(undo)


def warn_of_container(*paths: str) -> None:
    """Say that the node is elsewhere, where this is a container that shares its processes only."""
    for path in seen_otherwise(*paths)[:1]:
        note(
            f"warning: {path} is not the node's: this runs in a container, or in a mount namespace of its own; "
            "run it on the node itself (nsenter --target 1 --mount --net)"
        )


def configuration(conf_dir: Path, state_dir: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Genie's own entry, {} where the node has none, and the configuration to read the node by."""
    where = str(conf_dir.absolute())
    own = read_conflist(conf_dir / "00-genie.conflist") or own_entry([where])
    config: dict[str, Any] = own or {"conf_dirs": [where]}
    return own, {**config, "state_dir": str(state_dir.absolute())} if state_dir else config


def text_of(name: str) -> str:
    """The text of the file that --pod-file names, - for stdin. Raises GenieError (wrong usage)."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise GenieError(f"--pod-file {name}: {reason}", exit_code=EXIT_USAGE) from None

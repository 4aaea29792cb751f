"""Commands about a node, run from any machine: on that node, through the API server, with the user's own rights.

Where that is not possible, `NotRun` has the one command to run on the node.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from genie_cli import candidates, terminal
from genie_cli.flags import flag, switch, typed
from genie_cli.options import CLUSTER, parse_namespace
from genie_cli.progress import Progress
from genie_cli.render import note
from genie_core.errors import EXIT_DENIED, EXIT_NOT_FOUND, EXIT_TIMEOUT, GenieError
from genie_core.survey.user_cluster import Access, find_cluster
from genie_core.survey.user_credentials import KnownCluster
from genie_core.tasks.remote.run import (
    LARGEST,
    LONGEST_SECONDS,
    NAMESPACE,
    LocalEnd,
    RemoteCommand,
    run_remote,
)

AT_ONCE = 8  # nodes side by side
# deploy/: the path of kustomization.yaml; the overlays' directories of plugins are in docs/install-in-a-cluster.md
_PROGRAM = "where the DaemonSet installed it, genie is /opt/cni/bin/.genie/python/bin/genie there"


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The flags of commands that can run on another node."""

    here: bool = switch("--here", "Run on this machine, whatever node it is.", CLUSTER)
    genie_namespace: str = flag(
        "--genie-namespace NAMESPACE",
        "Where Genie's own pods are, through which another node is reached.",
        CLUSTER,
        default=NAMESPACE,
        complete=candidates.namespaces,
        parser=parse_namespace,
    )
    debug_image: str = flag(
        "--debug-image IMAGE",
        "Image of the pod that is made on a node without an agent. Default: that of Genie's pods.",
        CLUSTER,
    )


class NotRun(GenieError):
    """The command could not be run on the node; the hint has the command to run there."""

    exit_code = EXIT_NOT_FOUND


@dataclass(frozen=True, kw_only=True)
class NodeCommand:
    """A command (`debug pod`) for a node, with the flags that it has there."""

    node: str
    command: str
    flags: Any
    into: str = ""  # the file here that its output is for

    @property
    def words(self) -> list[str]:
        """The command line behind the program's name."""
        elsewhere = {"kubeconfig": "", "context": "", "node": "", "here": False, "debug_image": ""}
        known = {name: value for name, value in elsewhere.items() if hasattr(self.flags, name)}
        return [
            *self.command.split(),
            *typed(replace(self.flags, **known, genie_namespace=NAMESPACE)),
        ]

    @property
    def by_hand(self) -> str:
        """The one command to run where this machine may not run it."""
        into = f" >{shlex.quote(self.into)}" if self.into else ""
        return f"ssh {shlex.quote(self.node)} sudo {shlex.join(['genie', *self.words])}{into}"

    def require_no_files(self, given: Mapping[str, str]) -> None:
        """Raise NotRun where one of these flags is given: it names a file of this machine."""
        for name in (name for name, value in given.items() if value):
            reason = f"{name} names a file of this machine"
            raise not_run(self, GenieError(reason, hint="`genie debug bundle` brings the facts here"))


def run_on_node(remote: NodeCommand, access: Access, *, asks: bool = False) -> int:
    """Run the command on its node, its output passed on byte for byte; its exit code.

    `asks`: what is typed here is the command's stdin. Raises NotRun where it was not started, GenieError where the
    connection was lost.
    """
    begun = Event()
    with Progress() as progress:

        def started() -> None:
            begun.set()
            progress.rest()

        here = LocalEnd(
            out=_writer(sys.stdout.buffer),
            err=_writer(sys.stderr.buffer),
            announce=progress,
            warn=note,
            lines=_typed_lines() if asks else None,
            started=started,
        )
        return attempt(remote, known_cluster(remote, access), here, begun, asks=asks)


def fetch(remote: NodeCommand, access: Access) -> tuple[bytes, int]:
    """What the command prints there, and its exit code: that of what was read in part, or 0.

    Raises NotRun, GenieError where it fails there.
    """
    with Progress() as progress:
        return _fetched(remote, known_cluster(remote, access), announce=progress, warn=note, stop=None)


def fetch_all(
    remotes: Sequence[NodeCommand], access: Access
) -> tuple[dict[str, tuple[bytes, int]], dict[str, str]]:
    """What `fetch` gives, by node, and why others have failed. Raises NotRun where no server is known."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    found: dict[str, tuple[bytes, int]] = {}
    failed: dict[str, str] = {}
    known, stop = known_cluster(remotes[0], access), Event()
    with Progress() as progress, ThreadPoolExecutor(AT_ONCE) as workers:
        progress(f"0 of {len(remotes)} nodes", 0.0)
        running = {
            workers.submit(_fetched, remote, known, announce=_ignore, warn=note, stop=stop): remote.node
            for remote in remotes
        }
        try:
            for done, one in enumerate(as_completed(running), start=1):
                try:
                    found[running[one]] = one.result()
                except GenieError as error:
                    failed[running[one]] = error.msg
                progress(f"{done} of {len(remotes)} nodes", done / len(remotes))
        except BaseException:
            stop.set()
            workers.shutdown(wait=False, cancel_futures=True)
            raise
    return dict(sorted(found.items())), dict(sorted(failed.items()))


def _fetched(
    remote: NodeCommand,
    known: KnownCluster,
    *,
    announce: Callable[[str], None],
    warn: Callable[[str], None],
    stop: Event | None,
) -> tuple[bytes, int]:
    out, err, begun = bytearray(), bytearray(), Event()

    def write(data: bytes) -> None:
        out.extend(data)
        if len(out) > LARGEST:
            raise GenieError(f"node {remote.node} sent more than {LARGEST >> 20} MiB")

    here = LocalEnd(out=write, err=err.extend, announce=announce, warn=warn, stop=stop, started=begun.set)
    code = attempt(remote, known, here, begun)
    said = err.decode("utf-8", "replace").strip().splitlines()
    problem = next((line for line in said if line.startswith("error: ")), "").removeprefix("error: ")
    if code in (EXIT_TIMEOUT, EXIT_DENIED) and out:  # what could be read in time, and with these rights
        if problem:
            warn(f"node {remote.node}: {problem}")
    elif code:
        raise GenieError(
            f"genie {remote.command} failed on node {remote.node}: {problem or f'exit code {code}'}",
            exit_code=code,
        )
    return bytes(out), code


def _ignore(_text: str) -> None:
    """A step that is not shown."""


def attempt(
    remote: NodeCommand, known: KnownCluster, here: LocalEnd, begun: Event, *, asks: bool = False
) -> int:
    """Run the command on its node; its exit code. `begun` is set once it was started. Raises as `run_on_node` does."""
    seconds = 24 * 3600.0 if getattr(remote.flags, "watch", False) else LONGEST_SECONDS
    wanted = RemoteCommand(
        node=remote.node,
        words=[*remote.words, "--here", *_look()],
        environment=_environment(asks=asks),
        namespace=remote.flags.genie_namespace,
        image=remote.flags.debug_image,
        seconds=seconds,
    )
    try:
        return run_remote(known, wanted, here)
    except GenieError as error:
        if begun.is_set():
            raise
        raise not_run(remote, error) from None


def known_cluster(remote: NodeCommand, access: Access) -> KnownCluster:
    """The API server, with the user's credentials. Raises NotRun."""
    try:
        found = find_cluster(access)
        if found is None:
            raise GenieError("no API server is known (--kubeconfig, $KUBECONFIG)")
        return found.login()
    except GenieError as error:
        raise not_run(remote, error) from None


def not_run(remote: NodeCommand, error: GenieError) -> NotRun:
    """The error for a command that was not started, with the command that does it."""
    code = error.exit_code if error.exit_code in (EXIT_DENIED, EXIT_TIMEOUT) else EXIT_NOT_FOUND
    return NotRun(
        f"genie {remote.command} was not run on node {remote.node}: {error.msg}",
        details="\n".join(filter(None, (error.details, error.hint, _PROGRAM))),
        hint=f"run it there: {remote.by_hand}",
        exit_code=code,
    )


def note_not_run(error: NotRun) -> None:
    """Print why a command was not run on its node, what would help, and the command to run there; each is a line."""
    note(error.msg)
    for line in error.details.splitlines():
        note(f"  {line}")
    note(f"  hint: {error.hint}")


def _look() -> Sequence[str]:
    """The flags of this terminal that the other end has to know."""
    shown = terminal.current.get()
    color = "always" if shown.colored(sys.stdout) else "never"
    return [f"--color={color}", *["-v"] * shown.verbosity, *["-q"] * shown.quiet]


def _environment(*, asks: bool) -> dict[str, str]:
    columns = terminal.width(sys.stdout)
    plain = terminal.symbol("ok") == terminal.symbol("ok").encode("ascii", "replace").decode()
    found = {"LC_ALL": "C" if plain else "C.UTF-8"}
    if columns != terminal.UNLIMITED:
        found["COLUMNS"] = str(columns)
    if asks:
        found[terminal.ASKS] = "1"
    return found


def _writer(stream: Any) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return write


def _typed_lines() -> Iterator[bytes]:
    """What is typed, as it comes. The descriptor is read: a thread that waits in `sys.stdin` would hold its lock."""
    return iter(lambda: os.read(0, 4096), b"")

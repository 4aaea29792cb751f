"""Run a command of the command line on a node: in its agent, else in a pod that is made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.survey.user_credentials import KnownCluster
from genie_core.survey.user_exec import ExecAPI, ExecCommand, Running, Write
from genie_core.tasks.install.runtime_tree import HOME
from genie_core.tasks.remote import ON_NODE, on_node
from genie_core.tasks.remote.node_pod import CONTAINER, PodSpec, node_pod
from genie_core.tasks.remote.place import find

NAMESPACE = "kube-system"
REQUEST_SECONDS = 60.0  # for all requests of one node together, the command itself excluded
LONGEST_SECONDS = 600.0
LARGEST = 256 << 20  # bytes of what one node sends, where it is kept in memory
_NODE_INIT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCommand:
    """A command for a node: `words` follow the program's name, `environment` is what the terminal here is like.

    `image` is for a node without an agent, "" for that of Genie's pods in `namespace`.
    """

    node: str
    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    image: str = ""
    seconds: float = LONGEST_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEnd:
    """This end of a remote command: its output, the steps and warnings to show, and the event that ends it.

    `lines` are given to the command's stdin, None for none.
    """

    out: Write
    err: Write
    announce: Callable[[str], None]
    warn: Callable[[str], None]
    lines: Iterator[bytes] | None = None
    stop: Event | None = None
    started: Callable[[], None] = lambda: None


def run_remote(known: KnownCluster, remote: RemoteCommand, here: LocalEnd) -> int:
    """The command's exit code there. Raises one of kube_errors where it is not allowed, else GenieError."""
    here.announce(f"looking for Genie on node {remote.node}")
    with ExecAPI(known, REQUEST_SECONDS) as api, _command(api, remote, here) as command:
        here.announce(f"starting the command on node {remote.node}")
        running = api.start(command)
        here.started()
        if here.lines is not None:
            Thread(target=_forward, args=(running, here.lines), daemon=True).start()
        return running.wait(here.out, here.err, here.stop)


@contextmanager
def _command(api: ExecAPI, remote: RemoteCommand, here: LocalEnd) -> Iterator[ExecCommand]:
    """The command in the agent, or in a pod that lives as long as this context."""
    place = find(api, remote.namespace, remote.node)
    for name in place.ended:
        with suppress(GenieError):
            api.delete_pod(remote.namespace, name)
    argv = _argv(remote)
    if place.pod:
        yield ExecCommand(namespace=remote.namespace, pod=place.pod, container=place.container, argv=argv)
        return
    image = remote.image or place.image
    if not image:
        raise NotFound(
            f"node {remote.node} has no agent of Genie in namespace {remote.namespace}, and no pod of Genie there "
            "names an image for a pod that could run the command",
            hint="--genie-namespace names another namespace, --debug-image an image",
        )
    wanted = PodSpec(namespace=remote.namespace, node=remote.node, image=image, seconds=remote.seconds)
    here.announce(f"node {remote.node} has no agent: making a pod of {image}")
    with node_pod(api, wanted, here.warn, here.stop) as name:
        yield ExecCommand(namespace=remote.namespace, pod=name, container=CONTAINER, argv=argv)


def _argv(remote: RemoteCommand) -> list[str]:
    if not all(word.isprintable() for word in remote.words):
        raise WrongUsage("a word of the command line has control characters")
    environment = {"NODE_NAME": remote.node, **remote.environment}
    word = on_node.words(environment, _NODE_INIT, remote.seconds)
    return [f"{HOME}/bin/genie", ON_NODE, word, *remote.words]


def _forward(running: Running, lines: Iterator[bytes]) -> None:
    with suppress(OSError, ValueError):  # the command has ended
        for line in lines:
            running.write(line)

"""Run a command of the command line on a node: in its agent, else in a pod that is made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from genie_core.errors import EXIT_NOT_FOUND, GenieError, WrongUsage
from genie_core.survey.user_credentials import KnownCluster
from genie_core.survey.user_exec import Command, ExecAPI, Running, Write
from genie_core.tasks.runtime_tree import HOME
from genie_core.tasks.there import ON_NODE, inside
from genie_core.tasks.there.node_pod import CONTAINER, Wanted, node_pod
from genie_core.tasks.there.place import find

NAMESPACE = "kube-system"
REQUEST_SECONDS = 60.0  # for all requests of one node together, the command itself excluded
LONGEST_SECONDS = 600.0
LARGEST = 256 << 20  # bytes of what one node sends, where it is kept in memory
_NODE_INIT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
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
class Here:
    """This end of it: where output goes to, where steps and warnings are shown, what ends it.

    `lines` are given to the command's stdin, None for none.
    """

    out: Write
    err: Write
    announce: Callable[[str], None]
    warn: Callable[[str], None]
    lines: Iterator[bytes] | None = None
    stop: Event | None = None
    started: Callable[[], None] = lambda: None


def run_there(known: KnownCluster, errand: Errand, here: Here) -> int:
    """The command's exit code there. Raises one of kube_errors where it is not allowed, else GenieError."""
    here.announce(f"looking for Genie on node {errand.node}")
    with ExecAPI(known, REQUEST_SECONDS) as api, _command(api, errand, here) as command:
        here.announce(f"starting the command on node {errand.node}")
        running = api.start(command)
        here.started()
        if here.lines is not None:
            Thread(target=_forward, args=(running, here.lines), daemon=True).start()
        return running.wait(here.out, here.err, here.stop)


@contextmanager
def _command(api: ExecAPI, errand: Errand, here: Here) -> Iterator[Command]:
    """The command in the agent, or in a pod that lives as long as this context."""
    place = find(api, errand.namespace, errand.node)
    for name in place.ended:
        with suppress(GenieError):
            api.delete_pod(errand.namespace, name)
    argv = _argv(errand)
    if place.pod:
        yield Command(namespace=errand.namespace, pod=place.pod, container=place.container, argv=argv)
        return
    image = errand.image or place.image
    if not image:
        raise GenieError(
            f"node {errand.node} has no agent of Genie in namespace {errand.namespace}, and no pod of Genie there "
            "names an image for a pod that could run the command",
            hint="--genie-namespace names another namespace, --debug-image an image",
            exit_code=EXIT_NOT_FOUND,
        )
    wanted = Wanted(namespace=errand.namespace, node=errand.node, image=image, seconds=errand.seconds)
    here.announce(f"node {errand.node} has no agent: making a pod of {image}")
    with node_pod(api, wanted, here.warn, here.stop) as name:
        yield Command(namespace=errand.namespace, pod=name, container=CONTAINER, argv=argv)


def _argv(errand: Errand) -> list[str]:
    if not all(word.isprintable() for word in errand.words):
        raise WrongUsage("a word of the command line has control characters")
    environment = {"NODE_NAME": errand.node, **errand.environment}
    word = inside.words(environment, _NODE_INIT, errand.seconds)
    return [f"{HOME}/bin/genie", ON_NODE, word, *errand.words]


def _forward(running: Running, lines: Iterator[bytes]) -> None:
    with suppress(OSError, ValueError):  # the command has ended
        for line in lines:
            running.write(line)

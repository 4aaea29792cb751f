"""What may follow on a command line: the answer to the shells' scripts (`completions/`) and to kubectl.

    genie __complete -- WORD... CURRENT        the words after `genie`, the last one as far as it is typed
    genie __complete --line 'genie dry-run --c'

prints one `value<TAB>description` a line, and as last line a directive as Cobra has them, which kubectl understands
too: `:0` let the shell complete files, `:16` directories, `:4` nothing else. What goes wrong ends in silence, and a
cluster that does not answer within a second is done without: completion must never disturb who types.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FILES, NOTHING_ELSE, DIRECTORIES = 0, 4, 16
SECONDS = 0.6  # for the cluster, credentials included; with the interpreter's start a second


# Names from a cluster or a node are others'.
_SHELLS = frozenset(" \\'\"`$&|;<>(){}*?!#~")


class Candidate(NamedTuple):
    """A value for the current word, and what it is."""

    value: str
    help: str = ""


class Asked(NamedTuple):
    """The word that is typed, and what flags before it say about where to look."""

    current: str
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, current: str, params: Mapping[str, Any]) -> Asked:
        """From the flags of the command, as far as they are typed."""
        names = ("kubeconfig", "context", "namespace")
        return cls(current, *(str(params.get(name) or "") for name in names))


def main(arguments: Sequence[str]) -> int:
    """Answer on stdout, and end without waiting for a cluster that is late."""
    sys.stdout.write(_answer(arguments))
    sys.stdout.flush()
    if commands := sys.modules.get("genie_core.survey.commands"):
        commands.end_all()  # a credential plugin that is late
    os._exit(0)


def kubectl() -> int:
    """The program kubectl_complete-genie: kubectl calls it with the words after `kubectl genie`."""
    return main(["--", *sys.argv[1:]])


def _answer(arguments: Sequence[str]) -> str:
    try:
        candidates, directive = complete(*_words(arguments))
    except Exception:  # noqa: BLE001 (the promise above)
        return f":{FILES}\n"
    return "".join(f"{value}\t{' '.join(text.split())}\n" for value, text in candidates) + f":{directive}\n"


def _words(arguments: Sequence[str]) -> tuple[list[str], str]:
    if arguments[:1] == ["--line"]:
        from typer._click import shell_completion

        line = arguments[1]
        words = shell_completion.split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() or not words else (words[:-1], words[-1])
    words = list(arguments[1:])
    return words[:-1], words[-1] if words else ""


def complete(words: Sequence[str], current: str) -> tuple[list[Candidate], int]:
    """The candidates for the word `current` behind `words`, whole words, and the directive."""
    from typer._click import shell_completion  # not public, and the only one to know which parameter it is

    from genie_cli.app import COMMANDS, root
    from genie_cli.arrange import arranged

    words = arranged(words, COMMANDS)
    if words and words[0].startswith("-"):
        words = []  # only flags so far: a command follows
    context = shell_completion._resolve_context(root(), {}, "genie", list(words))  # noqa: SLF001
    target, rest = shell_completion._resolve_incomplete(context, list(words), current)  # noqa: SLF001
    before = current.removesuffix(rest) if rest else current if current.endswith("=") else ""
    source = _SOURCES.get(getattr(target, "metavar", None) or "")
    if isinstance(source, int):
        return [], source
    if source is not None:
        found = _matching(source(Asked.of(rest, context.params)), rest)
    else:
        found = [Candidate(item.value, item.help or "") for item in target.shell_complete(context, rest)]
    named = [Candidate(before + value, text) for value, text in found]
    takes_file = _takes_path(target) or (getattr(target, "metavar", None) or "").startswith("FILE")
    return named, FILES if not named and takes_file else NOTHING_ELSE


def _matching(found: Iterable[Candidate], rest: str) -> list[Candidate]:
    """Those that fit, without what a shell would do more with than take it: it stands on the command line next."""
    return [
        candidate
        for candidate in found
        if candidate.value.startswith(rest)
        and candidate.value.isprintable()
        and not _SHELLS.intersection(candidate.value)
    ]


def _takes_path(target: Any) -> bool:
    return "path" in type(getattr(target, "type", None)).__name__.lower()


# --- values that only this machine or its cluster knows ---------------------------------------------------------


def _pods(asked: Asked) -> list[Candidate]:
    """The pods of this node's state, and of the API server; those of --namespace by their names alone."""
    found = dict.fromkeys(_pods_of_state(), "on this node")
    for name in _names_of(("api", "v1", "pods"), asked):
        found.setdefault(name, "")
    if asked.namespace and "/" not in asked.current:
        space = f"{asked.namespace}/"
        found = {name.removeprefix(space): text for name, text in found.items() if name.startswith(space)}
    return [Candidate(name, text) for name, text in sorted(found.items())]


def _pods_of_state() -> list[str]:
    from genie_core.edges.store import Store
    from genie_core.model import Plan
    from genie_core.settings import STATE_DIR

    try:
        return [str(plan.pod) for plan in Store(STATE_DIR).plans() if isinstance(plan, Plan) and plan.pod]
    except Exception:  # noqa: BLE001 (the other source may know)
        return []


def _names_of(parts: tuple[str, ...], asked: Asked) -> list[str]:
    """namespace/name of all objects of a kind."""
    metadata = [item.get("metadata", {}) for item in _listed(parts, asked)]
    return [f"{item.get('namespace')}/{item.get('name')}" for item in metadata]


def _namespaces(asked: Asked) -> list[Candidate]:
    found = _listed(("api", "v1", "namespaces"), asked)
    return [Candidate(str(item.get("metadata", {}).get("name"))) for item in found]


def _objects(asked: Asked) -> list[Candidate]:
    """The cluster's network attachments; the last of a comma list."""
    before, comma, _ = asked.current.rpartition(",")
    parts = ("apis", "k8s.cni.cncf.io", "v1", "network-attachment-definitions")
    own = f"{asked.namespace or 'default'}/"
    names = [name.removeprefix(own) for name in _names_of(parts, asked)]
    return [Candidate(f"{before}{comma}{name}") for name in sorted(names)]


def _types(_asked: Asked) -> list[Candidate]:
    from genie_cli.commands.generate_config import OBJECTS
    from genie_core.catalog import PLUGINS

    return [Candidate(name) for name in (*PLUGINS, *(name for name in OBJECTS if name not in PLUGINS))]


def _listed(parts: tuple[str, ...], asked: Asked) -> list[dict[str, Any]]:
    from genie_core.survey.threads import in_thread
    from genie_core.survey.user_cluster import Access, UserCluster, find_cluster

    def ask(server: UserCluster) -> list[dict[str, Any]]:
        with server.login(interactive=False).connect(SECONDS) as api:
            return list(api.get(parts, {"limit": "500"}).get("items") or ())

    try:
        found = find_cluster(Access(kubeconfig=asked.kubeconfig, context=asked.context))
        return in_thread(lambda: ask(found)).result(SECONDS) if found else []
    except Exception:  # noqa: BLE001 (no server, or none in time, no names)
        return []


def _contexts(asked: Asked) -> list[Candidate]:
    from genie_core.survey.user_cluster import Access, contexts

    try:
        return [Candidate(name) for name in contexts(Access(kubeconfig=asked.kubeconfig))]
    except Exception:  # noqa: BLE001 (no kubeconfig, no names)
        return []


def _networks(asked: Asked) -> list[Candidate]:
    """The networks of the node's files; the last of a comma list, as `net` of `net@interface`."""
    from genie_core.edges.confdir import ConfDirs
    from genie_core.select.files import is_self
    from genie_core.settings import CONF_DIRS

    before, comma, _ = asked.current.rpartition(",")
    confs = ConfDirs([directory for directory in CONF_DIRS if os.path.isdir(directory)])
    names: dict[str, str] = {}
    for path in confs.paths():
        try:
            network = confs.read(path)
        except Exception:  # noqa: BLE001, S112 (a file that cannot be read names nothing)
            continue
        if not is_self(network):
            names.setdefault(network.name, " + ".join(plugin.type for plugin in network.plugins))
    if not names:
        names = dict.fromkeys(("bridge", "macvlan", "ptp"), "made up for a dry run")
    return [Candidate(f"{before}{comma}{name}", text) for name, text in names.items()]


def _interfaces(_asked: Asked) -> list[Candidate]:
    return [Candidate(name) for name in sorted(os.listdir("/sys/class/net")) if name != "lo"]


def _topics(asked: Asked) -> list[Candidate]:
    """Codes, configuration keys, `pod`, `network`; where there is a slash, pods."""
    if "/" in asked.current:
        return _pods(asked)
    from genie_core.tasks.explain import ALL, key_names

    codes = [Candidate(code, code.fault) for code in ALL.values()]
    return [
        Candidate("pod", "why a pod has its networks"),
        Candidate("network", "who uses a network"),
        *codes,
        *(Candidate(name) for name in key_names()),
    ]


def _schemas(_asked: Asked) -> list[Candidate]:
    from genie_cli.schemas import kinds

    return [Candidate(kind) for kind in kinds()]


def _help_topics(_asked: Asked) -> list[Candidate]:
    from genie_cli.app import COMMANDS
    from genie_cli.commands.help import TOPICS

    names = {words.split(" ")[0]: entry.summary for words, entry in reversed(COMMANDS.items())}
    return [*(Candidate(topic) for topic in TOPICS), *(Candidate(name, text) for name, text in names.items())]


# By the metavar that stands in the command's help: what kind of value it wants.
_SOURCES: dict[str, Callable[[Asked], list[Candidate]] | int] = {
    "FILE": FILES,
    "PATH": FILES,
    "SOCKET": FILES,
    "DIR": DIRECTORIES,
    "[NAMESPACE/]POD": _pods,
    "POD": _pods,
    "NETWORKS": _networks,
    "OBJECTS": _objects,
    "TYPE": _types,
    "FILE|NS/NAME": _pods,
    "IFACE": _interfaces,
    "NAMESPACE": _namespaces,
    "CONTEXT": _contexts,
    "KIND": _schemas,
    "COMMAND | TOPIC": _help_topics,
    "CODE | KEY | pod [NAMESPACE/]POD | network [NAMESPACE/]NETWORK": _topics,
}

"""The options of the `genie debug` commands, and the API objects: of files, else of the API server."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.edges.kube_errors import Unauthorized
from genie_core.errors import EXIT_USAGE, DecodingFailure, GenieError, InvalidConfig, NotFound
from genie_core.net.target import pod_of
from genie_core.survey import api, cluster, events
from genie_core.survey.collection import Collection, Pending
from genie_core.survey.kernel import JSON
from genie_core.survey.objects import lean
from genie_core.survey.places import Places
from genie_core.survey.user_cluster import Access, find_cluster, looked_at
from genie_core.survey.user_credentials import KnownCluster
from genie_core.survey.yamlio import load_documents

SECONDS = 30.0
_LARGEST_FILE = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugOptions(Places):
    """Which pod, and where everything is; "" means: find out, or do without.

    `node_explicit`: a flag named the node. `timeout` is for everything, in seconds.
    """

    namespace: str
    name: str
    netns: str = ""
    pod_file: str = ""
    objects_file: str = ""
    access: Access = field(default_factory=Access)
    node_explicit: bool = False
    to: str = ""
    probes: bool = True
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = SECONDS

    @property
    def pod(self) -> str:
        """NS/NAME, "" where no pod is asked about."""
        return f"{self.namespace}/{self.name}" if self.name else ""


def read_document(path: str, what: str) -> Any:
    """A JSON or YAML document. Raises InvalidConfig naming the file; it never quotes the content."""
    try:
        text = _text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidConfig(f"{what} {path}: {reason}", exit_code=EXIT_USAGE) from None
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidConfig(f"{what} {path} is nested too deep", exit_code=EXIT_USAGE) from None
    except ValueError:
        try:
            return next(iter(load_documents(text, what)), None)
        except DecodingFailure:
            raise InvalidConfig(f"{what} {path} is neither JSON nor YAML", exit_code=EXIT_USAGE) from None


def _text(path: str) -> str:
    """The text of a regular file, or of standard input (-). Other files are refused: a pipe might never end."""
    if path == "-":
        return sys.stdin.read()
    seen = os.stat(path)
    if not stat.S_ISREG(seen.st_mode):
        raise OSError("not a regular file; - is standard input")
    if seen.st_size > _LARGEST_FILE:
        raise OSError(f"larger than {_LARGEST_FILE >> 20} MiB")
    return Path(path).read_text(encoding="utf-8")


def _items(path: str) -> list[JSON]:
    document = read_document(path, "--objects-file")
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise InvalidConfig(f"--objects-file {path}: a List with items was expected", exit_code=EXIT_USAGE)
    return [item for item in items if isinstance(item, dict)]


def _pod(path: str) -> JSON:
    document = read_document(path, "--pod-file")
    if not isinstance(document, dict) or document.get("kind", "Pod") != "Pod":
        raise InvalidConfig(f"--pod-file {path}: a Pod was expected", exit_code=EXIT_USAGE)
    return document


def objects_reader(question: DebugOptions, todo: Collection) -> Callable[[api.NodeOf], api.Answers]:
    """What reads the Pod and the other objects, given this node's name among the Node objects.

    Files are read at once, credentials are got at once. Raises InvalidConfig for files and flags that cannot be used.
    """
    if question.pod_file or question.objects_file:
        answers = _read_files(question)
        return lambda _: answers
    server = _server(question, todo)
    if server is None:
        todo.missing.setdefault("objects", f"no API server: {looked_at()}")
        return lambda _: api.Answers()
    other = pod_of(question.to, question.namespace) if question.to else ("", "")
    return lambda node_of: api.read(server, question.namespace, question.name, node_of, other)


def _read_files(question: DebugOptions) -> api.Answers:
    try:
        return _of_files(question)
    except (AttributeError, TypeError):
        named = " and ".join(filter(None, (question.pod_file, question.objects_file)))
        raise InvalidConfig(
            f"{named}: an object in it is not of the shape that Kubernetes gives it", exit_code=EXIT_USAGE
        ) from None


def _of_files(question: DebugOptions) -> api.Answers:
    objects = _items(question.objects_file) if question.objects_file else []
    reported = [item for item in cluster.of_kind(objects, "Event") if _is_about(item, question)]
    return api.Answers(
        pod=lean(_pod(question.pod_file)) if question.pod_file else {},
        objects=[lean(item) for item in objects if item.get("kind") != "Event"],
        events=events.newest(reported),
        missing={} if reported else {"events": "no API server, and the --objects-file has no events"},
    )


def _is_about(item: JSON, question: DebugOptions) -> bool:
    about = item.get("involvedObject") or {}
    named = (about.get("kind"), about.get("namespace"), about.get("name"))
    return named == ("Pod", question.namespace, question.name) or about.get("kind") == "Node"


def _server(question: DebugOptions, todo: Collection) -> KnownCluster | None:
    """The API server; None where there is none, or where a kubeconfig that no flag names cannot be used.

    An exec plugin, which may ask on the terminal, runs before the survey, so its time does not count. Without
    credentials the diagnosis goes on without the API server.
    """
    try:
        found = find_cluster(question.access)
        return found.login() if found else None
    except Unauthorized as error:
        todo.missing["objects"] = "; ".join(filter(None, (error.msg, error.details)))
        return None
    except GenieError as error:
        if question.access != Access():
            raise
        todo.missing["objects"] = error.msg
        return None


def take_objects(question: DebugOptions, pending: Pending[api.Answers], todo: Collection) -> api.Answers:
    """The objects that were read; `todo.missing` has why others were not. Raises NotFound for an unknown pod."""
    answers = todo.result(pending, api.Answers(), let=(NotFound,))
    todo.missing.update(answers.missing)
    if "objects" in todo.missing:
        for source in ("pod object", "events"):
            todo.missing.setdefault(source, todo.missing["objects"])
    if not answers.pod:
        answers.pod = _found(question, answers.objects)
    return answers


def _found(question: DebugOptions, objects: Sequence[JSON]) -> JSON:
    return next((pod for pod in cluster.of_kind(objects, "Pod") if cluster.key(pod) == question.pod), {})

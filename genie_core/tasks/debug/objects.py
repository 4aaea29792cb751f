"""The API objects of a diagnosis: of files, else of the API server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genie_core.edges.kube_errors import Unauthorized
from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.net.target import pod_of
from genie_core.published import JSON
from genie_core.survey import api, cluster, events
from genie_core.survey.collection import Collection, Pending
from genie_core.survey.objects import lean
from genie_core.survey.user_cluster import Access, find_cluster, looked_at
from genie_core.survey.user_credentials import KnownCluster
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.named_files import read_document


def _items(path: str) -> list[JSON]:
    document = read_document("--objects-file", path)
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise WrongUsage(f"--objects-file {path}: a List with items was expected")
    return [item for item in items if isinstance(item, dict)]


def _pod(path: str) -> JSON:
    document = read_document("--pod-file", path)
    if not isinstance(document, dict) or document.get("kind", "Pod") != "Pod":
        raise WrongUsage(f"--pod-file {path}: a Pod was expected")
    return document


def objects_reader(options: DebugOptions, todo: Collection) -> Callable[[api.NodeOf], api.Answers]:
    """What reads the Pod and the other objects, given this node's name among the Node objects.

    Files are read at once, credentials are got at once. Raises GenieError for files and flags that cannot be used.
    """
    if options.pod_file or options.objects_file:
        answers = _read_files(options)
        return lambda _: answers
    try:
        server = _server(options, todo)
    except Unauthorized as error:
        refused = error
        todo.missing["objects"] = "; ".join(filter(None, (error.msg, error.details)))
        return lambda _: api.Answers(refused=refused)
    if server is None:
        todo.missing.setdefault("objects", f"no API server: {looked_at()}")
        return lambda _: api.Answers()
    other = pod_of(options.to, options.namespace) if options.to else ("", "")
    return lambda node_of: api.read(server, options.namespace, options.name, node_of, other)


def _read_files(options: DebugOptions) -> api.Answers:
    try:
        return _of_files(options)
    except (AttributeError, TypeError):
        named = " and ".join(filter(None, (options.pod_file, options.objects_file)))
        raise WrongUsage(f"{named}: an object in it is not of the shape that Kubernetes gives it") from None


def _of_files(options: DebugOptions) -> api.Answers:
    objects = _items(options.objects_file) if options.objects_file else []
    reported = [item for item in cluster.of_kind(objects, "Event") if _is_about(item, options)]
    return api.Answers(
        pod=lean(_pod(options.pod_file)) if options.pod_file else {},
        objects=[lean(item) for item in objects if item.get("kind") != "Event"],
        events=events.newest(reported),
        missing={} if reported else {"events": "no API server, and the --objects-file has no events"},
    )


def _is_about(item: JSON, options: DebugOptions) -> bool:
    about = item.get("involvedObject") or {}
    named = (about.get("kind"), about.get("namespace"), about.get("name"))
    return named == ("Pod", options.namespace, options.name) or about.get("kind") == "Node"


def _server(options: DebugOptions, todo: Collection) -> KnownCluster | None:
    """The API server; None where there is none, or where a kubeconfig that no flag names cannot be used.

    An exec plugin, which may ask on the terminal, runs before the survey, so its time does not count. Raises
    Unauthorized without credentials: the diagnosis goes on without the API server.
    """
    try:
        found = find_cluster(options.access)
        return found.login() if found else None
    except Unauthorized:
        raise
    except GenieError as error:
        if options.access != Access():
            raise
        todo.missing["objects"] = error.msg
        return None


def take_objects(options: DebugOptions, pending: Pending[api.Answers], todo: Collection) -> api.Answers:
    """The objects that were read; `todo.missing` has why others were not. Raises NotFound for an unknown pod."""
    answers = todo.result(pending, api.Answers(), let=(NotFound,))
    todo.missing.update(answers.missing)
    if "objects" in todo.missing:
        for source in ("pod object", "events"):
            todo.missing.setdefault(source, todo.missing["objects"])
    if not answers.pod:
        answers.pod = _found(options, answers.objects)
    return answers


def _found(options: DebugOptions, objects: Sequence[JSON]) -> JSON:
    return next((pod for pod in cluster.of_kind(objects, "Pod") if cluster.key(pod) == options.pod), {})

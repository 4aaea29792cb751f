"""A request -> an answer, as an API server gives it. No sockets, so that a twin in memory can share it."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import protobuf, status
from .execs import Exec
from .objects import Kind, Objects

_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_ACCOUNT_TOKEN = re.compile(r"/api/v1/namespaces/([^/]+)/serviceaccounts/([^/]+)/token")
_SUBRESOURCES = (("Pod", "status"), ("Pod", "exec"), ("Node", "status"))
_VERBS = {"GET": "get", "PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    """What was asked. `client` is the common name of a verified client certificate, or ""."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    client: str = ""


@dataclass(frozen=True)
class Answer:
    """`stream` are the parts of a body that is not whole yet, as a watch's. `run` is a process to start."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None
    run: Exec | None = None


@dataclass(frozen=True)
class Recorded:
    """What was asked, fit to be printed: of the Authorization header only the scheme."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    user: str
    status: int
    connection: int = 0


@dataclass(frozen=True)
class _Route:
    kind: Kind
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """The resource as roles name it: `pods`, or `pods/status`."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


class API:
    """An API server's behaviour.

    `tokens` maps a bearer token to its user; while it is empty, and no client certificates are asked for,
    clients need no credentials. `forbidden` holds (verb, resource) pairs, as ("patch", "pods/status").
    `script` holds answers to be given first, one a request, as (status, Retry-After or None). No token is good for
    more than `longest_token_seconds`. `binds_to_nodes` False makes it a server before 1.31. `container`
    makes of a Pod and the words of a command what `exec` starts; `frames` are sent instead.
    """

    def __init__(self, objects: Objects | None = None, tokens: Mapping[str, str] | None = None) -> None:
        self.objects = objects or Objects()
        self.tokens = dict(tokens or {})
        self.require_user = bool(tokens)
        self.forbidden: set[tuple[str, str]] = set()
        self.script: list[tuple[int, int | None]] = []
        self.longest_token_seconds = 7 * 24 * 3600
        self.binds_to_nodes = True
        self._bound: dict[str, tuple[str, str]] = {}  # token: name and UID of its node
        self.requests: list[Recorded] = []
        self.container: Callable[[dict[str, Any], list[str]], list[str]] = lambda _pod, words: words
        self.frames = b""
        self.bookmark_seconds = 60.0
        self.longest_watch_seconds = 1800.0
        self.watches = 0
        self._generation = 0

    def end_watches(self) -> None:
        """End the watches that there are, as a server does that restarts or balances its load."""
        self._generation += 1

    def fail(self, code: int, *, times: int = 1, retry_after: int | None = None) -> None:
        """Answer the next requests with this status."""
        self.script += [(code, retry_after)] * times

    def answer(self, request: Request, connection: int = 0) -> Answer:
        user = self._user(request)
        try:
            answer = self._answer(request, user)
        except status.Refusal as refusal:
            answer = _json(refusal.code, refusal.document, refusal.headers)
        self.requests.append(_record(request, user, answer.status, connection))
        return answer

    def _answer(self, request: Request, user: str) -> Answer:
        if self.script:
            raise status.of_code(*self.script.pop(0))
        if not user and self.require_user:
            raise status.unauthorized()
        url = urlsplit(request.target)
        if url.path in ("/healthz", "/livez", "/readyz"):
            return Answer(200, b"ok", {"Content-Type": "text/plain; charset=utf-8"})
        if url.path == "/version":
            return _json(
                200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "linux/amd64"}
            )
        found = discover(self.objects.kinds, url.path)
        if found:
            return _json(200, found)
        if account := _ACCOUNT_TOKEN.fullmatch(url.path):
            return self._mint(user, account[1], account[2], request)
        route = self._route(url.path)
        if route is None:
            return Answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        verb = "list" if request.method == "GET" and not route.name else _VERBS[request.method]
        if verb == "list" and query.get("watch", "").lower() in ("1", "true"):
            verb = "watch"
        # Since 1.35 a WebSocket of exec needs the right to create as well: it is no reading.
        needed = (verb, "create") if route.subresource == "exec" else (verb,)
        refused = next((one for one in needed if (one, route.resource) in self.forbidden), "")
        if refused:
            who = user or "system:anonymous"
            raise status.forbidden(
                who, refused, route.resource, route.kind.group, route.namespace, route.name
            )
        return self._do(verb, route, query, request)

    def _do(self, verb: str, route: _Route, query: dict[str, str], request: Request) -> Answer:
        kind, namespace, name = route.kind, route.namespace, route.name
        if route.subresource == "exec":
            return self._exec(route, request)
        partial = "as=PartialObjectMetadata" in request.headers.get("accept", "")
        if verb == "list":
            found = self.objects.list(kind, namespace, query)
            return _json(200, _metadata_list(found) if partial else found)
        if verb == "watch":
            return self._watch(kind, namespace, query, partial)
        if verb == "get":
            return _json(200, self.objects.get(kind, namespace, name))
        if verb == "create":
            return _json(201, self.objects.create(kind, namespace, _document(request.body)))
        if verb == "delete":
            self.objects.remove(kind, namespace, name)
            return _json(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        media_type = request.headers.get("content-type", "").partition(";")[0]
        if verb == "update":
            return self._update(route, media_type, request)
        strategic = media_type == _STRATEGIC and kind.group in (
            "",
            "apps",
        )  # custom resources have no merge keys
        if media_type != _MERGE_PATCH and not strategic:
            raise status.unsupported_media_type(media_type)
        patch = _document(request.body)
        if strategic:
            patch = self.objects.with_merged_lists(kind, namespace, name, patch)
        return _json(200, self.objects.patch(kind, namespace, name, patch, route.subresource))

    def _update(self, route: _Route, media_type: str, request: Request) -> Answer:
        """A status with its object's labels and annotations replaced, as Multus does; of protobuf only the metadata."""
        kind, namespace, name = route.kind, route.namespace, route.name
        if route.subresource != "status":
            raise status.of_code(HTTPStatus.METHOD_NOT_ALLOWED, None)
        if media_type == protobuf.MEDIA_TYPE:
            document = {"metadata": protobuf.metadata_of(request.body)}
        else:
            document = _document(request.body)
        held = self.objects.get(kind, namespace, name)["metadata"]
        metadata = {key: document["metadata"].get(key) for key in ("labels", "annotations")}
        for key, new in metadata.items():
            gone = dict.fromkeys(held.get(key) or {})
            metadata[key] = {**gone, **(new or {})} or None
        if version := document["metadata"].get("resourceVersion"):
            metadata["resourceVersion"] = version
        patch = {"metadata": metadata, **({"status": document["status"]} if "status" in document else {})}
        return _json(200, self.objects.patch(kind, namespace, name, patch, "status"))

    def _exec(self, route: _Route, request: Request) -> Answer:
        """A process in a running container."""
        pod = self.objects.get(route.kind, route.namespace, route.name)
        asked = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
        names = [container["name"] for container in pod["spec"]["containers"]]
        container = dict(asked).get("container") or names[0]
        if container not in names:
            raise status.bad_request(f"container {container} is not valid for pod {route.name}")
        if pod.get("status", {}).get("phase") != "Running":
            raise status.bad_request(f"pod {route.name} does not have a host assigned")
        words = [value for name, value in asked if name == "command"]
        return Answer(101, b"", run=Exec(self.container(pod, words), self.frames))

    def _watch(self, kind: Kind, namespace: str, query: dict[str, str], partial: bool) -> Answer:
        """Events as JSON lines, in a body that goes on until the time is up (client-go: 5 to 10 minutes)."""
        generation = self._generation
        seconds = min(float(query.get("timeoutSeconds") or 1e9), self.longest_watch_seconds)
        end = time.monotonic() + seconds
        bookmark = self.bookmark_seconds if query.get("allowWatchBookmarks") == "true" else float("inf")

        def ended() -> bool:
            return generation != self._generation or time.monotonic() >= end

        events = self.objects.watch(kind, namespace, query, ended, bookmark)

        def lines() -> Iterator[bytes]:
            self.watches += 1
            try:
                for event in events:
                    shown = _metadata_of(event["object"]) if partial else event["object"]
                    yield json.dumps({**event, "object": shown}, separators=(",", ":")).encode() + b"\n"
            finally:
                self.watches -= 1

        return Answer(200, b"", {"Content-Type": "application/json"}, lines())

    def _mint(self, user: str, namespace: str, account: str, request: Request) -> Answer:
        """TokenRequest: a new token of the account, good for the seconds that were asked for.

        One that is bound to a node ends with that Node object.
        """
        if ("create", "serviceaccounts/token") in self.forbidden:
            raise status.forbidden(user, "create", "serviceaccounts/token", "", namespace, account)
        spec = _document(request.body)["spec"]
        spec["expirationSeconds"] = min(spec["expirationSeconds"], self.longest_token_seconds)
        end = datetime.now(UTC) + timedelta(seconds=spec["expirationSeconds"])
        token = f"minted-{len(self.tokens)}"
        if ref := spec.get("boundObjectRef"):
            if ref["kind"] != "Node" or not self.binds_to_nodes:
                raise status.bad_request(
                    f"cannot bind token for serviceaccount to object of type {ref['apiVersion']}, Kind={ref['kind']}"
                )
            self._bound[token] = (ref["name"], self._node_uid(ref["name"]))
        self.tokens[token] = f"system:serviceaccount:{namespace}:{account}"
        minted = {"token": token, "expirationTimestamp": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return _json(
            201,
            {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "spec": spec,
                "status": minted,
            },
        )

    def _user(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token in self.tokens and self._is_alive(token):
            return self.tokens[token]
        return "" if token else request.client

    def _is_alive(self, token: str) -> bool:
        if token not in self._bound:
            return True
        name, uid = self._bound[token]
        try:
            return self._node_uid(name) == uid
        except status.Refusal:
            return False

    def _node_uid(self, name: str) -> str:
        kind = next(kind for kind in self.objects.kinds if kind.kind == "Node")
        return str(self.objects.get(kind, "", name)["metadata"]["uid"])

    def _route(self, path: str) -> _Route | None:
        """/api/v1/... or /apis/GROUP/VERSION/..., then [namespaces/NS/]PLURAL[/NAME[/status]]."""
        parts = [unquote(part) for part in path.split("/")[1:]]
        if parts[0] == "api" and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = self.objects.find_kind(group, version, rest[0])
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            return None
        if len(rest) == 3 and (kind.kind, rest[2]) not in _SUBRESOURCES:
            return None
        return _Route(kind, namespace, *rest[1:])


def discover(kinds: Sequence[Kind], path: str) -> dict[str, Any]:
    """The discovery documents at /api, /apis, /api/v1 and /apis/GROUP/VERSION; {} for other paths."""
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = {kind.group: kind for kind in kinds if kind.group}
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(kind) for kind in groups.values()],
        }
    here = [kind for kind in kinds if path == f"/{'apis' if kind.group else 'api'}/{kind.api_version}"]
    if not here:
        return {}
    resources = [
        {
            "name": kind.plural,
            "singularName": kind.kind.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        }
        for kind in here
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": here[0].api_version,
        "resources": resources,
    }


def _group(kind: Kind) -> dict[str, Any]:
    version = {"groupVersion": kind.api_version, "version": kind.version}
    return {"name": kind.group, "versions": [version], "preferredVersion": version}


def _metadata_of(held: dict[str, Any]) -> dict[str, Any]:
    """The object as PartialObjectMetadata; a Status stays as it is."""
    if held.get("kind") == "Status":
        return held
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": held["metadata"]}


def _metadata_list(found: dict[str, Any]) -> dict[str, Any]:
    items = [_metadata_of(item) for item in found["items"]]
    kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
    return {**found, **kind, "items": items}


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise status.bad_request(f"error decoding patch: {error}") from None


def _json(code: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return Answer(code, body, {"Content-Type": "application/json", **(headers or {})})


def _record(request: Request, user: str, code: int, connection: int) -> Recorded:
    headers = dict(request.headers)
    if "authorization" in headers:
        headers["authorization"] = headers["authorization"].partition(" ")[0] + " (not recorded)"
    return Recorded(request.method, request.target, headers, request.body, user, code, connection)

"""The API server, as far as an ADD needs it: one pod, three kinds of networks, one patch. Lists only of networks.

All requests of one KubeAPI share `timeout_seconds`, until `renew`; time between them is not counted. Within it a
request that meets an absent or overloaded server is made again, with exponential back-off and jitter, or when the
server says; each try has at most 10 s. So an ADD spends a bounded time here whatever the server does, down
to a body that comes a byte at a time (lessons 14). Signals are not caught: what a handler raises ends the wait.

Importing this and kubeconfig costs 1.1 ms, the first GET over TLS 9 ms, the next ones 0.3 (kube_http.py and kube_tls.py
say what of, and what was saved). DEL, STATUS and VERSION never come here.
"""

import posix
from time import monotonic, sleep

from genie_core import __version__
from genie_core.edges.kube_cluster import NO_CREDENTIALS
from genie_core.edges.kube_errors import (
    APIError,
    BadAnswer,
    Conflict,
    ObjectNotFound,
    TooMany,
    Unauthorized,
    Unreachable,
    error_of,
    exhausted,
    is_status,
    server_words,
)
from genie_core.edges.kube_http import Connection
from genie_core.edges.kube_resources import POD, Resource, target
from genie_core.fields import get_list, get_object, get_str
from genie_core.jsontext import JSONError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, Self

    from genie_core.edges.kube_cluster import Cluster
    from genie_core.edges.kube_http import Response
    from genie_core.ports import Log

    class Exchange(Protocol):
        """What carries requests: kube_http.Connection, or a twin in memory."""

        def exchange(
            self, method: str, target: str, headers: Mapping[str, str], body: bytes, until: float
        ) -> Response: ...

        def close(self) -> None: ...


TRY_SECONDS = 10.0
# What a request has after one was given up: a server that is away stays so for a while.
AWAY_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PATCH_TRIES = 3  # a conflict is another writer of the moment, or another pod: then trying on is pointless
_POD_TRIES = 3
MOST_VALUES = 500_000  # of one answer: 1,000 of each object of a page
_PAGE_OBJECTS, _MAX_PAGES = 500, 20  # of a list
_STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
_MEDIA_TYPES = {"PATCH": "application/merge-patch+json", "POST": "application/json"}
_CONFIG_SOURCE = "kubernetes.io/config.source"


class _Strategic(bytes):
    """The body of a strategic merge patch: lists are merged by the keys that their kind has."""


class KubeAPI:
    """A cluster's API server. Every method raises one of kube_errors, or IOFailure for an unreadable token file."""

    def __init__(
        self,
        cluster: "Cluster",
        timeout_seconds: float,
        log: "Log",
        *,
        connection: "Exchange | None" = None,
        clock: "Callable[[], float]" = monotonic,
        sleep: "Callable[[float], None]" = sleep,
    ) -> None:
        self.cluster = cluster
        self._left = timeout_seconds
        self._timeout = timeout_seconds
        self._kept_back = 0.0  # of the timeout, until the server answers again
        self._is_away = False
        self._log = log
        self._connection = connection or Connection(cluster, clock)
        self._clock = clock
        self._sleep = sleep

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def renew(self, seconds: float) -> None:
        """The requests from now on share so many seconds: the caller's next piece of work begins.

        While the server is away they share AWAY_SECONDS, until one succeeds: else each piece would wait for it again.
        """
        self._timeout = seconds
        self._left = min(seconds, AWAY_SECONDS) if self._is_away else seconds
        self._kept_back = seconds - self._left

    # --- what an ADD asks ------------------------------------------------------------------------------

    def get_pod(self, namespace: str, name: str) -> "dict[str, Any]":
        """A Pod. ObjectNotFound carries code 11: kubelet may be ahead of the API server (conformance C57)."""
        try:
            return self.get_object(POD, namespace, name)
        except ObjectNotFound as error:
            hint = "the pod was deleted, or this node sees the API server's older state"
            raise error.replace(code=APIError.code, hint=hint) from None

    def annotations(self, namespace: str, name: str, uid: str) -> dict[str, str]:
        """The annotations of the pod with this UID; `uid` "" means any.

        A pod of the same name and another UID is looked at again a moment later: the API server's answer may
        be the older one. Static pods have another UID there than kubelet gives them (lessons 20).
        """
        attempt = 1
        while True:
            metadata = get_object(self.get_pod(namespace, name), "metadata", where=f"pod {namespace}/{name}")
            annotations = get_object(metadata, "annotations", where="metadata")
            if not all(isinstance(value, str) for value in annotations.values()):
                raise BadAnswer(f"the annotations of pod {namespace}/{name} are not all strings")
            if uid in ("", metadata.get("uid")) or annotations.get(_CONFIG_SOURCE, "api") != "api":
                return annotations
            if attempt == _POD_TRIES:
                raise Conflict(
                    f"the pod {namespace}/{name} that the API server knows is not the one with UID {uid}",
                    hint="a pod of the same name has taken its place; kubelet asks again for the new one",
                )
            self._pause(_pause_before(attempt))
            attempt += 1

    def annotate(self, namespace: str, name: str, uid: str, annotations: "Mapping[str, str]") -> None:
        """Set annotations of the pod, and nothing else of it (conformance C55).

        The patch goes to the subresource `status`: the right to patch that cannot change a pod's specification, where
        the right to patch pods could exchange every pod's image. `uid` is the precondition, "" for none: another pod
        of that name is left alone, with Conflict.
        """
        metadata: dict[str, Any] = {"annotations": dict(annotations)} | ({"uid": uid} if uid else {})
        self.merge_patch(POD, namespace, name, {"metadata": metadata}, subresource="status")

    # --- any object ------------------------------------------------------------------------------------

    def get_object(
        self, resource: Resource, namespace: str, name: str, *, within: float | None = None
    ) -> "dict[str, Any]":
        """An object; after `within` seconds without answer it is given up, where the caller can do without."""
        parts = resource.path(namespace, name)
        return self._request("GET", parts, {}, b"", f"get {resource.word} {namespace}/{name}", within)

    def list_objects(
        self, resource: Resource, namespace: str = "", *, within: float | None = None
    ) -> "list[dict[str, Any]]":
        """All of a namespace, or of the cluster, page by page; `within` is for each. Raises TooMany for too many."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(_PAGE_OBJECTS)}
        for _ in range(_MAX_PAGES):
            document = self.page(resource, namespace, query, within=within)
            found += [item for item in get_list(document, "items") if isinstance(item, dict)]
            token = get_str(get_object(document, "metadata"), "continue", where="metadata")
            if not token:
                return found
            query["continue"] = token
        raise TooMany(f"there are more than {_MAX_PAGES * _PAGE_OBJECTS} {resource.plural} in the cluster")

    def page(
        self,
        resource: Resource,
        namespace: str,
        query: "Mapping[str, str]",
        *,
        within: float | None = None,
    ) -> "dict[str, Any]":
        """One page of a list, of a namespace or ("") of the cluster; `within` as in get_object."""
        parts = resource.collection(namespace) if namespace else resource.everywhere
        asked = f"list {resource.plural}{resource.scope(namespace)}"
        return self._request("GET", parts, query, b"", asked, within)

    def get(
        self,
        parts: "Sequence[str]",
        query: "Mapping[str, str] | None" = None,
        *,
        within: float | None = None,
    ) -> "dict[str, Any]":
        """Any document: `get(("version",))`; `within` as in get_object."""
        return self._request("GET", parts, query or {}, b"", "get /" + "/".join(parts), within)

    def merge_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: "Mapping[str, Any]",
        *,
        subresource: str = "",
        strategic: bool = False,
    ) -> "dict[str, Any]":
        """Apply a JSON merge patch (RFC 7386), which may be made twice; the object as it is then.

        `strategic` merges lists by their keys, such as conditions by type; built-in kinds have that.

        Conflicts with another writer are tried again; with a UID in the patch they may also mean another pod.
        """
        parts, what = resource.path(namespace, name), f"{resource.word} {namespace}/{name}"
        if subresource:
            parts, what = (*parts, subresource), f"the {subresource} of {what}"
        asked = f"patch {what}"
        body = (_Strategic if strategic else bytes)(encode(patch).encode("ascii"))
        for attempt in range(1, _PATCH_TRIES):
            try:
                return self._request("PATCH", parts, {}, body, asked)
            except Conflict:
                self._pause(_pause_before(attempt))
        return self._request("PATCH", parts, {}, body, asked)

    def patch(
        self, parts: "Sequence[str]", patch: "Mapping[str, Any]", *, strategic: bool = False
    ) -> "dict[str, Any]":
        """Apply a merge patch to any object: `patch((*NODE.cluster_wide("n1"), "status"), ...)`."""
        body = (_Strategic if strategic else bytes)(encode(patch).encode("ascii"))
        return self._request("PATCH", parts, {}, body, "patch /" + "/".join(parts))

    def create(self, parts: "Sequence[str]", document: "Mapping[str, Any]") -> "dict[str, Any]":
        """What the server makes of a document; where its answer is lost it may make it twice."""
        return self._request(
            "POST", parts, {}, encode(document).encode("ascii"), "create /" + "/".join(parts)
        )

    # --- one request, as often as it takes -------------------------------------------------------------

    def _request(
        self,
        method: str,
        parts: "Sequence[str]",
        query: "Mapping[str, str]",
        body: bytes,
        asked: str,
        within: float | None = None,
    ) -> "dict[str, Any]":
        """The answer; `asked` is the request in words, for messages: its verb and its object."""
        url = self.cluster.base + target(parts, query)
        began = self._clock()
        last = began + self._left
        until = min(last, began + (AWAY_SECONDS if self._is_away else within or self._left))
        attempt = 0
        try:
            while True:
                attempt += 1
                try:
                    document = self._authorized(method, url, body, asked, until)
                except Unreachable as error:
                    pause = error.retry_after or _pause_before(attempt)
                    if self._clock() + pause >= until:
                        self._is_away = True
                        raise exhausted(error, attempt, until - began) from None
                    self._log.info("API request failed, trying again", error=error.msg, attempt=attempt)
                    self._sleep(pause)
                else:
                    self._is_away = False
                    last += self._kept_back
                    self._kept_back = 0.0
                    return document
        finally:
            self._left = last - self._clock()

    def _authorized(
        self, method: str, target: str, body: bytes, asked: str, until: float
    ) -> "dict[str, Any]":
        """One try; a second with the token file as it is then, where the first was refused (lessons 3)."""
        try:
            return self._try(method, target, body, asked, until)
        except Unauthorized:
            if not self.cluster.credentials.token_file:
                raise
            return self._try(method, target, body, asked, until)

    def _try(self, method: str, target: str, body: bytes, asked: str, until: float) -> "dict[str, Any]":
        until = min(until, self._clock() + TRY_SECONDS)
        try:
            response = self._connection.exchange(method, target, self._headers(method, body), body, until)
        except OSError as error:
            raise self._unreachable(error) from None
        what = asked.partition(" ")[2]
        self._refuse_crowd(response.body, what)
        try:
            document = decode(response.body.decode("utf-8"))
        except (JSONError, UnicodeDecodeError):
            document = None
        if 200 <= response.status < 300:
            if not isinstance(document, dict):
                raise self._foreign(f"the API server {self.cluster} answered {what} without a JSON object")
            return document
        is_core = target.startswith(f"{self.cluster.base}/api/v1/")
        if response.status == 404 and is_core and not is_status(document):
            raise self._foreign(f"what answers at {self.cluster} is no API server: it has no {what}")
        raise self._refusal(asked, response, document)

    def _refuse_crowd(self, body: bytes, what: str) -> None:
        """Raise BadAnswer for more values than any list of objects has: each takes 20 times its bytes in memory."""
        if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
            raise BadAnswer(
                f"the API server {self.cluster} answered {what} with more than {MOST_VALUES} values"
            )

    def _headers(self, method: str, body: bytes) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"genie/{__version__}"}
        if body:
            strategic = isinstance(body, _Strategic)
            headers["Content-Type"] = _STRATEGIC_MERGE_PATCH if strategic else _MEDIA_TYPES[method]
        credentials = self.cluster.credentials
        if self.cluster.tls and credentials.bearer:  # a token that was sent in the clear is known to others
            headers["Authorization"] = credentials.authorization()
        return headers

    def _pause(self, seconds: float) -> None:
        """Wait at the expense of what is left."""
        if seconds >= self._left:
            raise Unreachable(f"the {self._timeout:g} s for the API server {self.cluster} are used up")
        self._left -= seconds
        self._sleep(seconds)

    # --- what went wrong -------------------------------------------------------------------------------

    def _unreachable(self, error: OSError) -> Unreachable:
        reason = error.strerror or str(error) or type(error).__name__
        return Unreachable(
            f"the API server {self.cluster} cannot be reached: {reason}",
            hint=f"see that it runs, and that {self.cluster.source} names its address",
        )

    def _foreign(self, problem: str) -> BadAnswer:
        """The error where something else than an API server seems to answer."""
        names = f"see that {self.cluster.source} names the API server's whole address"
        return BadAnswer(problem, hint=f"{names}: a proxy may answer instead")

    def _refusal(self, asked: str, response: "Response", document: "Any") -> APIError:
        kind = error_of(response.status, document)
        verb, _, what = asked.partition(" ")
        message, hint = {
            401: self._unauthorized(),
            403: (
                f"the API server does not allow Genie to {asked}",
                f"grant that to the account of {self.cluster.source}",
            ),
            404: (
                f"the API server has no {what}"
                if verb == "list"
                else f"{what.removeprefix('the status of ')} does not exist",
                "see that its name and namespace are right, and its kind is installed",
            ),
        }.get(response.status, (f"the API server answered {response.status} to {asked}", ""))
        error = kind(message, details=server_words(document, self.cluster.credentials.secrets()), hint=hint)
        error.status = response.status
        if isinstance(error, Unreachable):
            error.retry_after = _retry_after(response.headers.get("retry-after", ""))
        return error

    def _unauthorized(self) -> tuple[str, str]:
        """Message and hint for a 401: what was sent is not accepted, or nothing was sent."""
        cluster, credentials = self.cluster, self.cluster.credentials
        if credentials.bearer and not cluster.tls:
            return (
                f"the API server {cluster} demands credentials, and the {credentials} was not sent without TLS",
                f"name the server with https:// in {cluster.source}",
            )
        return (
            f"the API server {cluster} does not accept Genie's credentials ({credentials})",
            f"name a user with credentials in {cluster.source}"
            if str(credentials) == NO_CREDENTIALS
            else f"they have expired or were revoked: renew what {cluster.source} names",
        )


def _retry_after(text: str) -> float:
    """Seconds; 0 for a date, which API servers do not send."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _pause_before(attempt: int) -> float:
    """0.1 s, 0.2 s, 0.4 s and so on to 5 s, less up to half of it, so that nodes do not come back all at once."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
    return longest * (1 - posix.urandom(1)[0] / 512)

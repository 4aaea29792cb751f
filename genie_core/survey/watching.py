"""Lists and watches of the API server, for what follows it for long. Cold.

The same class as everywhere (`edges.kube.KubeAPI`), over the connections of the package `kubernetes`: requests,
refusals and messages are the same. A watch is one request whose answer goes on: a JSON document a line.
Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Metadata-only fetches".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import BadAnswer, Gone, error_of, server_words
from genie_core.edges.kube_http import Response
from genie_core.edges.kube_resources import target
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import SILENT
from genie_core.errors import GenieError
from genie_core.fields import get_list, get_object, get_str
from genie_core.published import JSON
from genie_core.settings import Settings
from genie_core.survey.user_cluster import Access, find_cluster, in_pod
from genie_core.survey.user_credentials import KnownCluster, plain_cluster
from genie_core.survey.user_http import PooledConnection

# REQUEST_SECONDS are for all requests of a connection that are no list and no watch, PAGE_SECONDS for each page of a
# list with its repetitions.
REQUEST_SECONDS, PAGE_SECONDS = 60.0, 5.0
# The server ends a watch by itself after so long; client-go asks for 5 to 10 minutes.
WATCH_SECONDS = 300
# Bookmarks come about once a minute: after so long without a line the connection is taken for dead.
SILENT_SECONDS = 150.0
# Of pods, a page is some hundred kilobytes, and 20 times as much while it is decoded.
PAGE, METADATA_PAGE = 50, 500
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"


class WatchingAPI(KubeAPI):
    """A KubeAPI that can watch. `metadata_only` asks for objects without specification and status.

    `answered` is called when a request has been answered.
    """

    def __init__(
        self,
        known: KnownCluster,
        seconds: float = REQUEST_SECONDS,
        *,
        metadata_only: bool = False,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self._answered = answered
        self._pool = PooledConnection(known.cluster, known.configuration, known.headers)
        self._accept = _METADATA.format("List") if metadata_only else "application/json"
        self._page = METADATA_PAGE if metadata_only else PAGE
        self._accept_events = _METADATA.format("") if metadata_only else "application/json"
        super().__init__(known.cluster, seconds, SILENT, connection=self._pool)

    def _headers(self, method: str, body: bytes) -> dict[str, str]:
        return {**super()._headers(method, body), **({} if body else {"Accept": self._accept})}

    def _authorized(self, method: str, url: str, body: bytes, asked: str, until: float) -> JSON:
        document = super()._authorized(method, url, body, asked, until)
        self._answered()
        return document

    def items(self, parts: tuple[str, ...], query: Mapping[str, str]) -> Iterator[JSON | str]:
        """All objects, page by page, then the version of the list, from which a watch can go on.

        Raises Gone where the list took so long that the server has forgotten it, BadAnswer for what is no list.
        """
        asked, what = {**query, "limit": str(self._page)}, "/" + "/".join(parts)
        while True:
            self.renew(self._timeout)  # a large cluster has any number of pages, and each is progress
            document = self._request("GET", parts, asked, b"", f"list {what}", PAGE_SECONDS)
            yield from (item for item in get_list(document, "items") if isinstance(item, dict))
            metadata = get_object(document, "metadata")
            token = get_str(metadata, "continue", where="metadata")
            if not token:
                version = get_str(metadata, "resourceVersion", where="metadata")
                if not version:  # as a proxy's own page: it does not say that nothing is there
                    raise BadAnswer(f"what {self.cluster} answers to {what} is no list")
                yield version
                return
            asked["continue"] = token

    def require_server(self) -> None:
        """Raise BadAnswer, or what a request raises, where it is no API server that answers.

        A proxy in front of one that is away may answer 404 to everything: that says of no kind that it is missing.
        """
        accept, self._accept = self._accept, "application/json"  # versions have no metadata
        try:
            document = self.get(("api",))
        finally:
            self._accept = accept
        if document.get("kind") != "APIVersions":
            raise BadAnswer(f"what answers at {self.cluster} is no API server")

    def watch(
        self,
        parts: tuple[str, ...],
        query: Mapping[str, str],
        version: str,
        seconds: float = WATCH_SECONDS,
    ) -> Iterator[JSON]:
        """Events after `version`, until the server ends them, which it does after so many seconds.

        The request is made at once. Raises Gone where the server does not know that version any more.

        Raises Unreachable, also after a long silence, and what a request raises.
        """
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(int(seconds)),
        }
        what = "/" + "/".join(parts)
        headers = {**self._headers("GET", b""), "Accept": self._accept_events}
        url = self.cluster.base + target(parts, asked)
        try:
            lines = self._pool.lines(url, headers, SILENT_SECONDS, partial(self._refused, what))
        except OSError as error:
            raise self._unreachable(error) from None
        return self._events(lines, what)

    def _events(self, lines: Iterator[bytes], what: str) -> Iterator[JSON]:
        try:
            for line in lines:
                event = _decoded(line, what)
                if event["type"] == "ERROR":
                    raise _error_event(event["object"], what)
                yield event
        except OSError as error:
            raise self._unreachable(error) from None

    def _refused(self, what: str, response: Response) -> GenieError:
        try:
            document = json.loads(response.body)
        except ValueError:
            document = None
        return self._refusal(f"watch {what}", response, document)


def _decoded(line: bytes, what: str) -> JSON:
    try:
        event = json.loads(line)
        if isinstance(event["type"], str) and isinstance(event["object"], dict):
            return dict(event)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise BadAnswer(f"the watch of {what}: a line of it is no event")


def _error_event(document: Mapping[str, Any], what: str) -> GenieError:
    """The error of an event of the type ERROR: a Status, mostly that the version is too old."""
    code = document.get("code")
    is_gone = code == HTTPStatus.GONE or document.get("reason") in ("Expired", "Gone")
    kind = Gone if is_gone else error_of(code if isinstance(code, int) else 500, document)
    return kind(f"the watch of {what}: {server_words(document) or 'it ended with an error'}")


# --- the server and the credentials ----------------------------------------------------------------------------


def follow_cluster(access: Access, own: Mapping[str, Any]) -> KnownCluster | None:
    """The API server of a flag or $KUBECONFIG, else of this pod's account, else of the plugin, else the usual.

    `own` is Genie's own configuration. Called for each connection: tokens and files may have been renewed. None
    where no server is named. Raises GenieError for what cannot be used.
    """
    if own and not names_server(access) and not in_pod():
        settings = Settings(own, forgiving=True)
        cluster = load_cluster(settings.kubernetes, settings.policy, SILENT)
        if cluster is not None:
            return plain_cluster(cluster)
    found = find_cluster(access)
    return found.login(interactive=False) if found else None


def names_server(access: Access) -> bool:
    """Whether a flag or the environment says which kubeconfig is meant."""
    return access != Access() or bool(os.environ.get("KUBECONFIG"))

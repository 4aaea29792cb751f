"""The API server without a socket: the same answers, at once, under the same contract (contract/test_kube_api.py)."""

from collections.abc import Callable, Mapping

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_cluster import Cluster, Credentials
from genie_core.edges.kube_http import Response
from tests.apiserver import API, Request


class Clock:
    """A clock that advances by sleeping only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class MemoryConnection:
    """Carries requests to an API in this process. `before` is called first, and may raise what a wire raises."""

    def __init__(self, api: API, before: Callable[[], None] = lambda: None) -> None:
        self.api = api
        self.before = before
        self.closed = False

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, until: float
    ) -> Response:
        self.before()
        lower = {name.lower(): value for name, value in headers.items()}
        answer = self.api.answer(Request(method, target, lower, body))
        return Response(
            answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body
        )

    def close(self) -> None:
        self.closed = True


class Recorder:
    """A log that keeps its events: (level, event, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))


def memory_api(
    api: API,
    *,
    token: str = "",
    token_file: str = "",
    timeout_seconds: float = 30,
    clock: Clock | None = None,
    connection: MemoryConnection | None = None,
) -> KubeAPI:
    """A KubeAPI whose server is `api`; waiting costs no time."""
    cluster = Cluster(
        tls=True, host="in-memory", port=6443, credentials=Credentials(token, token_file), source="this test"
    )
    clock = clock or Clock()
    return KubeAPI(
        cluster,
        timeout_seconds,
        Recorder(),
        connection=connection or MemoryConnection(api),
        clock=clock,
        sleep=clock.sleep,
    )

"""A command in a container, over the API server: `kubectl exec` without a terminal.

The streams are messages of a WebSocket, whose first byte is the number of the stream: 0 stdin, 1 stdout, 2 stderr, 3 a
`Status` with the exit code, at the end. The package's own stream.ws_client is not used: it decodes output as text and
sends no header twice, as impersonation needs. Source: kubernetes/cri-client, pkg/remotecommand and apimachinery,
pkg/util/remotecommand (v4.channel.k8s.io; v5 adds 255, which closes a stream).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import BadAnswer, ObjectNotFound, error_of, server_words
from genie_core.edges.kube_http import Response
from genie_core.edges.kube_resources import POD, target
from genie_core.edges.log import SILENT
from genie_core.errors import EXIT_INCOMPLETE, GenieError, IOFailure
from genie_core.fields import get_list, get_object, get_str
from genie_core.survey.user_credentials import KnownCluster
from genie_core.survey.user_http import PooledConnection

if TYPE_CHECKING:
    from genie_core.survey.user_websocket import Messages

STDIN, STDOUT, STDERR, STATUS = b"\0", b"\1", b"\2", b"\3"
_PROTOCOLS = "v5.channel.k8s.io, v4.channel.k8s.io"
_LAST_SECONDS = 5.0  # for output that is still on its way when the exit code is known

Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecCommand:
    """What to run where. No shell reads `argv`."""

    namespace: str
    pod: str
    container: str
    argv: Sequence[str]


class ExecAPI(KubeAPI):
    """A KubeAPI that can run commands in containers, and delete pods."""

    def __init__(self, known: KnownCluster, seconds: float) -> None:
        self._pool = PooledConnection(known.cluster, known.configuration, known.headers)
        super().__init__(known.cluster, seconds, SILENT, connection=self._pool)

    def start(self, command: ExecCommand) -> Running:
        """Start a command; its stdin is open until the connection ends. Raises one of kube_errors."""
        query = [("container", command.container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        parts = (*POD.path(command.namespace, command.pod), "exec")
        words = "&".join(target((), {name: word})[1:] for name, word in [*query, *_words(command.argv)])
        headers = {**self._headers("GET", b""), "Sec-WebSocket-Protocol": _PROTOCOLS}
        asked = f"run a command in pod {command.namespace}/{command.pod}"

        def refusal(response: Response) -> GenieError:
            return self._refusal(asked, response, _document(response.body))

        try:
            return Running(
                self._pool.upgrade(f"{self.cluster.base}{target(parts, {})}?{words}", headers, refusal)
            )
        except OSError as error:
            raise self._unreachable(error) from None

    def delete_pod(self, namespace: str, name: str) -> None:
        """Delete a pod at once; one that does not exist is no failure. Raises one of kube_errors."""
        parts, query = POD.path(namespace, name), {"gracePeriodSeconds": "0"}
        try:
            self._request("DELETE", parts, query, b"", f"delete pod {namespace}/{name}")
        except ObjectNotFound:
            return


def _words(argv: Sequence[str]) -> list[tuple[str, str]]:
    return [("command", word) for word in argv]


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


class Running:
    """A command that was started. `write` may be called by another thread."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._status = b""

    def write(self, data: bytes) -> None:
        """Send something to the command's stdin. Raises OSError."""
        self._messages.send_message(STDIN + data)

    def wait(self, out: Write, err: Write, stop: Event | None = None) -> int:
        """Pass on what the command prints, until it ends; its exit code.

        Where `stop` is set, or an exception arrives, the connection is closed, which closes the command's stdin. Raises
        KeyboardInterrupt where `stop` is set, IOFailure where the connection ends before the command, BadAnswer.
        """
        until = float("inf")
        try:
            while time.monotonic() < until and (message := self._messages.receive()) is not None:
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt
                self._take(message[:1], message[1:], out, err)
                if self._status:
                    until = min(until, time.monotonic() + _LAST_SECONDS)
        finally:
            self._messages.end()
        return exit_code(self._status)

    def _take(self, stream: bytes, data: bytes, out: Write, err: Write) -> None:
        if stream == STDOUT:
            out(data)
        elif stream == STDERR:
            err(data)
        elif stream == STATUS:
            self._status += data


def exit_code(text: bytes) -> int:
    """The exit code in the `Status` at the end. Raises IOFailure, BadAnswer where there is none."""
    if not text:
        raise IOFailure(
            "the connection to the command ended before the command: whether it has done its work is not known",
            hint="run it again",
            exit_code=EXIT_INCOMPLETE,
        )
    document = _document(text)
    if not isinstance(document, dict):
        raise BadAnswer("the API server's answer about the command's end is not understood")
    if document.get("status") == "Success":
        return 0
    causes = get_list(get_object(document, "details"), "causes", where="details")
    for cause in causes:
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            code = get_str(cause, "message", where="causes")
            if code.isascii() and code.isdigit() and len(code) < 4:
                return int(code)
    status = document.get("code")
    raise error_of(status if isinstance(status, int) else 500, document)(
        "the container runtime could not run the command", details=server_words(document | {"kind": "Status"})
    )

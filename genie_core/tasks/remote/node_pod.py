"""A pod on a node for one command, for nodes without an agent: privileged, and gone when the command has ended.

When its time is up, the kubelet stops it; what is left then is its object, which the next command on that node removes.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

from genie_core.edges.kube_errors import Conflict, Forbidden, Rejected
from genie_core.edges.kube_resources import POD
from genie_core.errors import EXIT_TIMEOUT, GenieError
from genie_core.survey.cluster import ENDED
from genie_core.survey.user_exec import ExecAPI
from genie_core.survey.whole_cluster import NAME_LABEL
from genie_core.tasks.install.runtime_tree import HOME
from genie_core.tasks.remote.place import DEBUG

CONTAINER = "genie"
ACCOUNT = "genie-debug"
START_SECONDS = 120.0
_POLL_SECONDS = 0.5
# Reasons of a container that waits in vain: kubelet tries on, with longer and longer pauses.
_HOPELESS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """A pod in `namespace` on `node`, of `image`, that lives for at most so many seconds once it runs."""

    namespace: str
    node: str
    image: str
    seconds: float


def manifest(wanted: PodSpec, name: str) -> dict[str, Any]:
    """The Pod. The scheduler is not asked; no taint keeps it away; it takes nothing from the node but its image."""
    lives = f"import time; time.sleep({wanted.seconds:g})"
    return {
        **POD.type_meta,
        "metadata": {"name": name, "namespace": wanted.namespace, "labels": {NAME_LABEL: DEBUG}},
        "spec": {
            "nodeName": wanted.node,
            "serviceAccountName": ACCOUNT,
            "hostNetwork": True,
            "hostPID": True,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": round(wanted.seconds),
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": CONTAINER,
                    "image": wanted.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": [f"{HOME}/bin/python3", "-I", "-c", lives],
                    "securityContext": {"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True},
                }
            ],
        },
    }


@contextmanager
def node_pod(
    api: ExecAPI, wanted: PodSpec, left: Callable[[str], None], stop: Event | None = None
) -> Iterator[str]:
    """The name of a running pod, which is removed at the end, however that comes.

    `left` gets a sentence where it could not be removed. `stop` ends the wait for its start. Raises one of kube_errors
    where it may not be made, GenieError where it does not start.
    """
    name = f"genie-debug-{secrets.token_hex(4)}"
    try:
        try:
            _create(api, wanted, name)
        except (Forbidden, Rejected):
            name = ""  # there is none
            raise
        _wait_until_it_runs(api, wanted.namespace, name, stop or Event())
        yield name
    finally:
        with _undisturbed():
            if name:
                _remove(api, wanted.namespace, name, left)


def _create(api: ExecAPI, wanted: PodSpec, name: str) -> None:
    try:
        api.create(POD.collection(wanted.namespace), manifest(wanted, name))
    except Conflict:  # an earlier try succeeded, and its answer was lost: the name is random
        return


def _wait_until_it_runs(api: ExecAPI, namespace: str, name: str, stop: Event) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        status = api.get_object(POD, namespace, name).get("status") or {}
        if status.get("phase") == "Running":
            return
        why = _waiting(status)
        if why.partition(":")[0] in _HOPELESS or status.get("phase") in ENDED:
            raise GenieError(f"pod {namespace}/{name} does not start: {why}")
        if time.monotonic() > until:
            raise GenieError(
                f"pod {namespace}/{name} has not started within {START_SECONDS:g} s: {why}",
                exit_code=EXIT_TIMEOUT,
            )
        if stop.wait(_POLL_SECONDS):
            raise KeyboardInterrupt


def _waiting(status: dict[str, Any]) -> str:
    """Why the pod does not run: of its container, else of the pod."""
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return ": ".join(filter(None, (waiting["reason"], waiting.get("message"))))
    said = [str(text) for text in (status.get("reason"), status.get("message")) if text]
    return ": ".join(said) or f"it is {status.get('phase') or 'Pending'}"


def _remove(api: ExecAPI, namespace: str, name: str, left: Callable[[str], None]) -> None:
    try:
        api.delete_pod(namespace, name)
    except GenieError as error:
        left(
            f"pod {namespace}/{name} could not be removed ({error.msg}): "
            f"kubectl delete pod -n {namespace} {name}"
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that end the program are ignored meanwhile. Only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

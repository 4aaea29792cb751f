"""A CNI call as a container runtime makes it: environment, standard input, and the plugin's result.

The same as containerd and CRI-O through libcni: the configuration list's plugin gets name and cniVersion, of the
capability arguments those that it declares, and the result of ADD again on CHECK and DEL.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.errors import INTERNAL
from genie_core.jsontext import encode
from genie_core.model import NetConf
from genie_core.plan import POD_ANNOTATIONS
from genie_core.published import UNPUBLISHED, Published, formed, rounded
from genie_core.sandbox.node_process import Ran
from genie_core.spec.conf import plugin_input
from genie_core.survey import redact
from genie_core.tasks.dry_run.recorder import Note
from genie_core.verbs.context import DEFAULT_ROUTE

INTERFACE = "eth0"  # the name that every runtime gives to the pod's first interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod's sandbox, as the runtime has made it before it calls a plugin."""

    netns: str
    name: str
    namespace: str
    annotations: Mapping[str, str]
    container_id: str = field(default_factory=lambda: secrets.token_hex(32))
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Published):
    """One delegate that Genie ran; `status` is its exit status, `ms` its wall time.

    `note` is the record of its input and output, where there is one.
    """

    verb: str
    plugin: str
    network: str
    interface: str
    status: int
    ms: float = field(metadata=formed(rounded))
    note: Note | None = field(default=None, metadata=UNPUBLISHED)

    def as_json(self) -> dict[str, Any]:
        """verb, plugin, network, interface, status, ms; environment, input, output, stderr, inner if recorded."""
        return (self.note.as_json() if self.note else {}) | super(Step, self).as_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Published):
    """The error document that a plugin printed (SPEC, "Error")."""

    code: int
    msg: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRoute(Published):
    """Several networks set a default route of one family ("IPv4"): the interface that keeps its own, and the others."""

    family: str
    kept: str
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of Genie and its outcome: `result` for an ADD that succeeded, `problem` for any that failed.

    `pod` counts from 1; 0 for a call that concerns no pod.
    """

    verb: str
    ms: float
    pod: int = 1
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    default_routes: tuple[KeptRoute, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """verb, pod, ok, ms, steps, warnings, defaultRoutes, and result or error."""
        document: dict[str, Any] = {
            "verb": self.verb,
            "pod": self.pod,
            "ok": self.problem is None,
            "ms": round(self.ms, 1),
            "steps": [step.as_json() for step in self.steps],
            "warnings": list(self.warnings),
            "defaultRoutes": [kept.as_json() for kept in self.default_routes],
        }
        if self.problem:
            return document | {"error": self.problem.as_json()}
        return document | ({"result": dict(self.result)} if self.result else {})


def environment(verb: str, sandbox: Sandbox, bin_dirs: Sequence[str], path: str) -> dict[str, str]:
    """The whole environment of a call. `path` is the runtime's own PATH, by which plugins find iptables."""
    args = {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": sandbox.namespace,
        "K8S_POD_NAME": sandbox.name,
        "K8S_POD_INFRA_CONTAINER_ID": sandbox.container_id,
        "K8S_POD_UID": sandbox.uid,
    }
    return {
        "PATH": path,
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": sandbox.container_id,
        "CNI_NETNS": sandbox.netns,
        "CNI_IFNAME": INTERFACE,
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
        "CNI_PATH": ":".join(bin_dirs),
    }


def gc_environment(bin_dirs: Sequence[str], path: str) -> dict[str, str]:
    """The whole environment of a GC: it concerns no container (conformance A79)."""
    return {"PATH": path, "CNI_COMMAND": "GC", "CNI_PATH": ":".join(bin_dirs)}


# Genie's log of every delegate goes to this run alone; the node's counters and its readiness concern real pods.
_OUR_OWN = {
    "log_level": '"debug"',
    "log_file": '""',
    "metrics_file": '""',
    "readiness_file": '""',
    "policy": "{}",
    "policy_engine": "false",  # an agent compiles rules for real pods; `--policy` tries them by itself
}


def gc_input(network: NetConf) -> str:
    """The configuration of a GC after the last pod is removed: no attachment is valid."""
    return plugin_input(
        network,
        network.plugins[0],
        extra={
            **_OUR_OWN,
            "kubernetes": "{}",
            "cni.dev/valid-attachments": "[]",
            "cni.dev/attachments": "[]",
        },
    )


def standard_input(network: NetConf, sandbox: Sandbox, result: str = "", api: str = "") -> str:
    """The configuration on stdin; `result` is ADD's, for CHECK and DEL. `api` is the URL of the node's own API server.

    Genie does not use the real API server, which does not know this pod.
    """
    return plugin_input(
        network,
        network.plugins[0],
        prev_result=result,
        capabilities={POD_ANNOTATIONS: encode(dict(sandbox.annotations))},
        extra={**_OUR_OWN, "kubernetes": encode({"k8s_api_root": api} if api else {})},
    )


def read_answer(verb: str, ran: Ran) -> Call:
    """The outcome of a run: its result or its error, and from its log the delegates and the warnings."""
    events = list(_events(ran.stderr))
    result, problem = _read_stdout(ran)
    return Call(
        verb=verb,
        ms=ran.ms,
        steps=tuple(_step(event) for event in events if event.get("event") == "delegate"),
        warnings=tuple(
            redact.in_text(_sentence(event)) for event in events if event.get("level") == "warning"
        ),
        default_routes=tuple(_kept(event) for event in events if event.get("event") == DEFAULT_ROUTE),
        result=result,
        problem=problem,
    )


def _read_stdout(ran: Ran) -> tuple[dict[str, Any], Problem | None]:
    if ran.expired:
        return {}, Problem(code=INTERNAL, msg=f"no answer within {ran.ms / 1000:.1f} s, so it was killed")
    try:
        document = json.loads(ran.stdout or "{}")
        if not isinstance(document, dict):
            raise TypeError
    except (ValueError, TypeError):
        message = "it printed something that is not a JSON object"
        return {}, Problem(code=INTERNAL, msg=message, details=redact.in_text(ran.stdout)[:500])
    if ran.returncode == 0:
        return document, None
    message = document.get("msg") or f"it ended with status {ran.returncode} and printed nothing"
    return {}, Problem(
        code=document.get("code", INTERNAL),
        msg=redact.in_text(str(message)),
        details=redact.in_text(
            str(document.get("details", "")) or ("" if document else ran.stderr.strip()[-500:])
        ),
    )


def _events(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a delegate's own message
        if isinstance(event, dict):
            yield event


def _step(event: Mapping[str, Any]) -> Step:
    return Step(
        verb=event.get("delegateVerb", ""),
        plugin=event.get("plugin", ""),
        network=event.get("network", ""),
        interface=event.get("interface", ""),
        status=event.get("status", 0),
        ms=event.get("ms", 0.0),
    )


def _kept(event: Mapping[str, Any]) -> KeptRoute:
    return KeptRoute(
        family=event.get("family", ""), kept=event.get("kept", ""), removed=tuple(event.get("removed", ()))
    )


def _sentence(event: Mapping[str, Any]) -> str:
    """A warning of Genie's log in one line."""
    said = {
        key: value
        for key, value in event.items()
        if key not in ("time", "level", "verb", "container", "interface")
    }
    what, problem = said.pop("event", ""), str(said.pop("problem", ""))
    if problem.startswith(str(said.get("file"))):
        del said["file"]
    parts = [f"{key} {value}" for key, value in said.items()]
    return ": ".join(filter(None, (what, ", ".join(parts), problem)))

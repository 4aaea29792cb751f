"""Why a pod has its networks: which annotation decides, which rule, which file; as recorded, and as it would be now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from genie_core.dialects import asked, dialect_of
from genie_core.errors import EXIT_DENIED, Denied, GenieError, IOFailure
from genie_core.model import Attachment, Plan
from genie_core.plan import POD_ANNOTATIONS, primary_first
from genie_core.published import Published
from genie_core.select.allowed import can_take
from genie_core.settings import Settings
from genie_core.spec.addresses import host
from genie_core.spec.result import recorded_result
from genie_core.tasks.dry_run.preview import preview
from genie_core.tasks.node_state import open_context, plans


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Published):
    """One network of the pod: `why` is the annotation or key that asks for it, `source` where its configuration is."""

    network: str
    interface: str
    why: str
    source: str
    plugins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection(Published):
    """The answer. `annotations` are those that Genie reads, None where they are not known.

    `problem` says why they are not known, or why an ADD would fail now; `hint` is then what to do about it.

    `attached` is what the state on this node has, `now` what an ADD would choose; None where that is not known.
    `can_take` are the networks that pods of its namespace can take on this node (select.allowed). `addresses` are those
    of each attached interface, of both families, the primary one first.
    """

    kind: ClassVar[str] = "Selection"
    also: ClassVar[tuple[str, ...]] = ("decides", "rule", "changed")
    pod: str
    annotations: Mapping[str, str] | None = None
    attached: tuple[Chosen, ...] | None = None
    now: tuple[Chosen, ...] | None = None
    problem: str = ""
    hint: str = ""
    can_take: Mapping[str, Any] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def decides(self) -> str:
        """The annotation that decides, "" where none does."""
        return dialect_of(self.annotations or {}).key

    @property
    def rule(self) -> str:
        """The rule by which it decides; "" where the annotations are not known."""
        return "" if self.annotations is None else dialect_of(self.annotations).rule

    @property
    def changed(self) -> bool:
        """Whether an ADD would now choose other networks."""
        return self.attached is not None and self.now is not None and self.attached != self.now


def explain_selection(
    namespace: str,
    name: str,
    *,
    annotations: Mapping[str, str] | None,
    problem: str = "",
    config: Mapping[str, Any],
    path: Sequence[str] = (),
    uid: str = "",
) -> Selection:
    """Why pod NAMESPACE/NAME has its networks on this node.

    `annotations` are the pod's, None where they are not known (`problem` says why); `config` is Genie's entry of
    its conflist; `path` are the directories of plugins; `uid` is the pod's, "" where it is not known.
    Raises Denied where this user may not read the state.
    """
    pod = f"{namespace}/{name}"
    plan = _recorded(pod, config)
    attached = None if plan is None else tuple(_of_plan(plan))
    now, hint = None, ""
    if annotations is not None:
        try:
            now = tuple(_choose((namespace, name, uid), annotations, config, path))
        except GenieError as error:
            problem, hint = error.msg, "; ".join(filter(None, (error.details, error.hint)))
    return Selection(
        pod=pod,
        annotations=annotations and asked(annotations),
        attached=attached,
        now=now,
        problem=problem,
        hint=hint,
        can_take=can_take(Settings(config, forgiving=True), namespace),
        addresses={} if plan is None else {item.ifname: _addresses(item) for item in primary_first(plan)},
    )


def pods_here(config: Mapping[str, Any]) -> list[str]:
    """The pods that this node's state has, NAMESPACE/NAME."""
    return [str(plan.pod) for plan in plans(open_context(dict(config))) if plan.pod]


def _recorded(pod: str, config: Mapping[str, Any]) -> Plan | None:
    """The pod's newest plan in the state: a recreated pod of the same name comes after the old one."""
    context = open_context(dict(config))
    try:
        found = [plan for plan in plans(context) if str(plan.pod or "") == pod]
    except IOFailure as error:
        if error.exit_code != EXIT_DENIED:
            raise
        raise Denied(
            f"whether pod {pod} is attached here could not be read: {error.msg}",
            hint=f"run it as root: sudo genie explain pod {pod}",
        ) from None
    return max(found, key=lambda plan: (Path(plan.netns).exists(), plan.container_id), default=None)


def _of_plan(plan: Plan) -> list[Chosen]:
    return [
        Chosen(
            network=item.network.name,
            interface=item.ifname,
            why=item.origin,
            source=item.network.source,
            plugins=tuple(plugin.type for plugin in item.network.plugins),
        )
        for item in plan.attachments
    ]


def _addresses(attachment: Attachment) -> tuple[str, ...]:
    """The addresses that its result reports; none where it has none that can be read."""
    try:
        return tuple(host(ip["address"]) for ip in recorded_result(attachment).result.ips)
    except GenieError:
        return ()


def _choose(
    pod: tuple[str, str, str], annotations: Mapping[str, str], config: Mapping[str, Any], path: Sequence[str]
) -> list[Chosen]:
    """The networks that an ADD would choose: the same rules on the same input, without an ADD."""
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "explain",
        "CNI_NETNS": "/proc/self/ns/net",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": f"K8S_POD_NAMESPACE={pod[0]};K8S_POD_NAME={pod[1]};K8S_POD_UID={pod[2]}",
        "CNI_PATH": ":".join(path),
    }
    supplied = {"runtimeConfig": {POD_ANNOTATIONS: dict(annotations)}}
    document = {"cniVersion": "1.0.0", "name": "genie", "type": "genie", **config, **supplied}
    return [
        Chosen(
            network=planned["network"],
            interface=planned["interface"],
            why=planned["why"],
            source=planned["source"],
            plugins=tuple(planned["plugins"]),
        )
        for planned in preview(env, json.dumps(document))
    ]

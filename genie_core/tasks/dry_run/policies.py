"""Policies tried with real packets between two pods of a private node, before they are applied.

The pods get the labels for which the first policy asks: the first pod is one that it selects, the second a peer of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from genie_core.errors import DecodingFailure, IOFailure
from genie_core.policy.cluster import Attached, Cluster, objects_of
from genie_core.policy.compile import PolicyRuleset, compile_node
from genie_core.policy.rules import MULTI, NETWORK
from genie_core.policy.ruleset import TABLE
from genie_core.published import JSON, Published, named
from genie_core.spec.addresses import version as version_of
from genie_core.state import decode_plan
from genie_core.survey.cluster import as_object
from genie_core.tasks.dry_run.configuration import AnyNode
from genie_core.tasks.policy.sources import attachment_items
from genie_core.tasks.policy.verdict import explain

NODE = "this"
OTHER_PORT, MOST_PORTS = 9, 8  # discard (RFC 863): a port that policies do not name
SECONDS = 1.0
# TCP: a reset is an answer. UDP: an ICMP error from the pod is one. Nothing has to listen.
_PROGRAM = """\
import errno, json, select, socket, sys, time
source, targets, seconds = json.loads(sys.argv[1])
waiting, came = {}, []
for number, (address, port, protocol) in enumerate(targets):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
    one.setblocking(False)
    try:
        one.bind((source, 0))
        code = one.connect_ex((address, port))
        if protocol == "UDP":
            one.send(b"x")
    except OSError:
        continue
    if code in (0, errno.EINPROGRESS):
        waiting[one] = number, protocol
    elif code == errno.ECONNREFUSED:
        came.append(number)
until = time.monotonic() + seconds
while waiting and time.monotonic() < until:
    tcp = [one for one, (_, protocol) in waiting.items() if protocol == "TCP"]
    udp = [one for one in waiting if one not in tcp]
    ready = select.select(udp, tcp, [], max(0, until - time.monotonic()))
    for one in ready[0] + ready[1]:
        number, _ = waiting.pop(one)
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):
            came.append(number)
print(json.dumps(came))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried(Published):
    """One connection that was tried: `verdict` is allow where an answer came; `policy` decided it, "" for none."""

    source: str = field(metadata=named("from"))
    target: str = field(metadata=named("to"))
    port: int
    protocol: str
    verdict: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPod(Published):
    """A pod of the run, by its container."""

    container: str
    netns: str


def try_policies(
    node: AnyNode, policies: Sequence[JSON], pods: Sequence[TriedPod], namespace: str
) -> list[Tried]:
    """Apply the policies to two pods, connect them on each network that both have, and take the policies off."""
    named = [_in_namespace(document, namespace) for document in policies]
    space = named[0]["metadata"]["namespace"]
    labels = _labels(named[0])
    objects = [
        {"kind": "Pod", "metadata": {"namespace": space, "name": f"pod-{number}", "labels": one}, "spec": {}}
        for number, one in enumerate(labels, 1)
    ]
    items = [
        item for number, pod in enumerate(pods, 1) for item in _attached(node, pod, space, f"pod-{number}")
    ]
    cluster = Cluster([*named, *objects, {"kind": "AttachmentList", "node": NODE, "items": items}])
    ruleset = compile_node(cluster, NODE)
    try:
        _load(node, ruleset)
        return list(_tried(node, cluster, pods, _ports(named)))
    finally:
        for family in ("inet", "bridge"):
            node.run(["nft", "delete", "table", family, TABLE])


def _in_namespace(document: JSON, namespace: str) -> JSON:
    metadata = as_object(document.get("metadata"))
    return {**document, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _attached(node: AnyNode, pod: TriedPod, namespace: str, name: str) -> Iterator[JSON]:
    folder = f"{node.places.state_dir}/containers"
    for path in node.files(folder):
        try:
            plan = decode_plan(node.read(path))
        except (OSError, DecodingFailure):
            continue
        if plan.container_id == pod.container:
            for one in plan.attachments:
                for item in attachment_items(plan, one):
                    yield {**item, "namespace": namespace, "name": name, "uid": ""}


def _load(node: AnyNode, ruleset: PolicyRuleset) -> None:
    for name, value in ruleset.sysctls.items():
        try:
            node.write("/proc/sys/" + name.replace(".", "/"), value)
        except OSError:
            continue  # it is the kernel's default
    texts = {"": ruleset.host_text, **{one.attached.netns: one.as_json()["text"] for one in ruleset.pods}}
    for netns, text in texts.items():
        _run(node, ["nft", "-f", "-"], netns, stdin=text)


def _run(node: AnyNode, argv: Sequence[str], netns: str, stdin: str = "", timeout: float = 60) -> str:
    """What a program prints. Raises IOFailure where it fails: then nothing was tried."""
    try:
        ran = node.run(argv, stdin=stdin, netns=netns, timeout=timeout)
    except OSError as error:
        raise IOFailure(
            f"{argv[0]} cannot be started: {error.strerror}", hint="the policies need it"
        ) from None
    if ran.returncode:
        raise IOFailure(f"the policies cannot be tried: {argv[0]} failed", details=ran.stderr.strip()[-2000:])
    return ran.stdout


def _tried(
    node: AnyNode, cluster: Cluster, pods: Sequence[TriedPod], ports: Sequence[tuple[int, str]]
) -> Iterator[Tried]:
    for here, there in ((0, 1), (1, 0)):
        for source, target in _pairs(cluster, pods[here].container, pods[there].container):
            targets = [(target, port, protocol) for port, protocol in ports]
            program = [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps([source, targets, SECONDS])]
            came = json.loads(_run(node, program, pods[here].netns, timeout=SECONDS + 10))
            for number, (port, protocol) in enumerate(ports):
                yield Tried(
                    source=source,
                    target=target,
                    port=port,
                    protocol=protocol,
                    verdict="allow" if number in came else "deny",
                    policy=_decided(cluster, source, target, port, protocol),
                )


def _pairs(cluster: Cluster, here: str, there: str) -> Iterator[tuple[str, str]]:
    mine: list[Attached] = [one for one in cluster.attached if one.container == here]
    others: list[Attached] = [one for one in cluster.attached if one.container == there]
    for one in mine:
        for other in others:
            if one.network == other.network:
                for source in one.addresses:
                    yield from (
                        (source, target)
                        for target in other.addresses
                        if version_of(source) == version_of(target)
                    )


def _decided(cluster: Cluster, source: str, target: str, port: int, protocol: str) -> str:
    """The policy whose rule decides it."""
    pod = next(one.key for one in cluster.attached if source in one.addresses)
    where = f"[{target}]" if ":" in target else target
    found = explain(cluster, NODE, pod, source, f"{where}:{port}/{protocol}")
    matched = [rule for rule in found.rules if rule.matched]
    denied = [rule for rule in matched if rule.note.action == "deny"]
    return next((str(rule.policy) for rule in (*denied, *matched)), "")


def _labels(policy: JSON) -> tuple[JSON, JSON]:
    """Those of a pod that the policy selects, and of a pod that it allows."""
    peers = [
        peer for rule in _rules(policy) for side in ("from", "to") for peer in objects_of(rule.get(side))
    ]
    selectors = [peer["podSelector"] for peer in peers if peer.get("podSelector")]
    selector = as_object(policy.get("spec")).get("podSelector")
    return _fitting(selector), _fitting(selectors[0] if selectors else {})


def _rules(policy: JSON) -> Iterator[JSON]:
    """Its rules; what is none is the compiler's finding."""
    for kind in ("ingress", "egress"):
        yield from objects_of(as_object(policy.get("spec")).get(kind))


def _fitting(selector: object) -> JSON:
    """Labels that a selector selects."""
    labels = dict(as_object(as_object(selector).get("matchLabels")))
    for one in objects_of(as_object(selector).get("matchExpressions")):
        if one.get("operator") == "In" and isinstance(one.get("values"), list) and one["values"]:
            labels[str(one.get("key"))] = one["values"][0]
        elif one.get("operator") == "Exists":
            labels[str(one.get("key"))] = "true"
    return labels


def _ports(policies: Sequence[JSON]) -> list[tuple[int, str]]:
    """The ports that the policies name, and one that they do not."""
    ports = [port for policy in policies for rule in _rules(policy) for port in objects_of(rule.get("ports"))]
    named = [
        (port["port"], str(port.get("protocol") or "TCP"))
        for port in ports
        if isinstance(port.get("port"), int)
        and 0 < port["port"] < 65536
        and port.get("protocol") in (None, "TCP", "UDP")
    ]
    found = list(dict.fromkeys(named))[:MOST_PORTS]
    return [*found, *([(OTHER_PORT, "TCP")] if (OTHER_PORT, "TCP") not in found else [])]


def is_policy(document: object) -> bool:
    """Whether it is an object that can be tried."""
    return isinstance(document, Mapping) and document.get("kind") in (MULTI, NETWORK)

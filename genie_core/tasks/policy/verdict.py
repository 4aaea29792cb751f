"""`genie policy explain`: which policy allows or denies a connection, rule by rule."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from genie_core.errors import NotFound, WrongUsage
from genie_core.policy.chains import Isolation, Note, rules_of
from genie_core.policy.cluster import Attached, Cluster, Member, Pod
from genie_core.policy.compile import Policies
from genie_core.policy.evaluate import Packet, run_hook
from genie_core.policy.peers import Peers
from genie_core.policy.places import Place, place_of
from genie_core.policy.rules import EGRESS, INGRESS, PROTOCOLS, PolicyName
from genie_core.policy.ruleset import Chain, Table
from genie_core.spec.addresses import version as version_of
from genie_core.tasks.policy.counters import no_counters
from genie_core.tasks.policy.listing import ELSEWHERE, NOT, WHERE

ICMP = "ICMP"
Counters = Callable[[Attached, str], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of the connections that are asked about: pods' addresses, or one address, of a pod or of another host."""

    text: str
    pod: Pod | None = None
    members: tuple[tuple[Member | None, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """One rule at one end; `packets` is its counter, None where that cannot be read here."""

    note: Note
    policy: PolicyName
    direction: str
    pod: tuple[str, str]
    network: str
    where: str
    matched: bool
    packets: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The published form."""
        document = {
            "policy": self.policy.as_json(),
            "rule": self.note.place,
            "direction": self.direction,
            "action": self.note.action,
            "pod": {"namespace": self.pod[0], "name": self.pod[1]},
            "network": self.network,
            "where": self.where,
            "matched": self.matched,
        }
        return document if self.packets is None else {**document, "packets": self.packets}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """`source` and `target` are "" where no connection was asked about: then the rules are the pod's."""

    kind: ClassVar[str] = "PolicyVerdict"
    pod: tuple[str, str]
    verdict: str
    reason: str
    rules: Sequence[RuleAnswer]
    source: str = ""
    target: str = ""
    port: int = 0
    protocol: str = ""

    def as_json(self) -> dict[str, Any]:
        """The published form."""
        document: dict[str, Any] = {"target": {"namespace": self.pod[0], "name": self.pod[1]}}
        if self.source:
            document |= {"from": self.source, "to": self.target, "port": self.port, "protocol": self.protocol}
        rules = [rule.as_json() for rule in self.rules]
        return {**document, "verdict": self.verdict, "reason": self.reason, "rules": rules}


def parse_target(text: str) -> tuple[str, int, str]:
    """(end, port, protocol) of `B[:PORT[/PROTO]]`; without a port it is ICMP. Raises WrongUsage."""
    end, port, protocol = text, "", "TCP"
    if text.startswith("["):
        end, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        end, _, port = text.partition(":")
    if not port:
        return end, 0, ICMP
    port, slash, word = port.partition("/")
    protocol = word.upper() if slash else protocol
    if not port.isdecimal() or not 0 < int(port) < 65536 or protocol not in PROTOCOLS:
        raise WrongUsage(
            f"--to {text!r}: after the address comes :PORT or :PORT/PROTOCOL",
            hint="as in shop/db:5432/TCP, 10.1.0.7:53/UDP or [fd00::7]:443",
        )
    return end, int(port), protocol


def explain(
    cluster: Cluster,
    node: str,
    pod: tuple[str, str],
    source: str = "",
    target: str = "",
    counters: Counters = no_counters,
) -> PolicyVerdict:
    """The verdict. Raises NotFound for a pod that is not known, WrongUsage for an end that is none."""
    task = _Explain(cluster, node, counters)
    own = task.end("/".join(pod), pod[0])
    if not source and not target:
        return task.about(own)
    name, port, protocol = parse_target(target)
    first = task.end(source, pod[0]) if source else own
    second = task.end(name, pod[0]) if name else own
    if own.pod not in (first.pod, second.pod):
        raise WrongUsage(f"pod {own.text} is neither --from nor --to", hint="name it, or leave one out")
    return task.connection(own, first, second, port, protocol)


class _Explain:
    def __init__(self, cluster: Cluster, node: str, counters: Counters) -> None:
        self.cluster = cluster
        self.counters = counters
        self.node = node
        self.policies = Policies(cluster)
        self.peers = Peers(cluster)

    def end(self, text: str, namespace: str) -> End:
        """An end by address, NS/NAME, or the NAME of a pod in `namespace`. Raises NotFound."""
        try:
            address = str(ipaddress.ip_address(text))
        except ValueError:
            return self._pod_end(text, namespace)
        for pod in self.cluster.pods.values():
            for member in pod.members:
                if address in member.addresses and not pod.ended:
                    return End(text=text, pod=pod, members=((member, address),))
        return End(text=text, members=((None, address),))

    def _pod_end(self, text: str, namespace: str) -> End:
        space, _, name = text.removeprefix("pod/").rpartition("/")
        key = (space or namespace, name)
        pod = self.cluster.pods.get(key)
        if pod is None:
            raise NotFound(
                f"{text}: no pod {'/'.join(key)} is known", hint="NAMESPACE/NAME of a pod, or an address"
            )
        members = tuple((member, one) for member in pod.members for one in member.addresses)
        return End(text="/".join(key), pod=pod, members=members)

    def about(self, own: End) -> PolicyVerdict:
        """All rules of a pod; the verdict is that of a packet that no rule mentions."""
        assert own.pod is not None
        rules: list[RuleAnswer] = []
        for member in own.pod.members:
            for isolation, attached, where in self._isolations(own.pod, member):
                rules += self._answers(isolation, own.pod, member, attached, where, matched="")
        denies = any(rule.note.action == "deny" and rule.where != NOT for rule in rules)
        verdict = "deny" if denies else "not-enforced" if rules else "allow"
        reason = {
            "deny": "what no rule allows is dropped",
            "allow": "no policy selects the pod on any network",
            "not-enforced": "policies select the pod, and this node cannot enforce them",
        }[verdict]
        return PolicyVerdict(pod=own.pod.key, verdict=verdict, reason=reason, rules=rules)

    def connection(self, own: End, first: End, second: End, port: int, protocol: str) -> PolicyVerdict:
        """The verdict on connections between two ends: on networks that both have, else on all that can be."""
        assert own.pod is not None
        pairs = [
            (a, b) for a in first.members for b in second.members if version_of(a[1]) == version_of(b[1])
        ]
        for end in (first, second):
            if not end.members:
                raise NotFound(f"pod {end.text} has no address yet")
        if not pairs:
            raise WrongUsage(f"{first.text} and {second.text} have no addresses of one family")
        near = [(a, b) for a, b in pairs if a[0] and b[0] and a[0].network == b[0].network]
        rules: list[RuleAnswer] = []
        denied: list[str] = []
        unenforced: list[str] = []
        for a, b in near or pairs:
            packet = Packet(saddr=a[1], daddr=b[1], protocol=protocol, dport=port, sport=1024)
            for direction, end, member in ((EGRESS, first, a[0]), (INGRESS, second, b[0])):
                for answer in self._judged(direction, end, member, packet):
                    rules.append(answer)
                    if answer.matched and answer.note.action == "deny":
                        text = f"{answer.policy} denies {a[1]} to {b[1]} ({answer.direction.lower()}, {answer.network})"
                        (unenforced if answer.where == NOT else denied).append(text)
        verdict = "deny" if denied else "not-enforced" if unenforced else "allow"
        reason = next(iter([*denied, *unenforced]), "")
        return PolicyVerdict(
            pod=own.pod.key,
            verdict=verdict,
            reason=reason
            or ("a rule allows it" if any(rule.matched for rule in rules) else "no policy applies to it"),
            rules=_once(rules),
            source=first.text,
            target=second.text,
            port=port,
            protocol=protocol,
        )

    def _judged(
        self, direction: str, end: End, member: Member | None, packet: Packet
    ) -> Iterator[RuleAnswer]:
        if end.pod is None or member is None:
            return
        for isolation, attached, where in self._isolations(end.pod, member):
            if isolation.direction != direction:
                continue
            rules = rules_of(isolation, end.pod, self.peers)
            table = Table("inet", tuple(self.peers.sets.values()), (Chain("asked", rules),))
            trail = run_hook(table, "asked", packet).trail
            matched = trail[-1][1].comment if trail else ""
            yield from self._answers(isolation, end.pod, member, attached, where, matched)

    def _isolations(self, pod: Pod, member: Member) -> Iterator[tuple[Isolation, Attached | None, str]]:
        """What isolates one network of a pod, and where that is enforced, as far as this node knows."""
        found = next(
            (one for one in self.cluster.attached if one.key == pod.key and one.network == member.network),
            None,
        )
        here = found is not None and found.node in (self.node, "")
        place = place_of(found) if found else Place(kind="")
        where = WHERE.get(place.kind, NOT) if found and here else ELSEWHERE
        attached = found or _as_attached(pod, member)
        for isolation in self.policies.isolations(attached, pod, self.peers, place):
            yield isolation, found if here else None, where

    def _answers(
        self,
        isolation: Isolation,
        pod: Pod,
        member: Member,
        attached: Attached | None,
        where: str,
        matched: str,
    ) -> Iterator[RuleAnswer]:
        for note in isolation.notes():
            for name in note.policies:
                yield RuleAnswer(
                    note=note,
                    policy=name,
                    direction=isolation.direction,
                    pod=pod.key,
                    network=member.network,
                    where=where,
                    matched=note.text == matched,
                    packets=self.counters(attached, note.text) if attached else None,
                )


def _as_attached(pod: Pod, member: Member) -> Attached:
    """A pod's network on another node, of which only its status is known."""
    return Attached(
        node=ELSEWHERE,
        namespace=pod.namespace,
        name=pod.name,
        uid="",
        container="",
        netns="",
        network=member.network,
        interface="",
        primary=member.primary,
        config={},
        result={},
    )


def _once(rules: Sequence[RuleAnswer]) -> list[RuleAnswer]:
    """Each rule once, matched where any of the packets matched it."""
    found: dict[tuple[Any, ...], RuleAnswer] = {}
    for rule in rules:
        key = rule.note.text, rule.policy, rule.direction, rule.pod, rule.network
        if key not in found or rule.matched:
            found[key] = rule
    return list(found.values())

"""MultiNetworkPolicy as values. An unreadable rule allows nothing, its pods stay isolated, and a finding names it.

https://github.com/k8snetworkplumbingwg/multi-networkpolicy (v1beta1: NetworkPolicy's spec; `policy-for` says the
networks), https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from genie_core.errors import InvalidConfig
from genie_core.fields import describe, get_list, get_object, get_str, get_strings, place
from genie_core.policy.networks import parse_networks
from genie_core.policy.selectors import ALL, Selector, object_at, read_selector
from genie_core.published import JSON

MULTI, NETWORK = "MultiNetworkPolicy", "NetworkPolicy"
POLICY_FOR = "k8s.v1.cni.cncf.io/policy-for"
INGRESS, EGRESS = "Ingress", "Egress"
DIRECTIONS = (INGRESS, EGRESS)
PROTOCOLS = ("TCP", "UDP", "SCTP")
UNREADABLE, UNKNOWN, NOTHING = "Unreadable", "UnknownNetwork", "SelectsNothing"
NOT_ENFORCED, UNDO = "NotEnforced", "PodCanUndo"
_MOST_PREFIXES = 8  # for one range of addresses
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PolicyName:
    """Which object a rule or a finding is about."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def as_json(self) -> JSON:
        """kind, namespace, name."""
        return {"kind": self.kind, "namespace": self.namespace, "name": self.name}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong with a policy: a reason in one word, and a sentence."""

    policy: PolicyName
    reason: str
    message: str

    def as_json(self) -> JSON:
        """policy, reason, message."""
        return {"policy": self.policy.as_json(), "reason": self.reason, "message": self.message}


@dataclass(frozen=True, slots=True, order=True)
class PodPeer:
    """Pods of one namespace, or of those that `spaces` selects (then `namespace` is "")."""

    namespace: str
    spaces: Selector
    pods: Selector


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """An address block without its exceptions, as text in canonical form."""

    cidr: str
    excepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """Ports from `low` to `high`, 0 and 0 for all of the protocol, or the port of a container by `name`."""

    protocol: str
    low: int = 0
    high: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """The peers that may connect, and the ports; `any_peer` and `any_port` where the rule does not limit them."""

    place: str
    pods: tuple[PodPeer, ...] = ()
    blocks: tuple[Block, ...] = ()
    ports: tuple[Port, ...] = ()
    any_peer: bool = False
    any_port: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One MultiNetworkPolicy. `networks` None means every network of the pod but its primary."""

    name: PolicyName
    pods: Selector = ALL
    networks: tuple[str, ...] | None = None
    directions: tuple[str, ...] = DIRECTIONS
    rules: dict[str, tuple[Permission, ...]] = field(default_factory=dict)

    def covers(self, network: str, *, primary: bool) -> bool:
        """Whether it is about this network of a pod."""
        return not primary if self.networks is None else network in self.networks


def read_policy(document: JSON) -> tuple[Policy, list[Finding]]:
    """The policy, and what is wrong with it."""
    reader = _Reader(document)
    return reader.policy(), reader.findings


def name_of(document: JSON) -> PolicyName:
    """The object's name, with the namespace that it is in."""
    meta = document.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return PolicyName(
        kind=str(document.get("kind")),
        namespace=str(meta.get("namespace") or "default"),
        name=str(meta.get("name") or ""),
    )


def annotations_of(document: JSON) -> dict[str, Any]:
    """The object's annotations."""
    meta = document.get("metadata")
    notes = meta.get("annotations") if isinstance(meta, dict) else None
    return notes if isinstance(notes, dict) else {}


class _Reader:
    """Reads one object, and goes on after what it cannot read."""

    def __init__(self, document: JSON) -> None:
        self.name = name_of(document)
        self.document = document
        self.findings: list[Finding] = []

    def policy(self) -> Policy:
        try:
            networks = self._networks()
        except InvalidConfig as error:
            self._note(error)
            networks = ()  # what it is about is not known: no network can be taken for it
        try:
            spec = get_object(self.document, "spec")
            pods = read_selector(spec, "podSelector", "spec") or ALL
            directions = self._directions(spec)
        except InvalidConfig as error:
            self._note(error)  # every pod that it may be about stays isolated
            return Policy(name=self.name, networks=networks)
        rules = {kind: self._rules(spec, kind) for kind in directions}
        return Policy(name=self.name, pods=pods, networks=networks, directions=directions, rules=rules)

    def _note(self, error: InvalidConfig) -> None:
        self.findings.append(Finding(self.name, UNREADABLE, error.msg))

    def _networks(self) -> tuple[str, ...] | None:
        where = f"annotation {POLICY_FOR}"
        text = annotations_of(self.document).get(POLICY_FOR)
        if text is not None and not isinstance(text, str):
            raise InvalidConfig(f"{where} must be a string, not {describe(text)}")
        good: set[str] = set()
        parts = (text or "").split(",")
        if not any(part.strip() for part in parts):
            return None
        for part in parts:
            try:
                good |= set(parse_networks(part, self.name.namespace, where) or ())
            except InvalidConfig as error:  # the other names of the list hold
                self._note(error)
        return tuple(sorted(good))

    def _directions(self, spec: JSON) -> tuple[str, ...]:
        given = get_strings(spec, "policyTypes", where="spec")
        for index, word in enumerate(given):
            if word not in DIRECTIONS:
                raise InvalidConfig(
                    f"{place('spec.policyTypes', index)} must be Ingress or Egress, not {word[:40]!r}"
                )
        meant = given or [INGRESS, *([EGRESS] if spec.get("egress") else [])]
        return tuple(kind for kind in DIRECTIONS if kind in meant)

    def _rules(self, spec: JSON, kind: str) -> tuple[Permission, ...]:
        key = kind.lower()
        try:
            items = get_list(spec, key, where="spec")
        except InvalidConfig as error:
            self._note(error)
            return ()
        rules = []
        for index, item in enumerate(items):
            try:
                rules.append(self._rule(item, place(key, index), "from" if kind == INGRESS else "to"))
            except InvalidConfig as error:
                self._note(error)
        return tuple(rules)

    def _rule(self, item: object, short: str, side: str) -> Permission:
        where = f"spec.{short}"
        data = object_at(item, where)
        unknown = sorted(set(data) - {side, "ports"})
        if unknown:
            raise InvalidConfig(f"{where}: {unknown[0]!r} is not known; it has {side} and ports")
        peers = get_list(data, side, where=where)
        found = {self._peer(peer, place(f"{where}.{side}", index)) for index, peer in enumerate(peers)}
        ports = [
            _port(port, place(f"{where}.ports", index))
            for index, port in enumerate(get_list(data, "ports", where=where))
        ]
        return Permission(
            short,
            tuple(sorted(item for item in found if isinstance(item, PodPeer))),
            tuple(sorted(item for item in found if isinstance(item, Block))),
            tuple(sorted(set(ports))),
            any_peer=not peers,
            any_port=not ports,
        )

    def _peer(self, item: object, where: str) -> PodPeer | Block:
        data = object_at(item, where)
        unknown = sorted(set(data) - {"podSelector", "namespaceSelector", "ipBlock"})
        if unknown:
            raise InvalidConfig(f"{where}: {unknown[0]!r} is no kind of peer")
        pods = read_selector(data, "podSelector", where)
        spaces = read_selector(data, "namespaceSelector", where)
        if data.get("ipBlock") is not None:
            if pods is not None or spaces is not None:
                raise InvalidConfig(f"{where}: ipBlock stands alone in a peer")
            return _block(object_at(data["ipBlock"], f"{where}.ipBlock"), f"{where}.ipBlock")
        if pods is None and spaces is None:
            raise InvalidConfig(f"{where} names no peer: podSelector, namespaceSelector or ipBlock")
        own = "" if spaces is not None else self.name.namespace
        return PodPeer(own, spaces or ALL, pods or ALL)


def _block(data: JSON, where: str) -> Block:
    unknown = sorted(set(data) - {"cidr", "except"})
    if unknown:
        raise InvalidConfig(f"{where}: {unknown[0]!r} is not known; it has cidr and except")
    cidr = _cidr(get_str(data, "cidr", where=where), f"{where}.cidr")
    excepted = [
        _cidr(text, place(f"{where}.except", index))
        for index, text in enumerate(get_strings(data, "except", where=where))
    ]
    return Block(str(cidr), tuple(sorted({str(one) for one in excepted})))


def _cidr(text: str, where: str) -> IPNetwork:
    try:
        return _network(text)
    except ValueError:
        raise InvalidConfig(f"{where} must be an address block, not {text[:60]!r}") from None


def _port(item: object, where: str) -> Port:
    data = object_at(item, where)
    unknown = sorted(set(data) - {"protocol", "port", "endPort"})
    if unknown:
        raise InvalidConfig(f"{where}: {unknown[0]!r} is not known; it has protocol, port and endPort")
    protocol = get_str(data, "protocol", where=where) or "TCP"
    if protocol not in PROTOCOLS:
        raise InvalidConfig(f"{where}.protocol must be TCP, UDP or SCTP, not {protocol[:40]!r}")
    port, end = data.get("port"), data.get("endPort")
    if isinstance(port, str) and port and end is None and not port.isdecimal():
        return Port(protocol, name=port)
    if port is None and end is None:
        return Port(protocol)
    low = _number(port, f"{where}.port")
    high = low if end is None else _number(end, f"{where}.endPort")
    if high < low:
        raise InvalidConfig(f"{where}.endPort must not be less than port")
    return Port(protocol, low, high)


def _number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise InvalidConfig(f"{where} must be a number from 1 to 65535, or a port's name without endPort")
    return value


@lru_cache(maxsize=1 << 14)
def _network(text: str) -> IPNetwork:
    """The block. Raises ValueError, also for a zone (fe80::%eth0), which may be any text, and for a mask.

    A mask of zeros would be every address, and one of a router's access list (0.0.0.255) can be taken for either kind.
    """
    _, slash, length = text.partition("/")
    if "%" in text or (slash and not length.isdecimal()):
        raise ValueError(text)
    return ipaddress.ip_network(text, strict=False)


def subtract(blocks: Sequence[Block]) -> dict[int, list[str]]:
    """IP version -> the union of the blocks, each without its exceptions: prefixes and ranges, in order."""
    return {
        version: [text for one in found for text in _texts(version, *one)]
        for version, found in ranges(blocks).items()
    }


def ranges(blocks: Sequence[Block]) -> dict[int, list[tuple[int, int]]]:
    """The same as numbers, (first, last).

    Prefixes alone would be a hundred for each exception of IPv6, and a tenant may write a policy with thousands.
    """
    found: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for block in blocks:
        whole = _network(block.cidr)
        holes = [hole for hole in map(_network, block.excepted) if hole.version == whole.version]
        found[whole.version] += _gaps(_ends(whole), sorted(map(_ends, holes)))
    return {version: merged(one) for version, one in found.items()}


def _ends(block: IPNetwork) -> tuple[int, int]:
    return int(block.network_address), int(block.broadcast_address)


def _gaps(whole: tuple[int, int], holes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of a range without holes, which are in order."""
    low, high = whole
    for first, last in holes:
        if first > high:
            break
        if low < first:
            yield low, first - 1
        low = max(low, last + 1)
    if low <= high:
        yield low, high


def merged(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers as ranges that do not touch, in order."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


def _texts(version: int, low: int, high: int) -> list[str]:
    """A range as a few prefixes, or by its ends."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    prefixes = list(islice(ipaddress.summarize_address_range(kind(low), kind(high)), _MOST_PREFIXES + 1))
    return (
        [str(one) for one in prefixes] if len(prefixes) <= _MOST_PREFIXES else [f"{kind(low)}-{kind(high)}"]
    )

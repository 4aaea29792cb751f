"""`--to TARGET`: one target instead of the standard set.

An address (`10.1.2.3:80`, `[fd00::1]:80`), `node/NAME`, `pod/NS/NAME` or `NS/NAME`, `service/NS/NAME`, or a name as DNS
has it (`db.shop.svc.cluster.local`), each with `:PORT`, `:PORT/udp` or a service port's name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.net.addresses import within
from genie_core.net.flows import Flow, local_peers, tunnel_of
from genie_core.net.model import Model
from genie_core.spec.addresses import version
from genie_core.survey import cluster
from genie_core.survey.probe import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The target: its address, port (0: any), protocol, and what the model knows of it."""

    ip: str
    port: int
    protocol: str
    name: str
    flow: Flow

    def flows(self) -> list[Flow]:
        """The conversations to walk."""
        return [self.flow]

    def probes(self, netns: str) -> list[Ask]:
        """The probes to make."""
        ping = (
            []
            if self.flow.role == "service"
            else [Ask(kind="ping", target=self.ip, role="target", count=3, netns=netns)]
        )
        if self.port:
            ping.append(Ask(kind=self.protocol, target=self.ip, port=self.port, role="target", netns=netns))
        return ping


KINDS = {
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("service", "services", "svc"), "service"),
    **dict.fromkeys(("node", "nodes", "no"), "node"),
}
PROTOCOLS = ("tcp", "udp")
FORMS = "an address, node/NAME, pod/NS/NAME, service/NS/NAME or NAME.NS.svc is wanted, with or without :PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTarget:
    """The parsed target: `kind` address, pod, service, node or "" (a pod or a service); `port` a number or a name.

    `pod` is the name of a pod behind a headless service, as DNS has it. `text` is the flag with its value.
    """

    text: str
    kind: str
    name: str
    space: str = ""
    port: str = ""
    protocol: str = ""
    pod: str = ""

    @property
    def number(self) -> int:
        """The port as a number, 0 without one. Raises WrongUsage."""
        if self.port and not (self.port.isdigit() and 0 < int(self.port) < 65536):
            raise WrongUsage(f"{self.text}: the port must be a number from 1 to 65535")
        return int(self.port or 0)


def parse_target(text: str, namespace: str, asked: str = "--to") -> ParsedTarget:
    """Parse the value of the flag or argument `asked`. Raises WrongUsage."""
    host, port = _split(text)
    text = f"{asked} {text}"
    port, _, protocol = port.partition("/")
    if protocol and protocol.lower() not in PROTOCOLS:
        raise WrongUsage(f"{text}: the protocol must be tcp or udp")
    if port.isdecimal() and (len(port) > 5 or not 0 < int(port) < 65536):
        raise WrongUsage(f"{text}: the port must be a number from 1 to 65535")
    more = {"text": text, "port": port, "protocol": protocol.lower()}
    if _is_address(host):
        return ParsedTarget(kind="address", name=str(ipaddress.ip_address(host)), **more)
    first, slash, rest = host.partition("/")
    kind = KINDS.get(first, "") if slash else ""
    bare = rest if kind else host
    space, _, name = bare.rpartition("/")
    if not name or "/" in space or (kind == "node" and space):
        raise WrongUsage(f"{text}: {FORMS}")
    if kind in ("", "service") and not space and "." in name:
        return _as_dns(ParsedTarget(kind=kind, name=name, space=namespace, **more))
    return ParsedTarget(kind=kind, name=name, space="" if kind == "node" else space or namespace, **more)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _as_dns(parsed: ParsedTarget) -> ParsedTarget:
    """NAME.NS, NAME.NS.svc, NAME.NS.svc.ZONE, POD.NAME.NS.svc.ZONE and 10-1-2-3.NS.pod.ZONE."""
    labels = parsed.name.rstrip(".").split(".")
    if "pod" in labels[2:3] and _is_address(labels[0].replace("-", ".")):
        return replace(parsed, kind="address", name=labels[0].replace("-", "."), space="")
    at = labels.index("svc") if "svc" in labels[2:4] else len(labels)
    if at == len(labels) and at != 2:
        return parsed
    pod = labels[0] if at == 3 else ""
    return replace(parsed, name=labels[at - 2], space=labels[at - 1], pod=pod)


def _split(text: str) -> tuple[str, str]:
    """(host, port with or without /protocol)."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.lstrip(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def pod_of(text: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of the pod that `--to` may name, ("", "") where it names an address, a service or a node."""
    try:
        parsed = parse_target(text, namespace)
    except GenieError:
        return "", ""
    if parsed.kind in ("address", "service", "node") and not parsed.pod:
        return "", ""
    return parsed.space, parsed.pod or parsed.name


def aim(model: Model, text: str, asked: str = "--to") -> Aim:
    """The target that `--to`, or another argument, names. Raises WrongUsage and NotFound."""
    parsed = parse_target(text, model.facts.namespace or "default", asked)
    text = parsed.text
    if parsed.kind == "address":
        found = [(parsed.name, parsed.name, parsed.protocol or "tcp", parsed.number)]
    elif parsed.kind == "node":
        found = _node(model, parsed)
    else:
        found = _either(model, parsed)
    mine = [one for one in found if version(one[0]) in model.families or model.pod is None]
    if not mine:
        families = "/".join(f"IPv{version(one[0])}" for one in found[:1])
        raise NotFound(f"{text}: the pod has no {families} address on its primary interface")
    ip, title, protocol, port = mine[0]
    return Aim(ip=ip, port=port, protocol=protocol, name=title, flow=_flow(model, ip, port, protocol, title))


Target = tuple[str, str, str, int]  # address, title, protocol, port


def _node(model: Model, parsed: ParsedTarget) -> list[Target]:
    node = next((n for n in model.nodes if n.name == parsed.name), None)
    if node is None or not node.addresses:
        known = ", ".join(n.name for n in model.nodes[:5]) or "none"
        raise NotFound(
            f"{parsed.text}: no node of that name with an address is known (nodes: {known})",
            details=_unread(model),
        )
    return [(ip, f"node {node.name}", parsed.protocol or "tcp", parsed.number) for ip in node.addresses]


def _either(model: Model, parsed: ParsedTarget) -> list[Target]:
    found = _service(model, parsed) if parsed.kind != "pod" else []
    found = found or (_pod(model, parsed) if parsed.kind != "service" or parsed.pod else [])
    if not found:
        raise NotFound(
            f"{parsed.text}: no {parsed.kind or 'pod or service'} {parsed.space}/{parsed.pod or parsed.name} is known",
            details=_unread(model),
            hint=FORMS,
        )
    return found


def _unread(model: Model) -> str:
    """Why a name is not known that may be right; "" where the cluster's objects were read."""
    why = model.facts.missing.get("objects", "")
    return why and f"the cluster's objects were not read: {why}"


def _pod(model: Model, parsed: ParsedTarget) -> list[Target]:
    """The pod's addresses; of one in the node's own network, its node's. Raises NotFound where it has none."""
    full = f"{parsed.space}/{parsed.pod or parsed.name}"
    named = (cluster.pod(item) for item in cluster.of_kind(model.facts.objects, "Pod"))
    pod = next((pod for pod in named if pod.name == full), None)
    if pod is None:
        return []
    if pod.phase in cluster.ENDED:
        raise NotFound(f"{parsed.text}: pod {full} has ended, and has no network any more")
    if not pod.ips:
        raise NotFound(f"{parsed.text}: pod {full} has no address yet")
    return [(ip, full, parsed.protocol or "tcp", parsed.number) for ip in pod.ips]


def _service(model: Model, parsed: ParsedTarget) -> list[Target]:
    """The service's addresses; of a headless one, its ready endpoints. Raises NotFound for a port that it has not."""
    full = f"{parsed.space}/{parsed.name}"
    fronts = [f for f in model.frontends if f.service == full] if not parsed.pod else []
    found = [
        f
        for f in fronts
        if parsed.port in ("", str(f.port), f.name) and parsed.protocol in ("", f.protocol)
    ]  # fmt: skip
    if fronts and not found:
        ports = ", ".join(dict.fromkeys(f"{f.port}/{f.protocol}" for f in fronts))
        raise NotFound(f"{parsed.text}: service {full} has no such port, it has {ports}")
    if fronts:
        return [(f.ip, full, f.protocol, f.port) for f in found]
    behind = () if parsed.pod else cluster.endpoints_of(model.facts.objects, full)
    chosen = [e for e in behind if parsed.port in ("", str(e[2]), e[3]) and parsed.protocol in ("", e[1])]
    return [(ip, full, protocol, port) for ip, protocol, port, _ in chosen]


def _flow(model: Model, ip: str, port: int, protocol: str, title: str) -> Flow:
    family = version(ip)
    protocol = protocol if port else "tcp"
    common = {"target": ip, "protocol": protocol, "port": port, "name": title, "family": family}
    if ip in model.node.local:
        return Flow(role="node", **common)  # type: ignore[arg-type]  # the members have these types
    primary = model.primary
    peer = (
        next(((p, t) for x, p, t in local_peers(model, primary, family) if x == ip), None)
        if primary
        else None
    )
    if peer:
        return Flow(role="peer", peer=peer, **common)  # type: ignore[arg-type]  # as above
    if any(f.ip == ip for f in model.frontends):
        return Flow(role="service", **common)  # type: ignore[arg-type]  # as above
    cidr = next((c for n in model.other_nodes for c in n.cidrs if version(c) == family and within(ip, c)), "")
    if cidr:
        return Flow(role="remote", expected=tunnel_of(model, cidr), **common)  # type: ignore[arg-type]  # as above
    return Flow(role="outside", **common)  # type: ignore[arg-type]  # as above

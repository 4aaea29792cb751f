"""`--to IP|POD|SERVICE[:PORT]`: one target instead of the standard set."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from genie_core.diagnose.flows import Flow, local_peers, tunnel_of
from genie_core.diagnose.model import Model
from genie_core.diagnose.probe import Ask
from genie_core.diagnose.stack import version, within
from genie_core.errors import EXIT_USAGE, GenieError, NotFound


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

    def asks(self, netns: str) -> list[Ask]:
        """The probes to make."""
        ping = (
            []
            if self.flow.role == "service"
            else [Ask(kind="ping", target=self.ip, role="target", count=3, netns=netns)]
        )
        if self.port:
            ping.append(Ask(kind=self.protocol, target=self.ip, port=self.port, role="target", netns=netns))
        return ping


def aim(model: Model, text: str) -> Aim:
    """What `--to` names. Raises GenieError (wrong usage) and NotFound."""
    name, port = _split(text)
    try:
        ip, title, protocol = str(ipaddress.ip_address(name)), name, "tcp"
    except ValueError:
        ip, title, protocol, port = _named(model, name, port)
    family = version(ip)
    if family not in model.families and model.pod is not None:
        raise NotFound(f"--to {text}: the pod has no IPv{family} address on its primary interface")
    return Aim(ip=ip, port=port, protocol=protocol, name=title, flow=_flow(model, ip, port, protocol, title))


def _split(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.lstrip(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise GenieError(f"--to {text}: the port must be a number from 1 to 65535", exit_code=EXIT_USAGE)
    return host, int(port or 0)


def pod_of(text: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of the pod that `--to` may name, ("", "") where it names an address or a service."""
    name = text.partition(":")[0]
    kind, _, rest = name.partition("/")
    if ":" in text.partition(":")[2] or kind in ("service", "svc") or text.startswith("["):
        return "", ""
    bare = rest if kind == "pod" and rest else name
    space, _, short = bare.rpartition("/")
    return ("", "") if short.replace(".", "").isdigit() else (space or namespace, short)


def _named(model: Model, name: str, port: int) -> tuple[str, str, str, int]:
    kind, _, rest = name.partition("/")
    bare = rest if kind in ("pod", "service", "svc") and rest else name
    full = bare if "/" in bare else f"{model.facts.namespace or 'default'}/{bare}"
    if kind != "pod":
        for front in model.frontends:
            if front.service == full and port in (0, front.port):
                return front.ip, full, front.protocol, front.port
    if kind not in ("service", "svc"):
        pod = next((p for p in model.pods if p.name == full and p.ips), None)
        if pod:
            return pod.ips[0], full, "tcp", port
    raise NotFound(f"--to {name}: no address, and no pod or service of that name is known")


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

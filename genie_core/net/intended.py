"""What a record promises for an interface of a pod: its addresses, gateways and routes."""

from __future__ import annotations

from dataclasses import dataclass

from genie_core.spec.addresses import host
from genie_core.survey.cluster import one_form
from genie_core.survey.facts import Cached


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """What an interface should have, from one source (`source` names it)."""

    ifname: str
    ips: tuple[str, ...]
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    source: str
    network: str = ""


def from_result(cached: Cached) -> list[Intended]:
    """That of a cached result: one for each interface that has an address."""
    result = cached.result
    interfaces = result.get("interfaces") or []
    byname: dict[str, tuple[list[str], list[str]]] = {}
    for ip in result.get("ips") or ():
        number = ip.get("interface")
        named = isinstance(number, int) and 0 <= number < len(interfaces)
        name = interfaces[number].get("name", "") if named else cached.ifname
        ips, gateways = byname.setdefault(name or cached.ifname, ([], []))
        ips.append(one_form(host(str(ip.get("address", "")))))
        gateways += [one_form(ip["gateway"])] if ip.get("gateway") else []
    routes = tuple((r.get("dst", ""), r.get("gw", "")) for r in result.get("routes") or ())
    return [
        Intended(
            ifname=name,
            ips=tuple(ip for ip in ips if ip),
            gateways=tuple(gateways),
            routes=routes,
            source=cached.file,
            network=cached.network,
        )
        for name, (ips, gateways) in byname.items()
    ]

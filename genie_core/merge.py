"""The results of a container's networks -> the one that the runtime gets (conformance A47-A51, D28, D29).

Runtimes find the pod's addresses in it by interface: containerd takes those of CNI_IFNAME and counts an
address without an interface among them; CRI-O takes all, in order. So the primary network comes first, and
every address says which interface it is on.

This module is on the kubelet path.
"""

from genie_core.model import Result
from genie_core.spec.addresses import first_gateways, is_v4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SCOPE_LINK = 253  # RT_SCOPE_LINK in linux/rtnetlink.h: from here on the kernel refuses a gateway


def merge(parts: "Sequence[tuple[str, Result]]", netns: str) -> Result:
    """One result of (interface name, result) pairs, the primary network's first. `netns` is CNI_NETNS."""
    return _concatenate([_attributed(with_gateways(result), ifname, netns) for ifname, result in parts])


def merge_previous(previous: Result, result: Result) -> Result:
    """`result` behind the one of the plugins before Genie in the same chain, its prevResult (A51)."""
    return _concatenate([previous, result])


def with_gateways(result: Result) -> Result:
    """Each route without gateway given its own network's first one of that family (D29).

    A plugin means "my gateway" by leaving it out (SPEC, "Routes"); beside other networks' gateways it must
    be written. Where the network has none, or the kernel would refuse it, the route stays on-link.
    """
    gateways = first_gateways(result.ips)
    if not gateways:
        return result
    return result.replace(routes=[_with_gateway(route, gateways) for route in result.routes])


def _with_gateway(route: "dict[str, Any]", gateways: "Mapping[bool, str]") -> "dict[str, Any]":
    v4 = is_v4(route["dst"])
    gateway = gateways.get(v4)
    to_gateway_itself = route["dst"] == f"{gateway}/{32 if v4 else 128}"
    if gateway is None or "gw" in route or route.get("scope", 0) >= _SCOPE_LINK or to_gateway_itself:
        return route
    return {**route, "gw": gateway}


def _attributed(result: Result, ifname: str, netns: str) -> Result:
    """Every address on an interface: those that name none are on the pod's, which is added if need be."""
    if all("interface" in ip for ip in result.ips):
        return result
    interfaces = list(result.interfaces)
    in_pod = (i for i, link in enumerate(interfaces) if link["name"] == ifname and link.get("sandbox"))
    index = next(in_pod, len(interfaces))
    if index == len(interfaces):
        interfaces.append({"name": ifname, "sandbox": netns})
    return result.replace(interfaces=interfaces, ips=[{"interface": index, **ip} for ip in result.ips])


def _concatenate(results: "Sequence[Result]") -> Result:
    interfaces: list[dict[str, Any]] = []
    ips: list[dict[str, Any]] = []
    routes: list[dict[str, Any]] = []
    dns: dict[str, Any] = {}
    for result in results:
        ips += [_rebased(ip, len(interfaces)) for ip in result.ips]
        interfaces += result.interfaces
        routes += result.routes
        dns = _merge_dns(dns, result.dns)
    return Result(interfaces, ips, routes, dns)


def _rebased(ip: "dict[str, Any]", offset: int) -> "dict[str, Any]":
    return {**ip, "interface": ip["interface"] + offset} if "interface" in ip else ip


def _merge_dns(first: "Mapping[str, Any]", second: "Mapping[str, Any]") -> "dict[str, Any]":
    """Lists joined without repetition, in order of priority; the first domain."""
    merged = {**second, **first}
    for name in ("nameservers", "search", "options"):
        if name in merged:
            merged[name] = list(dict.fromkeys([*first.get(name, ()), *second.get(name, ())]))
    return merged

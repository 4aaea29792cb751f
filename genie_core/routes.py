"""Which network a pod's default routes lead through.

Each family is decided by itself: the network that asked for it by the standard's key `default-route` (conformance
C26-C30); else the primary network; else, where the primary has none, the first network that has one. The others lose
theirs: the kernel would take the route that was added last, and the pod could not answer on its primary address.

`edges.default_routes` changes the namespace accordingly. The results are changed too, so that the namespace, the
runtime's result, what CHECK compares with and the status annotation agree. Pure; on the kubelet path.
"""

from genie_core.errors import InvalidConfig
from genie_core.jsontext import encode
from genie_core.merge import with_gateways
from genie_core.model import Result, Value
from genie_core.spec.addresses import canonical_address, is_default, is_v4
from genie_core.spec.result import encode as encode_result
from genie_core.spec.result import with_member
from genie_core.spec.versions import at_least

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from genie_core.model import Plan

    # What an attachment asks for: None where the key is absent, [] to keep its own, or gateways' addresses.
    Request = Sequence[str] | None

MAIN_TABLE = 254  # RT_TABLE_MAIN, linux/rtnetlink.h

_FAMILY = {True: "IPv4", False: "IPv6"}
_NO_GATEWAYS = ("0.0.0.0", "255.255.255.255", "::", "::1")


class RouteChange(Value):
    """One family's default routes: through `ifname` alone, to `gateway`; "" keeps those that it has.

    `direct`: where it has none, it gets one without a gateway. Where `ifname` has none in the kernel, the first of
    `successors` that has one keeps its own.
    """

    __slots__ = ("direct", "gateway", "ifname", "successors", "v4")

    def __init__(
        self, ifname: str, v4: bool, gateway: str = "", successors: "Sequence[str]" = (), direct: bool = False
    ) -> None:
        self.direct = direct
        self.ifname = ifname
        self.v4 = v4
        self.gateway = gateway
        self.successors = successors


def refuse_conflicts(requests: "Iterable[tuple[str, Request]]") -> None:
    """Raise InvalidConfig where the (origin, request) pairs cannot hold together (C27). Before anything is done.

    One request may cover each family; [] covers both. In each, the addresses are valid and of different
    families: `select.npwg` has seen to that.
    """
    claimed: dict[bool, str] = {}
    for origin, wanted in requests:
        if wanted is None:
            continue
        gateways = _by_family(wanted) if wanted else {True: "", False: ""}
        for v4, gateway in gateways.items():
            if v4 in claimed:
                raise InvalidConfig(
                    f"{origin}: default-route for {_FAMILY[v4]} is asked for already, by {claimed[v4]}",
                    hint="keep default-route in one entry, or ask for IPv4 in one and for IPv6 in another",
                )
            if gateway in _NO_GATEWAYS or gateway.startswith(("127.", "ff")):
                raise InvalidConfig(
                    f"{origin}: default-route: {gateway} cannot be a gateway", hint="name a router's address"
                )
        claimed.update(dict.fromkeys(gateways, origin))


def _by_family(wanted: "Sequence[str]") -> dict[bool, str]:
    """{is v4: canonical address}."""
    return {is_v4(gateway): gateway for gateway in map(canonical_address, wanted)}


def route_changes(requests: "Mapping[str, Request]", results: "Mapping[str, Result]") -> list[RouteChange]:
    """What the requests ask for, from requests and results by interface name; [] without a request (C26, C28).

    Where an attachment keeps its own, that concerns the families in which its result has a default route.
    The requests have passed `refuse_conflicts`.
    """
    changes = []
    for ifname, wanted in requests.items():
        if wanted:
            changes += [RouteChange(ifname, v4, gateway) for v4, gateway in _by_family(wanted).items()]
        elif wanted is not None:
            changes += [
                RouteChange(ifname, v4) for v4 in (True, False) if default_routes(results[ifname], v4)
            ]
    return changes


def unasked_changes(
    asked: "Iterable[RouteChange]", order: "Sequence[str]", results: "Mapping[str, Result]"
) -> list[RouteChange]:
    """What to change in the families that nothing asks for; `order` are the interfaces, the primary one first.

    Decided from the results: [] where no network but the primary has a default route. IPv6 routers may advertise one
    on any interface at any time, so a primary network with IPv6 has to be protected also where no result has it.
    """
    primary, *others = order
    families = {True, False} - {change.v4 for change in asked}
    return [
        RouteChange(primary, v4, successors=others)
        for v4 in sorted(families, reverse=True)
        if any(default_routes(results[ifname], v4) for ifname in others)
        or (not v4 and _has_v6(results[primary]))
    ]


def _has_v6(result: Result) -> bool:
    return not all(is_v4(ip["address"]) for ip in result.ips)


def changes_made(changes: "Sequence[RouteChange]", owners: "Sequence[str]") -> list[RouteChange]:
    """The changes as the kernel took them: `owners` names for each the interface that has the routes, "" for none."""
    return [
        RouteChange(owner, change.v4, change.gateway)
        for change, owner in zip(changes, owners, strict=True)
        if owner
    ]


def owners_by_results(changes: "Sequence[RouteChange]", results: "Mapping[str, Result]") -> list[str]:
    """For each change the first of its interfaces whose result has default routes, "" for none."""
    return [
        next(
            (
                name
                for name in (change.ifname, *change.successors)
                if default_routes(results[name], change.v4)
            ),
            "",
        )
        for change in changes
    ]


def default_routes(result: Result, v4: bool) -> "list[dict[str, Any]]":
    """A result's default routes of one family in the main table, which is the one that 0 and nothing mean too."""
    return [
        route
        for route in result.routes
        if is_default(route["dst"]) and is_v4(route["dst"]) is v4 and route.get("table", 0) in {0, MAIN_TABLE}
    ]


def changed_results(changes: "Sequence[RouteChange]", results: "Mapping[str, Result]") -> dict[str, Result]:
    """The results that are not true any more once the changes are made, as they then are (C30)."""
    changed = {}
    for ifname, result in results.items():
        after = result
        for change in changes:
            after = _after(change, after, ifname == change.ifname)
        if after.routes != result.routes:
            changed[ifname] = after
    return changed


def _after(change: RouteChange, result: Result, is_owner: bool) -> Result:
    if is_owner and not change.gateway:
        return result
    defaults = default_routes(result, change.v4)
    kept = [route for route in defaults if is_owner and gateway_of(route, result) == change.gateway]
    routes = [route for route in result.routes if route not in defaults or route in kept]
    if is_owner and not kept:
        routes.append({"dst": "0.0.0.0/0" if change.v4 else "::/0", "gw": change.gateway})
    return result.replace(routes=routes)


def gateway_of(route: "dict[str, Any]", result: Result) -> str | None:
    """Where a route leads: its `gw`, else the gateway of the addresses (D29)."""
    return with_gateways(result.replace(routes=[route])).routes[0].get("gw")


def as_it_is_now(previous: "Result", plan: "Plan", results: "Mapping[str, Result]") -> "Result":
    """The earlier plugins' result without the default routes that this pod's `default-route` took away."""
    requests = {item.ifname: item.default_route for item in plan.attachments}
    return changed_results(route_changes(requests, results), {"": previous}).get("", previous)


def with_routes(text: str, version: str, result: Result) -> str:
    """A result's text, printed by a plugin in `version`, with the routes that `result` has; the rest is kept.

    The form of 0.2.0 has routes beside addresses only; without any, the text stays as it is.
    """
    if not at_least(version, "0.3.0"):
        return encode(encode_result(result, version)) if result.ips else text
    return with_member(text, "routes", result.routes)

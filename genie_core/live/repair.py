"""The faults of a running pod's attachments, and how to repair each. Pure.

An attachment's recorded result says what was made; plugins that are `plain` (plugin_types.py) make exactly that, and
`ptp` the routes that its source names. What is missing there can be put back without the plugin. For any other plugin a
result is not all that was made: there, and where an interface is gone, the plugin has to be called again.

Only what the journal has recorded is checked. Anything else in the namespace is not touched.
"""

from genie_core.gojson import view
from genie_core.live.ask import can_ask_for_addresses
from genie_core.live.compare import has_device, has_one_chain
from genie_core.live.seen import SeenRoute
from genie_core.model import Value
from genie_core.plugin_types import maker_of, plugin_type
from genie_core.routes import MAIN_TABLE, gateway_of
from genie_core.spec.addresses import host, is_default, is_v4, without_host_bits
from genie_core.spec.result import recorded_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from genie_core.live.seen import Seen, SeenLink
    from genie_core.model import Attachment, Plan, Result

LINK, ADDRESS, ROUTE = "link", "address", "route"
BRIDGE_PORT, INTERFACE, DEFAULT_ROUTE = "bridge-port", "interface", "default-route"
KINDS = (LINK, ADDRESS, ROUTE, BRIDGE_PORT, INTERFACE, DEFAULT_ROUTE)

_V6_METRIC = 1024  # what the kernel gives an IPv6 route without one

# What `Put.what` can be, in the order in which things are put back.
MASTER, UP, SET_ADDRESS, DROP_ROUTE, LINK_ROUTE, GATEWAY_ROUTE, FORGET_NEIGHBOUR = range(7)


class Put(Value):
    """One thing to put back, in the pod's namespace (`inside`) or in the node's.

    `what` is one of the numbers above. `address` has its prefix length; `route` is the wanted one, without its index.
    `bridge` and `hairpin` are for MASTER, `source` for a route whose packets have this address; a `bare` address has no
    route of its own.
    """

    __slots__ = ("address", "bare", "bridge", "hairpin", "inside", "link", "route", "source", "what")

    def __init__(
        self,
        what: int,
        link: str,
        inside: bool,
        address: str = "",
        route: "SeenRoute | None" = None,
        source: str = "",
        bridge: str = "",
        hairpin: bool = False,
        bare: bool = False,
    ) -> None:
        self.bare = bare
        self.what = what
        self.link = link
        self.inside = inside
        self.address = address
        self.route = route
        self.source = source
        self.bridge = bridge
        self.hairpin = hairpin


class Fault(Value):
    """One thing that is wrong with an attachment.

    `puts` put it back. `again` says that its plugins have to make the attachment again instead. `obstacle` says
    why nothing can be done of either kind at the moment, "" where it can.
    """

    __slots__ = ("again", "ifname", "kind", "label", "message", "obstacle", "puts")

    def __init__(
        self,
        kind: str,
        ifname: str,
        label: str,
        message: str,
        puts: "Sequence[Put]" = (),
        again: bool = False,
        obstacle: str = "",
    ) -> None:
        self.kind = kind
        self.ifname = ifname
        self.label = label
        self.message = message
        self.puts = puts
        self.again = again
        self.obstacle = obstacle


def is_cut_off(plan: "Plan") -> bool:
    """Whether a change of the pod's networks was cut off, or its ADD or DEL; a repair is another matter."""
    return any(
        not item.restoring and (item.changing or item.releasing or not item.result)
        for item in plan.attachments
    )


def faults_of(plan: "Plan", pod: "Seen", node: "Seen") -> list[Fault]:
    """At most one fault of each kind for each attachment, in the plan's order."""
    found: list[Fault] = []
    for item in plan.attachments:
        if item.restoring:
            message = f"the repair of {item.ifname} was cut off"
            again = Fault(INTERFACE, item.ifname, item.label, message, again=True)
            found.append(allowed(again, item, plan, node))
        elif item.result and not item.releasing and not item.released:
            faults = _merged(_Look(item, plan, pod, node).faults(), item)
            found += [allowed(fault, item, plan, node) for fault in faults]
    return found


def _merged(faults: "Iterator[Fault]", item: "Attachment") -> list[Fault]:
    """One of each kind."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault)
    return [
        Fault(
            kind,
            item.ifname,
            item.label,
            "; ".join(dict.fromkeys(one.message for one in same)),
            [put for one in same for put in one.puts],
            any(one.again for one in same),
            next((one.obstacle for one in same if one.obstacle), ""),
        )
        for kind, same in kinds.items()
    ]


def allowed(fault: Fault, item: "Attachment", plan: "Plan", node: "Seen") -> Fault:
    """The fault, with the obstacle that keeps its plugins from being called again."""
    if not fault.again or fault.obstacle:
        return fault
    parent = parent_of(item)
    obstacle = ""
    if has_device(item):
        obstacle = "its device was given by a device plugin: recreate the pod"
    elif parent and parent not in node.links:
        obstacle = f"its parent {parent} is not there"
    elif has_one_chain(item.network) and any(
        other.network.name == item.network.name
        for other in plan.attachments
        if other is not item and not other.released
    ):
        obstacle = (
            "that would end the masquerading of the pod's other interface of its network: recreate the pod"
        )
    elif item.ifname == plan.ifname and not can_ask_for_addresses(item):
        obstacle = "the plugin of the pod's first interface cannot be asked for its address: recreate the pod"
    return fault.replace(obstacle=obstacle)


def parent_of(item: "Attachment") -> str:
    """The node's interface that a macvlan, ipvlan or vlan is built on, where its configuration names one."""
    first = item.network.plugins[0]
    conf = view(first.text) if plugin_type(first.type).has_parent else {}
    master = "" if conf.get("linkInContainer") is True else conf.get("master")  # then it is the pod's
    return master if isinstance(master, str) else ""


class _Look:
    """One attachment, beside what the kernel shows."""

    def __init__(self, item: "Attachment", plan: "Plan", pod: "Seen", node: "Seen") -> None:
        self.item = item
        self.result: Result = recorded_result(item).result
        self.absent = plan.absent
        self.pod = pod
        self.node = node
        first, *rest = item.network.plugins
        self.kind, self.conf = maker_of(first.type, view(first.text))
        self.plain = plugin_type(self.kind).plain and all(plugin_type(plugin.type).inert for plugin in rest)
        named = [link["name"] for link in self.result.interfaces if link.get("sandbox")]
        self.names = named or ([item.ifname] if self.plain else [])

    def faults(self) -> "Iterator[Fault]":
        gone = [name for name in self.names if name not in self.pod.links and not self._never_was(name)]
        if gone:
            yield self._fault(INTERFACE, f"interface {', '.join(gone)} is gone", again=True)
            return
        yield from self._links_down()
        yield from self._addresses_gone()
        yield from self._routes_gone()
        if self.kind in ("bridge", "ptp"):
            yield from self._host_end()
        yield from self._parent_down()

    def _fault(self, kind: str, message: str, *puts: Put, again: bool = False, obstacle: str = "") -> Fault:
        again = again or not self.plain
        return Fault(kind, self.item.ifname, self.item.label, message, puts, again, obstacle)

    def _never_was(self, name: str) -> bool:
        """Whether ADD did not make it: the kernel has no interface of a device that is driven in user space."""
        link = next((one for one in self.result.interfaces if one["name"] == name), {})
        in_user_space = link.get("socketPath") or link.get("pciID")
        return bool(in_user_space) or f"{self.item.ifname} link {name}" in self.absent

    def _links_down(self) -> "Iterator[Fault]":
        if not self.result.ips:  # plugins leave an interface without addresses as it is
            return
        for name in self.names:
            link = self.pod.links.get(name)
            if link and not link.up:
                yield self._fault(LINK, f"interface {name} is down", Put(UP, name, True))

    def _addresses_gone(self) -> "Iterator[Fault]":
        for ip in self.result.ips:
            place = self._place_of(ip)
            if (
                place
                and not self._has(ip)
                and f"{self.item.ifname} address {ip['address']}" not in self.absent
            ):
                put = Put(SET_ADDRESS, place, True, ip["address"], bare=self.kind == "ptp")
                yield self._fault(ADDRESS, f"address {ip['address']} is gone from {place}", put)

    def _place_of(self, ip: "dict[str, Any]") -> str:
        """The pod's interface that has the address; "" for an address of the node's."""
        if "interface" not in ip:
            return self.item.ifname if self.item.ifname in self.pod.links else ""
        link = self.result.interfaces[ip["interface"]]
        return link["name"] if link.get("sandbox") and link["name"] in self.pod.links else ""

    def _has(self, ip: "dict[str, Any]") -> bool:
        """Lengths are not compared: some plugins report the subnet's and configure /32."""
        address = host(ip["address"])
        if "interface" in ip:
            return (self.pod.links[self._place_of(ip)].index, address) in self.pod.addresses
        return any(address == one for _, one in self.pod.addresses)

    def _routes_gone(self) -> "Iterator[Fault]":
        indexes = {self.pod.links[name].index for name in self.names if name in self.pod.links}
        for route, place, source, exact in self._expected():
            if any(
                _is_same(one, route, exact) and (one.index in indexes or not indexes)
                for one in self.pod.routes
            ):
                continue
            kind = DEFAULT_ROUTE if is_default(route.dst) else ROUTE
            through = f" via {route.gateway}" if route.gateway else ""
            message = (
                f"route {'default' if is_default(route.dst) else route.dst}{through} is gone from {place}"
            )
            rival = next(
                (one for one in self.pod.routes if _has_place_of(one, route) and one.index not in indexes),
                None,
            )
            obstacle = (
                f"another route has its place, through {self.pod.name_of(rival.index)}" if rival else ""
            )
            yield self._fault(kind, message, *_puts_of(route, place, source, exact), obstacle=obstacle)

    def _expected(self) -> "Iterator[tuple[SeenRoute, str, str, bool]]":
        """The routes that there were: (route, interface, source address, whether the gateway must be the same)."""
        place = next((name for name in self.names if name in self.pod.links), "")
        if not place:
            return
        if self.plain:
            for ip in self.result.ips:
                yield from self._implied(ip)
        for route in self.result.routes:
            v4 = is_v4(route["dst"])
            if not self.plain and not is_default(route["dst"]):
                continue  # whether this plugin made it is not known
            if is_default(route["dst"]) and f"{self.item.ifname} default IPv{4 if v4 else 6}" in self.absent:
                continue
            table, metric = route.get("table") or MAIN_TABLE, route.get("priority", 0)
            gateway = gateway_of(route, self.result) or ""
            yield SeenRoute(without_host_bits(route["dst"]), 0, gateway, table, metric), place, "", False

    def _implied(self, ip: "dict[str, Any]") -> "Iterator[tuple[SeenRoute, str, str, bool]]":
        """The routes of an address: those of ptp, or the one that the kernel makes along with it, where it is there."""
        place, address = self._place_of(ip), ip["address"]
        if not place:
            return
        whole = "/32" if is_v4(address) else "/128"
        if self.kind == "ptp" and "gateway" in ip:  # plugins/main/ptp/ptp.go, setupContainerVeth
            yield SeenRoute(ip["gateway"] + whole, 0), place, host(address), False
            if not address.endswith(whole):
                yield SeenRoute(without_host_bits(address), 0, ip["gateway"]), place, host(address), True
        elif (
            self.kind != "ptp" and not address.endswith(whole) and self.pod.links[place].up and self._has(ip)
        ):
            yield SeenRoute(without_host_bits(address), 0), place, host(address), False

    def _parent_down(self) -> "Iterator[Fault]":
        parent = self.node.links.get(parent_of(self.item))
        if parent and not parent.up:
            obstacle = f"{parent.name} is the node's: ip link set {parent.name} up"
            yield self._fault(LINK, f"its parent {parent.name} is down", obstacle=obstacle)

    # --- the host end ------------------------------------------------------------------------------------

    def _host_end(self) -> "Iterator[Fault]":
        end = self._end()
        if end is None:
            return
        if not end.up:
            yield self._fault(LINK, f"its host end {end.name} is down", Put(UP, end.name, False))
        yield from self._bridge(end) if self.kind == "bridge" else self._point_to_point(end)

    def _end(self) -> "SeenLink | None":
        """The host end of the pod's veth: the one of the result's name, else the one that the pod's end names."""
        for link in self.result.interfaces:
            found = self.node.links.get(link["name"])
            if found and found.kind == "veth" and not link.get("sandbox"):
                return found
        inner = self.pod.links.get(self.names[0]) if self.names else None
        found = self.node.at(inner.peer) if inner and inner.kind == "veth" else None
        return found if found and found.kind == "veth" else None

    def _bridge(self, end: "SeenLink") -> "Iterator[Fault]":
        name = str(self.conf.get("bridge") or "cni0")
        bridge = self.node.links.get(name)
        if bridge is None:
            yield self._fault(BRIDGE_PORT, f"bridge {name} is gone", again=True)
            return
        if end.master != bridge.index:
            tagged = any(self.conf.get(key) for key in ("vlan", "vlanTrunk", "portIsolation"))
            put = Put(MASTER, end.name, False, bridge=name, hairpin=self.conf.get("hairpinMode") is True)
            message = f"its host end {end.name} is not a port of bridge {name}"
            yield self._fault(BRIDGE_PORT, message, put, *self._forgotten(), again=tagged)
        if not bridge.up:
            yield self._fault(LINK, f"its bridge {name} is down", Put(UP, name, False))
        if (self.conf.get("isGateway") or self.conf.get("isDefaultGateway")) and not self.conf.get("vlan"):
            yield from self._gateways(bridge)

    def _forgotten(self) -> "Iterator[Put]":
        """A bridge that was made again has another MAC address than the pod's neighbour entry of its gateway."""
        for ip in self.result.ips:
            if (place := self._place_of(ip)) and "gateway" in ip:
                yield Put(FORGET_NEIGHBOUR, place, True, ip["gateway"])

    def _gateways(self, bridge: "SeenLink") -> "Iterator[Fault]":
        for ip in self.result.ips:
            if "gateway" in ip and (bridge.index, ip["gateway"]) not in self.node.addresses:
                address = f"{ip['gateway']}/{ip['address'].partition('/')[2]}"
                put = Put(SET_ADDRESS, bridge.name, False, address)
                yield self._fault(ADDRESS, f"its gateway {address} is gone from bridge {bridge.name}", put)

    def _point_to_point(self, end: "SeenLink") -> "Iterator[Fault]":
        """plugins/main/ptp/ptp.go, setupHostVeth: the gateway's address, and a route to the pod's."""
        for ip in self.result.ips:
            whole = "/32" if is_v4(ip["address"]) else "/128"
            if "gateway" in ip and (end.index, ip["gateway"]) not in self.node.addresses:
                put = Put(SET_ADDRESS, end.name, False, ip["gateway"] + whole)
                yield self._fault(ADDRESS, f"its gateway {ip['gateway']} is gone from {end.name}", put)
            route = SeenRoute(host(ip["address"]) + whole, end.index)
            if not any(one.dst == route.dst and one.index == end.index for one in self.node.routes):
                put = Put(LINK_ROUTE, end.name, False, route=route)
                yield self._fault(ROUTE, f"the node's route to {host(ip['address'])} is gone", put)


def _is_same(one: SeenRoute, route: SeenRoute, exact: bool) -> bool:
    """Whether it is the route; `exact`: with the same gateway, where the kernel's own route to there is not meant."""
    return one.dst == route.dst and (not exact or one.gateway == route.gateway)


def _has_place_of(one: SeenRoute, route: SeenRoute) -> bool:
    """Whether the kernel would refuse the route, or take it for another hop, because this one is there."""
    metric = route.metric or (0 if is_v4(route.dst) else _V6_METRIC)
    return (one.dst, one.table, one.metric) == (route.dst, route.table, metric)


def _puts_of(route: SeenRoute, place: str, source: str, exact: bool) -> "Iterator[Put]":
    if exact:
        yield Put(DROP_ROUTE, place, True, route=SeenRoute(route.dst, 0))
    yield Put(GATEWAY_ROUTE if route.gateway else LINK_ROUTE, place, True, route=route, source=source)

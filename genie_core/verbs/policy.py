"""Network policies from a pod's first packet on: what ADD, DEL and a change of a running pod do with rules.

Until the agent has compiled a new pod's rules, nothing but address resolution passes on its networks that a policy of
its namespace selects. Such a guard is in our tables beside the compiled rules, which the agent exchanges as a whole: it
reads the journals under the same lock, so its next ruleset has the pod. Imported where `policy_engine` is on.
"""

from genie_core.edges import nft, policy_dir
from genie_core.errors import GenieError, KernelRefused, TryAgain
from genie_core.gojson import view
from genie_core.jsontext import JSONError, decode
from genie_core.plugin_types import maker_of, plugin_type
from genie_core.select.asked import network_of
from genie_core.spec.addresses import host
from genie_core.spec.result import parse, recorded_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from genie_core.model import Attachment, Plan, Result
    from genie_core.ports import Log
    from genie_core.steps import Attached, Attaching

# Address resolution, routers and multicast groups of IPv6 (policy/chains.py).
_NEIGHBOURS = (
    "icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept",
    "icmpv6 type { 130, 131, 132, 143 } ip6 hoplimit 1 ip6 daddr ff00::/8 accept",
)
_QUOTABLE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@:+=,%~^&#!$")


def require_engine(plan: "Plan", fail: str, log: "Log") -> bool:
    """Whether the agent is running. Raises TryAgain where it is not, and a pod has networks that it should guard.

    `fail` is the setting `policy_fail`.
    """
    age = policy_dir.age()
    if age is not None and age <= policy_dir.OLD_SECONDS:
        return True
    said = "has not run on this node yet" if age is None else f"was last at work {age / 60:.0f} minutes ago"
    beside = any(item.ifname != plan.ifname for item in plan.attachments)
    if beside and fail == "closed":
        raise TryAgain(
            f"network policies are switched on (policy_engine), and genie agent {said}",
            hint="start `genie agent --policy`, or set policy_fail to open: then pods start without their policies",
        )
    if beside:
        log.warning("network policies are not guarded", problem=f"genie agent {said}")
    return False


def guard(step: "Attached", fail: str, log: "Log") -> None:
    """Let nothing pass on a network that a policy selects. Raises GenieError where that cannot be done.

    The code is always "try again": nothing is wrong with the pod. With `policy_fail` open it is a warning.

    A pod with its primary network alone starts without an agent. Where one has run since the node started, what it
    wrote last still counts: nothing passes on a network that a policy selects until it runs again.
    """
    _guarded(step, fail, log, lambda: _guard(step, log))


def guard_ahead(step: "Attaching", fail: str, log: "Log") -> None:
    """The same before a running pod gets the network: its processes would send before the ADD has ended.

    The rules are in the pod's namespace, since the host's end has no name yet; the agent replaces them.
    """
    _guarded(step, fail, log, lambda: _guard_ahead(step))


def _guarded(step: "Attached | Attaching", fail: str, log: "Log", load: "Callable[[], None]") -> None:
    if not require_engine(step.plan, fail, log) and (fail == "open" or policy_dir.age() is None):
        return
    try:
        load()
    except GenieError as error:
        if fail == "closed":
            name = network_of(step.plan.attachments[step.index])
            raise TryAgain(
                f"network {name} is not guarded by its policies: {error.msg}",
                details=error.details,
                hint=error.hint,
            ) from None
        log.warning("network policies are not guarded", problem=str(error))


def _guard_ahead(step: "Attaching") -> None:
    plan, one = step.plan, step.plan.attachments[step.index]
    with policy_dir.Held():
        if _is_selected(plan, one):
            _load_in_pod(one.ifname, plan.netns)


def _guard(step: "Attached", log: "Log") -> None:
    plan, one = step.plan, step.plan.attachments[step.index]
    with policy_dir.Held():
        if not _is_selected(plan, one):
            return
        result = parse(step.result, one.network.version, f"network {one.label}")[1]
        kind, outside, sandboxed = _ends(one, result)
        if outside and (enforced := plugin_type(kind).enforced):
            nft.load(_on_bridge(outside) if enforced == "bridge" else _routed(outside))
        elif sandboxed:
            _load_in_pod(one.ifname, plan.netns)
    policy_dir.announce()
    log.debug("guarded until policies are compiled", network=one.label)


def _load_in_pod(ifname: str, netns: str) -> None:
    if not _QUOTABLE.issuperset(ifname):
        raise KernelRefused(f"interface {ifname!r}: its name cannot be part of a rule")
    nft.load(_in_pod(ifname), netns)


def _is_selected(plan: "Plan", one: "Attachment") -> bool:
    spaces = (plan.pod.namespace if plan.pod else "", policy_dir.EVERY)
    return any(entry.get("namespace") in spaces for entry in _selectors(policy_dir.selected(), plan, one))


def _selectors(found: "policy_dir.Selected", plan: "Plan", one: "Attachment") -> "list[dict[str, Any]]":
    """What policies select on a network, in any namespace."""
    network = network_of(one)
    names = [network, *([] if one.ifname == plan.ifname else [policy_dir.EVERY])]
    if network.startswith("logical/"):
        names.append("logical/*")
    return [entry for name in names for entry in found.get(name, ())]


def _ends(attachment: "Attachment", result: "Result") -> "tuple[str, list[str], bool]":
    """The type of the plugin, its interfaces on the host other than a bridge, and whether the pod has one."""
    config = view(attachment.network.plugins[0].text)
    kind, config = maker_of(str(config.get("type") or attachment.network.plugins[0].type), config)
    bridge = str(config.get("bridge") or "cni0")
    outside = [name for name in _outside(result) if name != bridge and _QUOTABLE.issuperset(name)]
    return kind, outside, any(link.get("sandbox") for link in result.interfaces) or not result.interfaces


def _listed(names: "Iterable[str]") -> str:
    return ", ".join(f'"{name}"' for name in names)


def _on_bridge(ports: "Sequence[str]") -> str:
    chains = {
        "fresh_in { type filter hook prerouting priority -291; policy accept; }": ["iifname"],
        "fresh_out { type filter hook postrouting priority 291; policy accept; }": ["oifname"],
    }
    return _table("bridge", ports, chains, "ether type arp accept")


def _routed(ports: "Sequence[str]") -> str:
    return _table("inet", ports, _inet("forward", "iifname", "oifname") | _inet("input", "iifname"), "")


def _in_pod(ifname: str) -> str:
    into = "iifname", "meta sdifname"  # the second in a VRF (plugin vrf)
    chains = _inet("forward", *into, "oifname") | _inet("input", *into) | _inet("output", "oifname")
    return _table("inet", [ifname], chains, "")


def _inet(hook: str, *sides: str) -> "dict[str, Sequence[str]]":
    head = f"fresh_{hook} {{ type filter hook {hook} priority filter - 11; policy accept; }}"
    return {head: sides}


def _table(family: str, names: "Sequence[str]", chains: "Mapping[str, Sequence[str]]", passes: str) -> str:
    """Chains that drop what has one of these interfaces; more names are added to those that are there."""
    table = f"{family} genie_policy"
    lines = [f"add table {table}", f"add set {table} fresh {{ type ifname; }}"]
    for head, sides in chains.items():
        name = head.partition(" ")[0]
        rules = [*([passes] if passes else []), *_NEIGHBOURS]
        rules += [f'{side} @fresh counter drop comment "deny: not compiled yet"' for side in sides]
        lines += [f"add chain {table} {head}", f"flush chain {table} {name}"]
        lines += [f"add rule {table} {name} {rule}" for rule in rules]
    lines.append(f"add element {table} fresh {{ {_listed(names)} }}")
    return "\n".join([*lines, ""])


class Leaving:
    """The rules of one network of a container that goes. Whatever fails is a warning: no DEL fails for a policy.

    Its addresses leave the sets of peers before they are free for others, its own rules once it is gone. That it goes
    is recorded before: what the agent reads from then on has no rules for it, so its next load does the same.
    """

    def __init__(self, plan: "Plan", index: int, log: "Log") -> None:
        self._plan = plan
        self._index = index
        self._log = log
        self._last: list[str] = []  # the orders for when it is gone

    def close(self) -> None:
        """Take its addresses from the sets of peers."""
        self._try(self._close)

    def forget(self) -> None:
        """Remove its own rules."""
        self._try(lambda: self._load(self._last))

    def _try(self, work: "Callable[[], None]") -> None:
        try:
            work()
        except (GenieError, OSError) as error:
            self._log.warning("rules of policies not removed, left to the agent", problem=str(error))

    def _close(self) -> None:
        plan, one = self._plan, self._plan.attachments[self._index]
        found = policy_dir.selected()  # sets of named ports, and of host ends, have those of all its networks
        selected = (_selectors(found, plan, item) for item in plan.attachments)
        if not one.result or not any(selected):
            return
        try:  # a load that is under way may have read the addresses before the record of their going
            with policy_dir.Held(name=policy_dir.ENGINE_LOCK):
                pass
        finally:
            result = recorded_result(one).result
            ports, addresses = set(_ends(one, result)[1]), {host(ip["address"]) for ip in result.ips}
            results = (recorded_result(item).result for item in plan.attachments if item.result)
            outside = {name for other in results for name in _outside(other)}
            self._load([*self._orders(ports, addresses, outside)])

    def _orders(self, ports: set[str], addresses: set[str], outside: set[str]) -> "Iterator[str]":
        """Those for now; the others are kept.

        Elements with one of its ports are its own; those with one of its addresses and an interface that is not one of
        `outside` are those of another pod, which has the same address on another network.
        """
        for family in ("inet", "bridge"):
            for item in _objects(family):
                kind = "map" if "map" in item else "set"
                body = item.get(kind) or {}
                types = body.get("type")
                types = types if isinstance(types, list) else [types]
                gone = [
                    _text(key, types)
                    for key in (_key(element, kind) for element in body.get("elem", ()))
                    if ports & set(key) or (addresses & set(key) and _interfaces(key, types) <= outside)
                ]
                if not gone:
                    continue
                order = f"delete element {family} genie_policy {body['name']} {{ {', '.join(gone)} }}\n"
                if kind == "map" or family == "bridge" or body["name"] == "fresh":
                    self._last.append(order)
                else:
                    yield order

    def _load(self, orders: "Sequence[str]") -> None:
        """All at once, as each run of nft takes 14 ms; one by one where the agent has exchanged a table meanwhile."""
        if not orders:
            return
        try:
            nft.load("".join(orders))
        except KernelRefused as error:
            self._log.debug("rules of policies not removed", problem=error.msg)
            for order in orders if len(orders) > 1 else ():
                self._load([order])


def _objects(family: str) -> "list[dict[str, Any]]":
    """Our sets and maps. The whole table would be several times as long, and a node may have thousands of rules."""
    try:
        printed = nft.run(["--json", "--file", "-"], f"list sets {family}\nlist maps {family}\n")
        listed = [item for line in printed.splitlines() for item in decode(line)["nftables"]]
    except (KernelRefused, JSONError, KeyError, TypeError):
        return []  # the kernel does not have the family
    return [item for item in listed for kind in ("set", "map") if _is_ours(item.get(kind))]


def _is_ours(body: "Any") -> bool:
    return isinstance(body, dict) and body.get("table") == "genie_policy"


def _key(element: "Any", kind: str) -> list[str]:
    """The parts of an element's key, {} of an interval left out."""
    value = element[0] if kind == "map" and isinstance(element, list) else element
    value = value.get("concat", []) if isinstance(value, dict) else [value]
    return [str(part) for part in value]


def _outside(result: "Result") -> set[str]:
    """The interfaces on the host, a bridge too."""
    links = (link for link in result.interfaces if not link.get("sandbox"))
    return {str(link["name"]) for link in links if link.get("name")}


def _interfaces(key: "Sequence[str]", types: "Sequence[Any]") -> set[str]:
    return {part for part, kind in zip(key, types, strict=False) if kind == "ifname"}


def _text(key: "Sequence[str]", types: "Sequence[Any]") -> str:
    pairs = zip(key, types, strict=False)
    return " . ".join(f'"{part}"' if kind == "ifname" else part for part, kind in pairs)

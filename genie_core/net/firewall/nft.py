"""`nft -j list ruleset` -> chains (libnftables-json(5)). What is not modelled becomes a match on "unknown"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from genie_core.net.firewall import queues, tcp_flags
from genie_core.net.firewall.rules import PORTED, Action, Chain, FirewallRule, Match, Value, span
from genie_core.published import JSON

Sets = dict[str, tuple[Any, ...]]

FAMILY = {"ip": 4, "ip6": 6}
META = {"iifname": "iif", "iif": "iif", "oifname": "oif", "oif": "oif", "l4proto": "protocol", "mark": "mark"}
META |= {"ibrname": "unknown", "length": "length"}
PLAIN = {
    "accept": "accept",
    "drop": "drop",
    "return": "return",
    "reject": "reject",
    "masquerade": "masquerade",
}
PLAIN |= {
    "notrack": "notrack",
    "fwd": "drop",
}  # forwarded by another interface, it comes to no rule and route behind
PASSING = {"counter", "log", "flow", "dup", "quota", "secmark", "last"}
PASSING |= {"ct helper", "ct timeout", "ct expectation"}
PROTOCOL_NUMBERS = {
    1: "icmp",
    4: "ipencap",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    58: "ipv6-icmp",
    132: "sctp",
}
ARP = ("source", "target", "arp_operation", "arp_htype", "arp_hlen", "arp_plen")
NUMERIC = ("source", "target", "sport", "dport", "mark", "length", "ttl", "arp_htype", "arp_hlen", "arp_plen")
IP_FIELDS = {"saddr": "source", "daddr": "target", "protocol": "protocol", "nexthdr": "protocol"}
IP_FIELDS |= {"length": "length", "ttl": "ttl", "hoplimit": "ttl"}
TCP_FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
OPERATORS = {"==": False, "in": False, "!=": True}


def _field(left: Any) -> tuple[str, list[Match], int | None]:
    """The packet's field that an expression reads, what it implies, and the mask put over it."""
    if not isinstance(left, dict):
        return "unknown", [], None
    if "&" in left:
        name, implied, _ = _field(left["&"][0])
        mask = left["&"][1]
        return (name, implied, mask) if isinstance(mask, int) else ("unknown", [], None)
    if "meta" in left:
        return _meta(left["meta"]["key"]), [], None
    if "payload" in left:
        return _payload(left["payload"])
    if "ct" in left:
        key = left["ct"]["key"]
        return (
            {"state": "state", "status": "ct_status", "direction": "ct_direction"}.get(key, "unknown"),
            [],
            None,
        )
    if "fib" in left:
        fib = left["fib"]
        if fib.get("result") == "type":
            return "target_type" if "daddr" in fib.get("flags", ()) else "source_type", [], None
    return "unknown", [], None


def _meta(key: str) -> str:
    return {"nfproto": "family", "protocol": "ethertype"}.get(key) or META.get(key, "unknown")


def _payload(payload: JSON) -> tuple[str, list[Match], int | None]:
    protocol, name = payload.get("protocol", ""), payload.get("field", "")
    if protocol in FAMILY:
        implied = [Match("family", (str(FAMILY[protocol]),))]
        return IP_FIELDS.get(name, "unknown"), implied, None
    if protocol in PORTED or protocol == "th":
        implied = [] if protocol == "th" else [Match("protocol", (protocol,))]
        return name if name in ("sport", "dport") else "unknown", implied, None
    if protocol == "arp":
        field = {"saddr ip": "source", "daddr ip": "target"}.get(name, f"arp_{name}")
        return (field if field in ARP else "unknown"), [Match("family", ("arp",))], None
    if protocol == "ether":
        return {"type": "ethertype", "saddr": "smac", "daddr": "dmac"}.get(name, "unknown"), [], None
    if protocol in ("icmp", "icmpv6"):
        implied = [Match("protocol", ("icmp" if protocol == "icmp" else "ipv6-icmp",))]
        return f"icmp_{name}" if name in ("type", "code") else "unknown", implied, None
    return "unknown", [], None


def _value(field: str, right: Any) -> Value:
    """One right-hand value as a range or a word."""
    if isinstance(right, dict) and "prefix" in right:
        return span(f"{right['prefix']['addr']}/{right['prefix']['len']}")
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return (_number(field, low), _number(field, high))
    if isinstance(right, dict) and "elem" in right:
        return _value(field, right["elem"]["val"])
    if field in NUMERIC and not isinstance(right, dict):
        number = _number(field, right)
        return (number, number)
    if field == "protocol":
        return PROTOCOL_NUMBERS.get(right, {"icmpv6": "ipv6-icmp", "ipv4": "ipencap"}.get(right, str(right)))
    if field == "family":
        return {"ipv4": "4", "ipv6": "6"}.get(str(right), str(right))
    if field == "ethertype":
        return {"ip": "4", "ip6": "6"}.get(str(right), str(right))
    return str(right)


def _number(field: str, value: Any) -> int:
    if isinstance(value, int):
        return value
    if field in ("source", "target"):
        return span(value)[0]
    try:
        return int(value, 0)
    except ValueError:
        import socket

        return socket.getservbyname(value)


def _elements(right: Any, sets: Sets) -> tuple[Any, ...]:
    if isinstance(right, str) and right.startswith("@"):
        return sets.get(right[1:], ())
    if isinstance(right, dict) and "set" in right:
        return tuple(right["set"])
    return tuple(right) if isinstance(right, list) else (right,)


def _match(expression: JSON, sets: Sets) -> list[Match]:
    left, operator = expression["left"], expression.get("op", "==")
    if isinstance(left, dict) and "numgen" in left:
        return [_chance(left["numgen"], operator, expression["right"])]
    if isinstance(left, dict) and "concat" in left:
        return _concatenation(left["concat"], expression, sets)
    field, *masks = left["&"] if isinstance(left, dict) and "&" in left else [left]
    if field == TCP_FLAGS:
        right = expression["right"]
        return [Match("protocol", ("tcp",)), tcp_flags.match(operator, masks, right, _elements(right, sets))]
    name, implied, mask = _field(left)
    if name == "unknown":
        return [*implied, Match("unknown")]
    elements = _elements(expression["right"], sets)
    try:
        values = tuple(_value(name, element) for element in elements)
    except (ValueError, TypeError, OSError, KeyError):
        return [*implied, Match("unknown")]
    if operator in OPERATORS:
        return [*implied, Match(name, values, OPERATORS[operator], mask)]
    return [*implied, _comparison(name, operator, values)]


def _comparison(name: str, operator: str, values: tuple[Value, ...]) -> Match:
    if len(values) != 1 or isinstance(values[0], str):
        return Match("unknown")
    bound = values[0][0]
    top = 2**128
    spans = {"<": (0, bound - 1), "<=": (0, bound), ">": (bound + 1, top), ">=": (bound, top)}
    return Match(name, (spans[operator],)) if operator in spans else Match("unknown")


def _concatenation(parts: list[Any], expression: JSON, sets: Sets) -> list[Match]:
    names = tuple(_field(part)[0] for part in parts)
    rows = []
    try:
        for element in _elements(expression["right"], sets):
            inner = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
            rows.append(tuple(_value(n, v) for n, v in zip(names, inner["concat"], strict=True)))
    except (ValueError, TypeError, KeyError, OSError):
        return [Match("unknown")]
    found = Match("tuple", invert=expression.get("op") == "!=", keys=names, rows=tuple(rows))
    return [*_implied(parts), found]


def _implied(parts: list[Any]) -> list[Match]:
    """The conditions on the protocol that fields in a key imply: nft does not list them."""
    return list(dict.fromkeys(match for part in parts for match in _field(part)[1]))


def _parts(key: Any) -> list[Any]:
    return key["concat"] if isinstance(key, dict) and "concat" in key else [key]


def _chance(numgen: JSON, operator: str, right: Any) -> Match:
    """`numgen random mod 100 < 40` holds for 40 of 100 packets."""
    count = int(numgen.get("mod", 1))
    if isinstance(right, int):
        hits = {"<": right, "<=": right + 1, ">": count - right - 1, ">=": count - right, "!=": count - 1}
        good = hits.get(operator, 1)
    else:
        good = len(_elements(right, {}))
    return Match("chance", chance=max(0.0, min(1.0, good / count)))


def _verdict(value: Any) -> Action:
    kind = next(iter(value)) if isinstance(value, dict) else value
    if kind in ("jump", "goto"):
        return Action(kind, target=value[kind]["target"])
    return Action(PLAIN.get(kind, "continue"))


def _translate(kind: str, detail: Any, maps: Sets) -> Action:
    detail = detail or {}
    address, port = detail.get("addr", ""), detail.get("port", 0)
    if isinstance(address, dict) and "map" in address:
        return _map_of(address["map"], kind, maps)
    if not isinstance(address, str):
        return Action("foreign", target=kind)
    return Action(kind, address=address, port=port if isinstance(port, int) else 0)


def _map_of(mapping: JSON, kind: str, maps: Sets) -> Action:
    """A translation looked up in a map: one entry per key; `numgen` keys are chances."""
    entries = []
    for key, value in _elements(mapping["data"], maps):
        address, port = value["concat"] if isinstance(value, dict) and "concat" in value else (value, 0)
        entries.append((key, Action(kind, address=str(address), port=int(port))))
    return _keyed(mapping["key"], entries)


def _keyed(key: Any, entries: list[tuple[Any, Action]]) -> Action:
    if isinstance(key, dict) and "numgen" in key:
        return Action("map", keys=("chance",), entries=tuple(((), action) for _, action in entries))
    fields = [_field(part) for part in _parts(key)]
    names = tuple(name for name, _, _ in fields)
    rows = []
    for values, action in entries:
        inner = values["elem"]["val"] if isinstance(values, dict) and "elem" in values else values
        row = inner["concat"] if isinstance(inner, dict) and "concat" in inner else [inner]
        rows.append((tuple(_value(n, v) for n, v in zip(names, row, strict=True)), action))
    return Action("map", keys=names, entries=tuple(rows), masks=tuple(mask for _, _, mask in fields))


def _statement(kind: str, detail: Any, maps: Sets) -> tuple[list[Match], Action | None]:
    """What one expression of a rule is: conditions, or the action."""
    if kind == "match":
        return _match(detail, maps), None
    if kind in PLAIN or kind in ("jump", "goto"):
        return [], _verdict({kind: detail})
    if kind in ("dnat", "snat", "redirect"):
        return [], _translate(kind, detail, maps)
    if kind == "vmap":
        verdicts = [(k, _verdict(v)) for k, v in _elements(detail["data"], maps)]
        return _implied(_parts(detail["key"])), _keyed(detail["key"], verdicts)
    if kind in ("mangle", "queue"):
        return [], queues.of_nft(detail) if kind == "queue" else _set(detail["key"], detail["value"])
    if kind in ("limit", "ct count"):
        return [Match("rate" if detail.get("inv") else "under")], None
    if kind in PASSING:
        return [], None
    return ([], Action("foreign", target=kind)) if kind == "tproxy" else ([Match("unknown")], None)


def _set(key: Any, value: Any) -> Action | None:
    """A rule's change of a packet: its mark, its conntrack zone, its time to live."""
    if key == {"ct": {"key": "zone"}}:
        return Action("zone", value=value) if isinstance(value, int) else None
    name = _field(key)[0]
    if name == "ttl" and isinstance(value, int):
        return Action("ttl", value=value, mask=0)
    return _set_mark(value) if name == "mark" else None


def _set_mark(value: Any) -> Action | None:
    if isinstance(value, int):
        return Action("mark", value=value)
    if isinstance(value, dict) and "|" in value and isinstance(value["|"][1], int):
        return Action("mark", value=value["|"][1], mask=value["|"][1])
    if isinstance(value, dict) and "^" in value and isinstance(value["^"][1], int):
        return Action("mark", value=value["^"][1], mask=0)
    if isinstance(value, dict) and "&" in value and isinstance(value["&"][1], int):
        return Action("mark", mask=~value["&"][1] & 0xFFFFFFFF)
    return None


def _rule(rule: JSON, number: int, maps: Sets) -> FirewallRule:
    matches: list[Match] = []
    action = Action("continue")
    packets = None
    for expression in rule.get("expr", ()):
        kind, detail = next(iter(expression.items()))
        if kind == "counter" and isinstance(detail, dict):
            packets = detail.get("packets")
        try:
            more, act = _statement(kind, detail, maps)
        except (ValueError, TypeError, KeyError, OSError, StopIteration):
            more, act = [Match("unknown")], None
        matches += more
        action = act or action
    return FirewallRule(
        text=_text(rule),
        matches=tuple(matches),
        action=action,
        number=number,
        handle=rule.get("handle", 0),
        packets=packets,
        comment=rule.get("comment", ""),
    )


def _text(rule: JSON) -> str:
    """A readable line: the expressions nearly as nft writes them."""
    words = [_word(expression) for expression in rule.get("expr", ())]
    comment = [f'comment "{rule["comment"]}"'] if rule.get("comment") else []
    return " ".join([word for word in words if word] + comment)


def _word(expression: JSON) -> str:
    kind, detail = next(iter(expression.items()))
    if kind == "match":
        operator = "" if detail["op"] in ("==", "in") else f"{detail['op']} "
        return f"{_plain(detail['left'])} {operator}{_plain(detail['right'])}"
    if kind == "counter":
        return f"counter packets {detail['packets']}" if isinstance(detail, dict) else "counter"
    if kind in ("jump", "goto", "fwd"):
        return f"{kind} {detail['target']}" if kind != "fwd" else f"fwd to {_plain(detail.get('dev', ''))}"
    if kind in ("dnat", "snat") and isinstance(detail, dict):
        port = f":{_plain(detail['port'])}" if "port" in detail else ""
        return f"{kind} to {_plain(detail.get('addr', ''))}{port}"
    if kind == "reject" and isinstance(detail, dict):
        return f"reject with {detail.get('type', '')} {detail.get('expr', '')}".rstrip()
    if kind == "limit":
        return f"limit rate {'over ' if detail.get('inv') else ''}{detail.get('rate')}/{detail.get('per')}"
    if kind == "mangle":
        return f"{_plain(detail['key'])} set {_plain(detail['value'])}"
    return kind


def _plain(value: Any) -> str:
    if not isinstance(value, dict):
        return ",".join(map(_plain, value)) if isinstance(value, list) else str(value)
    kind, detail = next(iter(value.items()))
    return PLAIN_TEXT[kind](detail) if kind in PLAIN_TEXT else kind


def _key_text(kind: str, detail: JSON) -> str:
    return f"{'' if detail['key'] in META else kind + ' '}{detail['key']}"


PLAIN_TEXT: dict[str, Callable[[Any], str]] = {
    "payload": lambda d: f"{d.get('protocol', '')} {d.get('field', '')}".strip(),
    "meta": lambda d: _key_text("meta", d),
    "ct": lambda d: _key_text("ct", d),
    "rt": lambda d: f"rt {d.get('key')}",
    "tcp option": lambda d: f"tcp option {d.get('name')} {d.get('field', '')}".strip(),
    "prefix": lambda d: f"{d['addr']}/{d['len']}",
    "range": lambda d: "-".join(map(_plain, d)),
    "set": lambda d: "{ " + ", ".join(map(_plain, d)) + " }",
    "numgen": lambda d: f"numgen {d.get('mode')} mod {d.get('mod')}",
    "concat": lambda d: " . ".join(map(_plain, d)),
    "&": lambda d: " & ".join(map(_plain, d)),
    "|": lambda d: f"({' | '.join(map(_plain, d))})",
}


def parse(document: tuple[JSON, ...], skip: set[tuple[str, str]]) -> list[Chain]:
    """The chains of a ruleset that are in effect, without the tables (family, name) that iptables-save has shown."""
    tables = [item["table"] for item in document if "table" in item]
    skip = skip | {(t["family"], t["name"]) for t in tables if "dormant" in t.get("flags", ())}
    sets: dict[tuple[str, str], Sets] = {}
    chains: dict[tuple[str, str, str], JSON] = {}
    rules: dict[tuple[str, str, str], list[JSON]] = {}
    for item in document:
        for kind, value in item.items():
            table = (value.get("family", ""), value.get("table", ""))
            if table in skip:
                continue
            if kind in ("set", "map"):
                sets.setdefault(table, {})[value["name"]] = tuple(value.get("elem", ()))
            elif kind == "chain":
                chains[*table, value["name"]] = value
            elif kind == "rule":
                rules.setdefault((*table, value["chain"]), []).append(value)
    return [_chain(key, chain, rules.get(key, []), sets.get(key[:2], {})) for key, chain in chains.items()]


def _chain(key: tuple[str, str, str], chain: JSON, rules: list[JSON], sets: Sets) -> Chain:
    device = chain.get("dev", ())
    return Chain(
        tool="nft",
        family=key[0],
        table=key[1],
        name=key[2],
        hook=chain.get("hook", ""),
        kind=chain.get("type", "filter"),
        priority=chain.get("prio", 0),
        policy=chain.get("policy", "accept"),
        devices=(device,) if isinstance(device, str) else tuple(device),
        rules=tuple(_rule(rule, number + 1, sets) for number, rule in enumerate(rules)),
    )

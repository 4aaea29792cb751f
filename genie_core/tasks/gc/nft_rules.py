"""The nftables rules that the reference plugins (from 1.6 on) make for one container each. Pure.

bridge and ptp   table inet cni_plugins_masquerade, comment "HASH-HASH, net: NETWORK, if: INTERFACE, id: CONTAINER",
                 cut off after 128 bytes (plugins, pkg/ip/ipmasq_nftables_linux.go)
portmap          tables ip and ip6 cni_hostport, the container ID as comment (plugins/meta/portmap/portmap_nftables.go)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MASQUERADE = ("inet", "cni_plugins_masquerade")
_PORTMAP = (("ip", "cni_hostport"), ("ip6", "cni_hostport"))
_OWNER = re.compile(r"[0-9a-f]+-[0-9a-f]+, net: (?P<network>.*), if: [^,]*, id: (?P<container>\S+)")
_LONGEST_COMMENT = 128  # NFTNL_UDATA_COMMENT_MAXLEN


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedRule:
    """One rule and its container. `is_cut`: `container` is only the beginning of the container ID.

    `handle` is the kernel's number of it, which is never given to another rule of its table. `addresses` are the
    container's, as far as the rule names them.
    """

    family: str
    table: str
    chain: str
    handle: int
    comment: str
    container: str
    network: str = ""
    is_cut: bool = False
    addresses: tuple[str, ...] = ()


def owned_rules(ruleset: Sequence[Mapping[str, Any]]) -> Iterator[OwnedRule]:
    """The rules of `nft -j list ruleset` (libnftables-json(5)) whose comment names their container."""
    for item in ruleset:
        rule = item.get("rule") or {}
        place, comment = (rule.get("family"), rule.get("table")), rule.get("comment", "")
        owner = _owner(place, comment)
        if not owner:
            continue
        container, network = owner
        yield OwnedRule(
            family=rule["family"],
            table=rule["table"],
            chain=rule["chain"],
            handle=rule["handle"],
            comment=comment,
            container=container,
            network=network,
            is_cut=len(comment.encode()) >= _LONGEST_COMMENT,
            addresses=tuple(_addresses(rule.get("expr", ()))),
        )


def _owner(place: tuple[Any, Any], comment: str) -> tuple[str, str] | None:
    """Container and network."""
    if place == _MASQUERADE and (match := _OWNER.fullmatch(comment)):
        return match["container"], match["network"]
    return (comment, "") if place in _PORTMAP and comment else None


def _addresses(expressions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The source that is masqueraded, the target that is forwarded to; not 127.0.0.1, which portmap adds."""
    for expression in expressions:
        match, dnat = expression.get("match") or {}, expression.get("dnat") or {}
        is_source = _field(match.get("left")) == "saddr"
        found = match["right"] if is_source else dnat.get("addr")
        if isinstance(found, str) and found != "127.0.0.1":
            yield found


def _field(left: Any) -> str:
    return str(left["payload"].get("field", "")) if isinstance(left, dict) and "payload" in left else ""

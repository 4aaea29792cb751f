"""The kernel's counters of Genie's rules. Reading them needs root."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache

from genie_core.edges.netlink import attribute, attributes
from genie_core.edges.netns import inside, inside_each
from genie_core.errors import GenieError
from genie_core.policy.cluster import Attached
from genie_core.policy.places import POD, place_of
from genie_core.policy.ruleset import TABLE
from genie_core.tasks.policy import netfilter

# linux/netfilter/nf_tables.h; the user data are libnftnl's (udata.h)
_GETRULE, _INET = 7, 1
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS, _RULE_USERDATA = 1, 2, 4, 7
_EXPR_NAME, _EXPR_DATA, _COUNTER_PACKETS = 1, 2, 2
_UDATA_COMMENT = 0


def no_counters(_attached: Attached, _comment: str) -> int | None:
    """Nothing is known."""
    return None


def live_counters() -> Callable[[Attached, str], int | None]:
    """A function from an attachment and a rule's comment to the packets that the rule has matched."""

    @cache
    def read(netns: str) -> dict[str, int] | None:
        try:
            return counters(netns) or None  # there are no rules
        except (OSError, GenieError):
            return None

    def ask(attached: Attached, comment: str) -> int | None:
        found = read(attached.netns if place_of(attached).kind == POD else "")
        return None if found is None else found.get(comment, 0)

    return ask


def counters(netns: str = "") -> dict[str, int]:
    """Comment -> packets, of a namespace, "" for this one. Raises OSError and GenieError."""
    found: dict[str, int] = {}
    for (_, comment), packets in (inside(netns, _counters) if netns else _counters()).items():
        found[comment] = found.get(comment, 0) + packets
    return found


def chain_counters_of(namespaces: Collection[str]) -> dict[str, dict[tuple[str, str], int]]:
    """Of several, (chain, comment) -> packets.

    Those that cannot be read are left out, all of them where no thread can be started.
    """
    found: dict[str, dict[tuple[str, str], int]] = {}
    with suppress(OSError, GenieError):
        found |= {"": _counters()} if "" in namespaces else {}
        each = inside_each([netns for netns in namespaces if netns], _counters)
        found |= {netns: one for netns, one in each.items() if not isinstance(one, GenieError)}
    return found


def _counters(_netns: str = "") -> dict[tuple[str, str], int]:
    """The sums of a chain's rules that have the same comment. nft itself would list all elements of the sets too."""
    found: dict[tuple[str, str], int] = {}
    table = attribute(_RULE_TABLE, f"{TABLE}\0".encode())
    with netfilter.opened() as kernel:
        flags = netfilter.REQUEST | netfilter.DUMP
        kernel.send(netfilter.message(netfilter.NF_TABLES, _GETRULE, flags, _INET, table))
        for answer in netfilter.answers(kernel):
            rule = attributes(answer)
            comment = _comment(rule.get(_RULE_USERDATA, b""))
            if comment:
                key = rule.get(_RULE_CHAIN, b"").rstrip(b"\0").decode("utf-8", "replace"), comment
                found[key] = found.get(key, 0) + _packets(rule.get(_RULE_EXPRESSIONS, b""))
    # what is allowed passes the base chains of both priorities, what is denied ends in the first (policy/tables.py)
    return {key: number // 2 if key[1].startswith("allow") else number for key, number in found.items()}


def _comment(userdata: bytes) -> str:
    """The comment among a rule's user data: (type, length, value) of one byte, one byte, and so many."""
    while len(userdata) > 2:
        kind, length = userdata[:2]
        if kind == _UDATA_COMMENT:
            return userdata[2 : 2 + length].rstrip(b"\0").decode("utf-8", "replace")
        userdata = userdata[2 + length :]
    return ""


def _packets(expressions: bytes) -> int:
    for _, item in netfilter.parts(expressions):
        expression = attributes(item)
        if expression.get(_EXPR_NAME) == b"counter\0":
            return int.from_bytes(attributes(expression[_EXPR_DATA])[_COUNTER_PACKETS], "big")
    return 0

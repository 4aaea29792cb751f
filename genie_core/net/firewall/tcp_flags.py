"""Conditions on the flags of TCP, as conditions on the state of the connection.

A trace has two packets of a connection: the SYN, and the answer to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from genie_core.net.firewall.rules import Match

ALL = frozenset(("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"))
FLAGS = {"new": {"syn"}, "untracked": {"syn"}, "established": {"syn", "ack"}}


def states_of(mask: Collection[str], *wanted: Collection[str]) -> tuple[str, ...]:
    """The states whose packet has, of the flags in the mask, exactly those of one of the `wanted` sets."""
    return tuple(state for state, flags in FLAGS.items() if flags & set(mask) in map(set, wanted))


def states_with(flags: Collection[str]) -> tuple[str, ...]:
    """The states whose packet has any of the flags."""
    return tuple(state for state, own in FLAGS.items() if own & set(flags))


def match(operator: str, masks: Sequence[Any], right: Any, elements: Sequence[Any]) -> Match:
    """nft's condition `tcp flags [& MASK] OPERATOR RIGHT`; `elements` are those of RIGHT where it is a set.

    "in" is met by any of the flags, "!" by none of them. Raises TypeError for numbers, KeyError for another operator.
    """
    if operator in ("in", "!"):
        return Match("state", states_with(frozenset().union(*map(_flags, elements))), operator == "!")
    mask = _flags(masks[0]) if masks else ALL
    wanted = [right] if isinstance(right, list) else elements
    return Match("state", states_of(mask, *map(_flags, wanted)), {"==": False, "!=": True}[operator])


def _flags(value: Any) -> frozenset[str]:
    """`"syn"`, `{"|": ["syn", "ack"]}` or, as nft 1.0 prints it, `["syn", "ack"]`, or 0."""
    if isinstance(value, dict | list):
        return frozenset[str]().union(*map(_flags, value["|"] if isinstance(value, dict) else value))
    if value and not isinstance(value, str):
        raise TypeError(f"{value!r} are no flags")
    return frozenset((value,) if value else ())

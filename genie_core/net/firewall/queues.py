"""Rules that hand packets to a program (NFQUEUE): where none reads the queue, the kernel drops them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from genie_core.net.firewall.rules import Action, Chain, FirewallRule, Match

# A program reads the queue, or the rule says `bypass`; the verdict is not known.
PASSED = Action("foreign", target="queue")


def queue(first: int, last: int) -> Action:
    """The action of a rule that hands packets to one of the queues."""
    return Action("queue", value=first, mask=last)


def of_option(action: Action, word: str, value: str) -> Action | None:
    """The action after an option of iptables' NFQUEUE, None where it is none of its options."""
    if word in ("--queue-num", "--queue-balance") and action.kind == "queue":
        first, _, last = value.partition(":")
        return queue(int(first), int(last or first))
    return PASSED if word == "--queue-bypass" else None


def of_nft(detail: dict[str, Any] | None) -> Action:
    """The action of an nft statement `queue` (libnftables-json(5))."""
    number, flags = (detail or {}).get("num", 0), (detail or {}).get("flags", ())
    first, last = number["range"] if isinstance(number, dict) else (number, number)
    return PASSED if "bypass" in flags else queue(first, last)


def judged(chain: Chain, read: Collection[int] | None) -> Chain:
    """The chain with what happens to packets for its queues; `read` are the queues that a program reads."""
    if not any(rule.action.kind == "queue" for rule in chain.rules):
        return chain
    return replace(chain, rules=tuple(_rule(rule, read) for rule in chain.rules))


def _rule(rule: FirewallRule, read: Collection[int] | None) -> FirewallRule:
    if rule.action.kind != "queue":
        return rule
    numbers = range(rule.action.value, rule.action.mask + 1)
    unread = [number for number in numbers if read is not None and number not in read]
    if not unread:
        return replace(rule, action=PASSED)
    # Each connection goes to one of the queues, by a hash.
    matches = rule.matches if len(unread) == len(numbers) else (*rule.matches, Match("unknown"))
    which = f"queue {unread[0]}" if len(unread) == 1 else f"queues {unread[0]} to {unread[-1]}"
    return replace(rule, matches=matches, action=Action("drop", target=which))

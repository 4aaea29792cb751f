"""The kernel's counters of Genie's rules. Reading them needs root."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import cache
from typing import Any

from genie_core.edges.netns import inside
from genie_core.errors import GenieError
from genie_core.policy.cluster import Attached
from genie_core.policy.places import POD, place_of
from genie_core.policy.ruleset import TABLE

_SECONDS = 10.0


def no_counters(_attached: Attached, _comment: str) -> int | None:
    """Nothing is known."""
    return None


def live_counters() -> Callable[[Attached, str], int | None]:
    """A function from an attachment and a rule's comment to the packets that the rule has matched."""

    @cache
    def read(netns: str) -> dict[str, int] | None:
        try:
            return counters(netns)
        except (OSError, GenieError, ValueError, subprocess.SubprocessError):
            return None

    def ask(attached: Attached, comment: str) -> int | None:
        found = read(attached.netns if place_of(attached).kind == POD else "")
        return None if found is None else found.get(comment, 0)

    return ask


def counters(netns: str = "") -> dict[str, int]:
    """Comment -> packets, of a namespace, "" for this one. Raises OSError, ValueError, SubprocessError, GenieError."""
    argv = ["nft", "--json", "list", "table", "inet", TABLE]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=True)

    done = inside(netns, run) if netns else run()
    found: dict[str, int] = {}
    for item in json.loads(done.stdout)["nftables"]:
        rule: dict[str, Any] = item.get("rule") or {}
        packets = [part["counter"]["packets"] for part in rule.get("expr", ()) if "counter" in part]
        if rule.get("comment") and packets:
            found[rule["comment"]] = found.get(rule["comment"], 0) + sum(packets)
    # what is allowed passes the base chains of both priorities, what is denied ends in the first (policy/tables.py)
    return {key: number // 2 if key.startswith("allow") else number for key, number in found.items()}

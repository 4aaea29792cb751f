"""The engine's counters: policies, drops by policy, seconds of each application, attachments not enforced."""

from __future__ import annotations

from typing import Any

from genie_core.policy.places import POD
from genie_core.tasks.policy.buckets import BUCKETS
from genie_core.tasks.policy.counters import chain_counters_of
from genie_core.tasks.policy.enforce import Applied
from genie_core.tasks.policy.events import few


class Counts:
    """Totals of counters that end with their chains, which are named after what they contain."""

    def __init__(self) -> None:
        self._applied: Applied | None = None
        self._seen: dict[tuple[str, str, str], int] = {}  # by namespace, chain and comment
        self._drops: dict[str, int] = {}
        self._seconds = [0] * (len(BUCKETS) + 1)
        self._total = 0.0

    @property
    def has_applied(self) -> bool:
        """Whether rules were applied yet: until then this node enforces nothing."""
        return self._applied is not None

    def applied(self, applied: Applied) -> None:
        """Count one application of the rules."""
        self._applied = applied
        place = next((i for i, most in enumerate(BUCKETS) if applied.seconds <= most), len(BUCKETS))
        self._seconds[place] += 1
        self._total += applied.seconds
        there = set(map(str, applied.ruleset.names))
        self._drops = {name: count for name, count in self._drops.items() if name in there}
        for name in applied.ruleset.selecting:
            self._drops.setdefault(str(name), 0)

    def keep(self) -> None:
        """Add what the kernel has counted since."""
        if self._applied is None:
            return
        seen = {}
        owners = self._owners(self._applied)
        for netns, found in chain_counters_of(owners).items():
            for (chain, comment), packets in found.items():
                if comment in owners[netns]:
                    key = netns, chain, comment
                    before = self._seen.get(key, 0)
                    more = packets - before if packets >= before else packets
                    seen[key] = packets
                    for name in owners[netns][comment]:
                        self._drops[name] = self._drops.get(name, 0) + more
        self._seen = seen

    @staticmethod
    def _owners(applied: Applied) -> dict[str, dict[str, list[str]]]:
        """By namespace, the comments of the rules that drop, with the policies that they name."""
        owners: dict[str, dict[str, list[str]]] = {}
        different = {
            (
                gate.attached.netns if gate.guarded.place.kind == POD else "",
                id(gate.isolation),
            ): gate.isolation
            for gate in applied.ruleset.gates
        }
        for (netns, _), isolation in different.items():
            for note in isolation.notes():
                if note.action == "deny":
                    owners.setdefault(netns, {})[note.text] = [str(name) for name in note.policies]
        return owners

    def as_json(self) -> dict[str, Any]:
        """The numbers, for the agent's page of metrics."""
        ruleset = self._applied.ruleset if self._applied else None
        return {
            "policies": len(ruleset.names) if ruleset else 0,
            "notEnforced": [one.as_json() for one in ruleset.not_enforced] if ruleset else [],
            "findings": [one.as_json() for one in few(ruleset.findings)] if ruleset else [],
            "drops": dict(sorted(self._drops.items())),
            "applied": {"buckets": self._seconds, "sum": self._total},
        }

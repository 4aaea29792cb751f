"""The engine's counters: policies, drops by policy, seconds of each application, attachments not enforced."""

from __future__ import annotations

from typing import Any

from genie_core.policy.places import POD
from genie_core.tasks.policy.buckets import BUCKETS
from genie_core.tasks.policy.counters import counters_of
from genie_core.tasks.policy.enforce import Applied
from genie_core.tasks.policy.events import few


class Counts:
    """Totals of counters that restart at 0 when their table is replaced."""

    def __init__(self) -> None:
        self._applied: Applied | None = None
        self._seen: dict[tuple[str, str], int] = {}
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
        for netns, comment in list(self._seen):
            if netns in applied.replaced:
                del self._seen[netns, comment]
        for name in applied.ruleset.selecting:
            self._drops.setdefault(str(name), 0)

    def keep(self) -> None:
        """Add what the kernel has counted since."""
        if self._applied is None:
            return
        owners: dict[str, dict[str, list[str]]] = {}
        for gate in self._applied.ruleset.gates:
            netns = gate.attached.netns if gate.guarded.place.kind == POD else ""
            for note in gate.isolation.notes():
                if note.action == "deny":
                    owners.setdefault(netns, {})[note.text] = [str(name) for name in note.policies]
        for netns, found in counters_of(owners).items():
            notes = owners[netns]
            for comment, names in notes.items():
                packets = found.get(comment, 0)
                before = self._seen.get((netns, comment), 0)
                more = packets - before if packets >= before else packets
                self._seen[netns, comment] = packets
                for name in names:
                    self._drops[name] = self._drops.get(name, 0) + more

    def as_json(self) -> dict[str, Any]:
        """The numbers, for the agent's page of metrics."""
        ruleset = self._applied.ruleset if self._applied else None
        return {
            "policies": ruleset.policies if ruleset else 0,
            "notEnforced": [one.as_json() for one in ruleset.not_enforced] if ruleset else [],
            "findings": [one.as_json() for one in few(ruleset.findings)] if ruleset else [],
            "drops": dict(sorted(self._drops.items())),
            "applied": {"buckets": self._seconds, "sum": self._total},
        }

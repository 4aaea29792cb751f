"""The report of `genie gc`: leftovers of former pods, and whether they were removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from genie_core import __version__
from genie_core.errors import EXIT_FAILURE, EXIT_INCOMPLETE
from genie_core.published import UNPUBLISHED, Published

# In the order of removal: plugins' DELs first, and a namespace after the interfaces that lead into it.
Kind = Literal["dry-run", "pending", "lease", "cache", "chain", "veth", "bridge", "namespace"]
KINDS: dict[Kind, str] = {
    "dry-run": "dry runs on the node itself that were killed",
    "pending": "networks in Genie's state that no DEL has released",
    "lease": "addresses that host-local has given to containers that are gone",
    "cache": "libcni's cached results of containers that are gone",
    "chain": "NAT chains and rules of containers that are gone",
    "veth": "host ends of veth pairs that lead into abandoned namespaces",
    "bridge": "bridges of logical networks that no pod is on",
    "namespace": "network namespaces of runtimes that no process and no container uses",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover(Published):
    """One thing without an owner. `name` is where it is; `evidence` says in sentences why no container has it.

    `problem` is why it could not be removed, "" otherwise; `handle` is what its removal needs.
    """

    kind: Kind
    name: str
    container: str = ""
    network: str = ""
    evidence: tuple[str, ...]
    removed: bool = False
    problem: str = ""
    handle: Any = field(default=None, compare=False, metadata=UNPUBLISHED)

    @property
    def key(self) -> tuple[str, str, str]:
        """The members that are the same in two looks at one thing."""
        return self.kind, self.name, self.container


@dataclass(frozen=True, slots=True, kw_only=True)
class GCReport:
    """What both looks, `seconds` apart, have found, and removed.

    `source` says where the containers are known from; `by_namespaces`: no runtime answered, for the reason `problem`,
    so they were taken from the node's network namespaces. `skipped` maps kinds to why they were not looked for;
    `unconfirmed` counts what only one look found. `young` would be left over, but for being younger than `min_age`
    seconds: it may belong to a pod that is just being made.
    """

    kind: ClassVar[str] = "GCReport"
    dry_run: bool
    source: str
    seconds: float
    by_namespaces: bool = False
    problem: str = ""
    leftovers: tuple[Leftover, ...] = ()
    young: tuple[Leftover, ...] = ()
    min_age: float = 60
    unconfirmed: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    ms: float = field(default=0, compare=False)

    @property
    def failed(self) -> int:
        """How many could not be removed."""
        return sum(bool(leftover.problem) for leftover in self.leftovers)

    @property
    def exit_code(self) -> int:
        """1 where something could not be removed, 5 where something could not be looked at, else 0."""
        return EXIT_FAILURE if self.failed else EXIT_INCOMPLETE if self.skipped else 0

    def as_json(self) -> dict[str, Any]:
        """metadata, dryRun, source, observations, leftovers, young, skipped, summary."""
        return {
            "metadata": {"version": __version__, "durationMs": round(self.ms, 1)},
            "dryRun": self.dry_run,
            "source": self.source,
            "observations": {"secondsApart": self.seconds, "unconfirmed": self.unconfirmed},
            "leftovers": [leftover.as_json() for leftover in self.leftovers],
            "young": [leftover.as_json() for leftover in self.young],
            "skipped": dict(self.skipped),
            "summary": {
                "found": len(self.leftovers),
                "removed": sum(leftover.removed for leftover in self.leftovers),
                "failed": self.failed,
            },
        }

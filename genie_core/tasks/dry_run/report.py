"""The report of a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from genie_core import __version__
from genie_core.errors import EXIT_FAILURE, EXIT_TIMEOUT
from genie_core.published import UNPUBLISHED, Published
from genie_core.tasks.dry_run.netview import Interface, Route, View
from genie_core.tasks.dry_run.policies import Tried
from genie_core.tasks.dry_run.reach import Reach
from genie_core.tasks.dry_run.runtime_call import Call

Thing = tuple[str, str]  # (kind, name), as in netview.View.items


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNetwork(Published):
    """One network of the plan: `why` is the annotation or key that asks for it, `source` its configuration's place.

    `ipam` are the address plugins that its plugins call.
    """

    network: str
    interface: str
    primary: bool
    why: str
    source: str
    plugins: tuple[str, ...]
    made_up: bool
    ipam: tuple[str, ...] = field(default=(), metadata=UNPUBLISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen(Published):
    """The state of a pod while it was attached."""

    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunReport:
    """A pod's life in a private node: the plan, the calls, what was observed, and what was left.

    Without any call, only the plan was asked for. `pods` are side by side; `written` are the annotations that Genie
    wrote into the pod; `before` is the node before. `appeared` came to the node with the pods. After DEL, `left` is
    what every pod would leave behind (a fault), `stays` what the first pod made for all and the second found there
    (a bridge); after a failed ADD, everything that was not there before.
    """

    kind: ClassVar[str] = "DryRunReport"
    annotations: Mapping[str, str]
    plan: tuple[PlannedNetwork, ...]
    calls: tuple[Call, ...]
    pods: tuple[PodSeen, ...] = ()
    reach: tuple[Reach, ...] = ()
    policies: tuple[Tried, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    before: View | None = None
    appeared: tuple[Thing, ...] = ()
    left: tuple[Thing, ...] = ()
    stays: tuple[Thing, ...] = ()
    notes: tuple[str, ...] = ()
    on_host: bool = False
    released: bool = False
    expired: bool = False
    ms: float = field(default=0, compare=False)

    @property
    def ok(self) -> bool:
        """Whether every call succeeded and nothing was left."""
        return not self.expired and not self.left and all(call.problem is None for call in self.calls)

    @property
    def failed_add(self) -> Call | None:
        """The first ADD that failed: the cause of what follows."""
        return next((call for call in self.calls if call.verb == "ADD" and call.problem), None)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, 1, or 124 at the deadline."""
        return EXIT_TIMEOUT if self.expired else 0 if self.ok else EXIT_FAILURE

    @property
    def addresses(self) -> list[str]:
        """The addresses of the first pod, without link-local ones."""
        return [
            address
            for pod in self.pods[:1]
            for interface in pod.interfaces
            for address in interface.addresses
            if not address.startswith("fe80:")
        ]

    def as_json(self) -> dict[str, Any]:
        """metadata, target, plan, calls, pod (the first), pods, reachability, policies, node, notes, summary."""
        first = self.pods[0] if self.pods else PodSeen(interfaces=(), routes=())
        return {
            "metadata": {"version": __version__, "durationMs": round(self.ms, 1)},
            "target": {"annotations": dict(self.annotations), "onHost": self.on_host},
            "plan": [network.as_json() for network in self.plan],
            "calls": [call.as_json() for call in self.calls],
            "pod": first.as_json(),
            "pods": [pod.as_json() for pod in self.pods],
            "reachability": [reach.as_json() for reach in self.reach],
            "policies": [one.as_json() for one in self.policies],
            "annotationsWritten": dict(self.written),
            "node": {
                "before": self.before.as_json() if self.before else None,
                "appeared": _things(self.appeared),
                "left": _things(self.left),
                "stays": _things(self.stays),
            },
            "notes": list(self.notes),
            "summary": {
                "ok": self.ok,
                "released": self.released,
                "timedOut": self.expired,
                "addresses": self.addresses,
            },
        }


def _things(things: tuple[Thing, ...]) -> list[dict[str, str]]:
    return [{"kind": kind, "name": name} for kind, name in things]

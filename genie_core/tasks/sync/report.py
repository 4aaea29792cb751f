"""The report of `genie sync pod`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from genie_core.errors import (
    EXIT_DENIED,
    EXIT_FAILURE,
    EXIT_INCOMPLETE,
    EXIT_NOT_FOUND,
    TRY_AGAIN,
    DelegateFailed,
    GenieError,
)
from genie_core.live.compare import KEEP, Move
from genie_core.live.exchange import addresses_of
from genie_core.model import Attachment, Plan
from genie_core.published import Published
from genie_core.spec.addresses import host

Outcome = Literal["unchanged", "changed", "refused", "failed", "partial"]
_EXIT = {
    "unchanged": 0,
    "changed": 0,
    "refused": EXIT_FAILURE,
    "failed": EXIT_FAILURE,
    "partial": EXIT_INCOMPLETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The pod, and its sandbox on this node: container ID, path of its network namespace, the runtime's interface."""

    namespace: str
    name: str
    container: str = ""
    netns: str = ""
    interface: str = ""

    def as_json(self) -> dict[str, str]:
        """namespace, name, containerID, netns."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "containerID": self.container,
            "netns": self.netns,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Published):
    """One interface: `action` is keep, attach, detach or replace."""

    action: str
    network: str
    interface: str
    reason: str

    @classmethod
    def of(cls, move: Move) -> Change:
        """The published form of a move."""
        return cls(action=move.action, network=move.label, interface=move.ifname, reason=move.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(Published):
    """One network that the pod has, with its addresses."""

    network: str
    interface: str
    ips: tuple[str, ...]

    @classmethod
    def of(cls, item: Attachment) -> Attached:
        """The published form of an attachment."""
        ips = tuple(host(address) for address in addresses_of(item))
        return cls(network=item.label, interface=item.ifname, ips=ips)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """The changes, their result, and what the pod has now.

    `planned` is true where nothing was done yet (--dry-run). `left` names what could not be put back.
    `request` is the hash of what the annotations asked for. `unreported` are the changes, this one's and earlier
    ones', whose Events are still to be written.
    """

    kind: ClassVar[str] = "SyncReport"
    target: Target
    status: Outcome
    changes: tuple[Change, ...] = ()
    state: tuple[Attached, ...] = ()
    error: GenieError | None = None
    left: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    planned: bool = False
    request: str = ""
    unreported: tuple[Change, ...] = ()
    milliseconds: float = field(default=0, compare=False)

    @property
    def exit_code(self) -> int:
        """0 done or nothing to do, 1 refused or failed, 4 failed without permission, 5 rolled back only in part."""
        if self.status == "failed" and self.error and self.error.exit_code == EXIT_DENIED:
            return EXIT_DENIED
        return _EXIT[self.status]

    @property
    def reason(self) -> str:
        """The reason of the pod's condition: Applied, Refused, PluginFailed, or Waiting for what does not exist yet."""
        if self.error is None:
            return "Applied"
        if self.status == "refused":
            return "Waiting" if self.error.exit_code == EXIT_NOT_FOUND else "Refused"
        is_plugin = isinstance(self.error, DelegateFailed)  # one that hangs has that code, too
        return "Waiting" if self.error.code == TRY_AGAIN and not is_plugin else "PluginFailed"

    @property
    def moves(self) -> tuple[Change, ...]:
        """The changes without what is kept."""
        return tuple(change for change in self.changes if change.action != KEEP)

    def as_json(self) -> dict[str, Any]:
        """target, status, reason, dryRun, changes, state, error, left, warnings, durationMs."""
        error = self.error
        said = {"code": error.code, "msg": error.msg, "hint": error.hint} if error else None
        return {
            "target": self.target.as_json(),
            "status": self.status,
            "reason": self.reason,
            "dryRun": self.planned,
            "changes": [change.as_json() for change in self.changes],
            "state": [item.as_json() for item in self.state],
            **({"error": said} if said else {}),
            **({"left": list(self.left)} if self.left else {}),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            "durationMs": round(self.milliseconds, 1),
        }


def state_of(plan: Plan) -> tuple[Attached, ...]:
    """What the pod has: the attachments with a result that no release has begun of."""
    return tuple(Attached.of(item) for item in plan.attachments if item.result and not item.releasing)


def labels(items: Sequence[tuple[Attachment, GenieError]]) -> tuple[str, ...]:
    """What could not be put back, with the reason."""
    return tuple(f"{item.label} ({item.ifname}): {error.msg}" for item, error in items)

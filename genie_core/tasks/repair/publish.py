"""The pod on the API server: whether it may be repaired, and the events of its repair."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import NOT_WRITTEN
from genie_core.errors import GenieError, NotFound
from genie_core.model import Plan
from genie_core.tasks.repair.report import MENDED
from genie_core.verbs.context import Context

if TYPE_CHECKING:
    from genie_core.tasks.repair.report import Repair
    from genie_core.tasks.sync.target import LivePod

Server = Callable[[], KubeAPI | None]
# The IDs of the sandboxes that the runtime says run; None where it does not answer.
Ready = Callable[[], Collection[str] | None]
# Result -> an event's reason and type.
_EVENTS: dict[str, tuple[str, str]] = {
    "found": ("NetworkFault", "Warning"),
    MENDED: ("NetworkRepaired", "Normal"),
    "failed": ("NetworkFailed", "Warning"),
    "left": ("NetworkFault", "Warning"),
}


class Publisher:
    """A container's pod; None where its journal names none, or no API server is known.

    `unknown` says why it is not known whether the pod may be touched, "" where it may.
    """

    def __init__(self, pod: LivePod | None, context: Context, unknown: str = "") -> None:
        self.pod = pod
        self.context = context
        self.unknown = unknown

    @classmethod
    def of(cls, plan: Plan, context: Context, server: Server, ready: Ready) -> Publisher:
        """The pod, where it may be touched. Raises NotFound for one that is not this container's, or opts out."""
        if plan.pod is None:
            return cls(None, context)
        listed = ready()
        if listed is not None and plan.container_id not in listed:
            raise NotFound(f"the runtime has no running sandbox {plan.container_id}")
        from genie_core.tasks.pods import API_SECONDS
        from genie_core.tasks.sync.target import Refused, fetch, is_of, refuse_untouchable

        try:
            api = server()
            if api is None:
                return cls(None, context)
            api.renew(API_SECONDS)
            pod = fetch(api, plan.pod.namespace, plan.pod.name)
            if not is_of(plan, pod):
                raise NotFound(f"pod {pod} has been replaced by another one")
            refuse_untouchable(pod, context.settings)
        except NotFound:
            raise
        except Refused as error:
            raise NotFound(error.msg) from None
        except GenieError as error:
            return cls(None, context, error.msg)
        return cls(pod, context)

    def publish(self, done: Sequence[Repair], plan: Plan, *, once: bool = False) -> bool:
        """Events, one per interface and outcome, and the status annotations where an attachment was made again.

        False where the API server did not accept the events. `once`: what is reported cannot be noted, so an event that
        is there already is not made again.
        """
        if self.pod is None:
            return not self.unknown
        from genie_core.tasks.sync.publish import create_event, give_time, publish_networks
        from genie_core.tasks.sync.unreported import note_repairs_reported

        give_time(self.pod)
        journal = partial(self.context.store.load, *plan.key)
        if any(item.result == MENDED for item in done):
            every = self.context.settings.policy_engine
            self._is_written(partial(publish_networks, self.pod, journal, every=every))
        subject = plan.container_id if once else ""
        written = [
            self._is_written(partial(create_event, self.pod, *_event(interface, result, said), once=subject))
            for (interface, result), said in _grouped(done).items()
        ]
        if all(written) and (now := journal()):
            note_repairs_reported(now, self.context)
        return all(written)

    def _is_written(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except GenieError as error:
            self.context.log.warning(NOT_WRITTEN, pod=str(self.pod), problem=error.msg)
            return False
        return True


def _event(interface: str, result: str, said: Sequence[Repair]) -> tuple[str, str, str]:
    """Reason, message and type."""
    reason, kind = _EVENTS[result]
    return reason, f"network {said[0].network} on {interface}: {'; '.join(one.message for one in said)}", kind


def _grouped(done: Sequence[Repair]) -> dict[tuple[str, str], list[Repair]]:
    """The news, by interface and result."""
    found: dict[tuple[str, str], list[Repair]] = {}
    for item in done:
        if item.news:
            found.setdefault((item.interface, item.result), []).append(item)
    return found

"""Check the recorded attachments of this node's running pods: report what is missing, or restore it.

A cheap look comes first, without a lock. Where something is missing, it is looked at again under the container's lock,
and reported or repaired (case.py). A healthy node needs the first look alone, so this imports little.

Not repaired: pods whose sandbox, boot or namespace differs from the journal's; pods that opt out; attachments that an
interrupted change or call of the runtime left: the next change, or the runtime, completes those.

look, case, mend   reading a namespace; one container under its lock; putting things back
watch, counts      changes as the kernel reports them; what was repaired before
publish, report    the pod on the API server; what was found
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

from genie_core.edges.store import REPAIRS, file_name
from genie_core.errors import GenieError
from genie_core.live.repair import is_cut_off
from genie_core.tasks.node_state import is_gone, plans
from genie_core.tasks.repair.look import faults_of, look_here, look_in_each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from genie_core.edges.store import Store
    from genie_core.live.repair import Fault
    from genie_core.live.seen import Seen
    from genie_core.model import Plan
    from genie_core.tasks.repair.case import Mode
    from genie_core.tasks.repair.publish import Server
    from genie_core.tasks.repair.report import Repair
    from genie_core.verbs.context import Context


def repair(
    context: Context, server: Server, mode: Mode, *, container: str = "", cri_socket: str = ""
) -> Iterator[Repair]:
    """Look at every recorded attachment, or those of one container, and repair where the mode says so.

    `server` gives the API server, None where none is known; it is asked for where something is missing. Raises
    KernelRefused, Denied.
    """
    if not context.settings.live:
        return
    noted = _noted(context.store)
    ready = cache(lambda: _running(cri_socket))
    recorded = [plan for plan in plans(context) if container in ("", plan.container_id) and _is_to_see(plan)]
    seen = look_in_each(plan.netns for plan in recorded)
    around = look_here()
    for plan in recorded:
        found = _faults(plan, around, context, seen[plan.netns])
        if found:
            from genie_core.tasks.repair.case import Case

            yield from Case(plan, context, mode, found).run(server, ready)
            around = look_here()
        elif found is not None and file_name(*plan.key) in noted:
            from genie_core.tasks.repair.counts import forget_reports

            forget_reports(plan, context)


def _noted(store: Store) -> set[str]:
    """The names of the files of counts (counts.py). Those of containers that are gone are removed."""
    folder = f"{store.directory}/{REPAIRS}"
    try:
        names = {name for name in os.listdir(folder) if name[0] != "."}  # another process writes such a one
    except OSError:
        return set()
    for name in names.difference(store.names()):
        with suppress(OSError):  # a disk that is read-only, for one: the next look removes it
            os.unlink(f"{folder}/{name}")
    return names


def _running(cri_socket: str) -> set[str] | None:
    """The IDs of the sandboxes that the runtime says run; None where it does not answer."""
    from genie_core.survey.cri import none
    from genie_core.survey.rootfs import Root
    from genie_core.survey.sandboxes import find_sandboxes

    sandboxes = find_sandboxes(Root(), cri_socket, detailed=none)
    return {one.id for one in sandboxes.found or () if one.ready} if sandboxes.answered else None


def look_at(plan: Plan, around: Seen, context: Context) -> list[Fault] | None:
    """What seems to be missing; None for a pod that has just ended, is being changed, or cannot be looked at."""
    return _faults(plan, around, context) if _is_to_see(plan) else None


def _is_to_see(plan: Plan) -> bool:
    return not (is_gone(plan) or is_cut_off(plan))


def _faults(
    plan: Plan, around: Seen, context: Context, pod: Seen | GenieError | None = None
) -> list[Fault] | None:
    try:
        if isinstance(pod, GenieError):
            raise pod
        return faults_of(plan, around, pod)
    except GenieError as error:
        context.log.warning("attachments not looked at", container=plan.container_id, problem=error.msg)
        return None

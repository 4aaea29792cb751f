"""Attach again what a running pod has lost, and finish interrupted changes. No I/O here: see attach.py.

The journal says first which attachments are to be restored. Their chains are released, which frees their addresses,
and attached from the recorded configuration, asked for the same. After a kill at any point the next repair or
change continues there, and DEL releases everything. An attachment that cannot be made keeps its mark.
"""

from genie_core.attach import release_network
from genie_core.errors import GenieError
from genie_core.live.ask import again
from genie_core.live.exchange import (
    Outcome,
    addresses_of,
    as_asked,
    attach_each,
    finish,
    index_of,
    require_same_address,
    settle_all,
)
from genie_core.steps import NotReleased, Save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from genie_core.model import Attachment, Plan
    from genie_core.steps import Steps

    Left = list[tuple[Attachment, GenieError]]


def restore(plan: "Plan", ifnames: "Collection[str]", taken: "Collection[str]" = ()) -> "Steps[Outcome]":
    """Release these attachments of the plan, and attach them again. `Outcome.error` is the first that failed.

    `taken` are addresses that other containers have now: these are not asked for.
    """
    marked = [
        item.replace(changing=True, restoring=True) if item.ifname in ifnames else item
        for item in plan.attachments
    ]
    work = plan.replace(attachments=marked)
    yield Save(work)
    return (yield from finish_restoring(work, taken))


def finish_restoring(plan: "Plan", taken: "Collection[str]" = ()) -> "Steps[Outcome]":
    """Restore all that is marked, from wherever it was cut off; `taken` as in `restore`."""
    lost = [item for item in plan.attachments if item.restoring]
    had = {item.ifname: addresses_of(item) for item in lost}
    left: Left = []
    for item in reversed(lost):
        try:
            yield from _release(plan, item)
        except GenieError as error:
            left.append((item, error))
    if left:
        return Outcome(plan, left[0][1], left)
    work = as_asked(
        plan.replace(
            attachments=[again(item, taken) if item.restoring else item for item in plan.attachments]
        )
    )
    yield Save(work)
    for item in [item for item in work.attachments if item.restoring]:
        try:
            yield from attach_each(work, [item])
            require_same_address(item, had[item.ifname] or None, work.ifname)
        except GenieError as error:
            left.append((item, error))
            yield from _undo(work, item)
    if not left:
        try:
            yield from settle_all(work)
        except GenieError as error:
            left.append((work.attachments[0], error))
    return (yield from finish(work, left[0][1] if left else None, left))


def _release(plan: "Plan", item: "Attachment") -> "Steps[None]":
    """DEL of it, unless that was done."""
    if not item.released:
        item.releasing = True
        try:
            yield from release_network(plan, index_of(plan, item), plan.netns)
        except NotReleased as error:
            if not error.holds_nothing:
                raise
        item.released = True


def _undo(plan: "Plan", item: "Attachment") -> "Steps[None]":
    """Release what could not be attached; what fails of that is tried again with the next repair."""
    try:
        item.result = ""
        yield from _release(plan, item)
    except GenieError:
        return


def is_cut_off(plan: "Plan") -> bool:
    """Whether a change of the pod's networks was cut off, or its ADD or DEL; a repair is another matter."""
    return any(
        not item.restoring and (item.changing or item.releasing or not item.result)
        for item in plan.attachments
    )


def finish_interrupted(plan: "Plan", netns: str) -> "Steps[Outcome]":
    """Release what a change left half done that was killed, or that a plugin did not release, and settle the routes.

    What a repair left half done is attached again. Where that fails it is released, and attached again if it is asked
    for; but not the pod's first interface, which waits for the next try, since its address must stay the same.
    """
    plan = _keeping_first(plan)
    remaining, left = yield from _release_torn(
        plan, netns, [item for item in plan.attachments if item.restoring]
    )
    if left:
        return Outcome(remaining, left[0][1], left)
    if any(item.restoring for item in remaining.attachments):
        yield Save(remaining)  # events name an attachment by its place
        restored = yield from finish_restoring(remaining)
        if restored.error is None or any(item.ifname == plan.ifname for item, _ in restored.left):
            return restored
        remaining, left = yield from _release_torn(restored.plan, netns, [])
        if left:
            return Outcome(remaining, left[0][1], left)
    remaining = as_asked(remaining)
    yield Save(remaining)
    try:
        yield from settle_all(remaining)
    except GenieError as error:
        return Outcome(remaining, error)
    return (yield from finish(remaining))


def _keeping_first(plan: "Plan") -> "Plan":
    """The same, with the pod's first interface to be attached again where a change of it was cut off.

    Released and forgotten, it would come back with another address. The network that had it goes first; the one that
    was to get it was asked for the same address.
    """
    first = [item for item in plan.attachments if item.ifname == plan.ifname and item.changing]
    if not first or any(item.result and not (item.releasing or item.released) for item in first):
        return plan
    kept = first[0].replace(restoring=True)
    return plan.replace(attachments=[kept if item is first[0] else item for item in plan.attachments])


def _release_torn(plan: "Plan", netns: str, spared: "Sequence[Attachment]") -> "Steps[tuple[Plan, Left]]":
    """Release what is not whole; the plan without it, and what could not be released."""
    left: Left = []
    for item in reversed(plan.attachments):
        if item in spared or item.released or (item.result and not item.releasing):
            continue
        try:
            yield from release_network(plan, index_of(plan, item), netns)
            item.released = True
        except GenieError as error:
            item.released = isinstance(error, NotReleased) and error.holds_nothing
            if not item.released:
                left.append((item, error))
    kept = [item for item in plan.attachments if item in spared or not item.released]
    return plan.replace(attachments=kept), left

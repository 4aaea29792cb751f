"""Attach again what a running pod has lost, and finish interrupted changes. No I/O here: see attach.py.

The journal says first which attachments are to be restored. Their chains are released, which frees their addresses,
and attached from the recorded configuration, asked for the same. After a kill at any point the next repair or
change continues there, and DEL releases everything. An attachment that cannot be made keeps its mark. What the pod's
status says may not be so any more: the next sync writes it (`UNPUBLISHED`).
"""

from genie_core.attach import release_network
from genie_core.errors import GenieError
from genie_core.jsontext import decode
from genie_core.live.ask import again
from genie_core.live.exchange import (
    ChangeOutcome,
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


UNPUBLISHED = "unpublished"  # in place of the request that a sync has brought the pod in line with


def restore(
    plan: "Plan", ifnames: "Collection[str]", taken: "Collection[str]" = (), unreported: str = ""
) -> "Steps[ChangeOutcome]":
    """Release these attachments of the plan, and attach them again. `ChangeOutcome.error` is the first that failed.

    `taken` are addresses that other containers have now: these are not asked for. The plan has `unreported` then.
    """
    marked = [
        item.replace(changing=True, restoring=True, releasing=True)
        if item.ifname in ifnames and not item.restoring
        else item
        for item in plan.attachments
    ]
    work = plan.replace(
        attachments=marked, request=plan.request and UNPUBLISHED, unreported=unreported or plan.unreported
    )
    yield Save(work)
    return (yield from finish_restoring(work, taken, ifnames))


def finish_restoring(
    plan: "Plan", taken: "Collection[str]" = (), ifnames: "Collection[str] | None" = None
) -> "Steps[ChangeOutcome]":
    """Restore what is marked, from wherever it was cut off; `taken` as in `restore`.

    With `ifnames` only these of them: the others keep their marks. One that cannot be released holds no other one up.
    One that was attached before the cut stays.
    """
    marked = [item for item in plan.attachments if item.restoring]
    meant = [item for item in marked if ifnames is None or item.ifname in ifnames]
    lost = [item for item in meant if item.releasing or item.released or not item.result]
    had = _first_addresses(plan)
    left: Left = []
    for item in reversed(lost):
        try:
            yield from _release(plan, item)
        except GenieError as error:
            left.append((item, error))
    places = [index_of(plan, item) for item in lost if item.released]
    work = as_asked(
        plan.replace(
            attachments=[
                again(item, taken) if index in places else item for index, item in enumerate(plan.attachments)
            ]
        )
    )
    left = [(work.attachments[index_of(plan, item)], error) for item, error in left]
    waiting = [work.attachments[index_of(plan, item)] for item in marked if item not in meant]
    yield Save(work)
    for item in [work.attachments[place] for place in places]:
        try:
            yield from attach_each(work, [item])
            require_same_address(item, had or None, work.ifname)
        except GenieError as error:
            left.append((item, error))
            yield from _undo(work, item)
    former = [item for item in work.attachments if item.ifname == plan.ifname and item.released]
    if former and not any(item.ifname == plan.ifname for item, _ in left):
        work = work.replace(attachments=[item for item in work.attachments if item not in former])
        yield Save(work)  # the first interface has its network: the others that it could have are not needed
    if not any(item.ifname == work.ifname for item, _ in left):
        try:
            yield from settle_all(work)
        except GenieError as error:
            left += [(item, error) for item in work.attachments[:1]]
    return (yield from finish(work, left[0][1] if left else None, left, waiting))


def _release(plan: "Plan", item: "Attachment") -> "Steps[None]":
    """DEL of it, unless that was done."""
    if not item.released:
        item.releasing = True
        try:
            yield from release_network(plan, index_of(plan, item), plan.netns, thorough=True)
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


def finish_interrupted(plan: "Plan", netns: str) -> "Steps[ChangeOutcome]":
    """Release what a change left half done that was killed, or that a plugin did not release, and settle the routes.

    What a repair left half done is attached again. Where that fails it is released, and attached again if it is asked
    for; but not the pod's first interface, which waits for the next try, since its address must stay the same.
    """
    firsts = _cut_off_first(plan)
    spared = [item for item in plan.attachments if item.restoring and item not in firsts]
    remaining, left = yield from _release_torn(plan, netns, spared, firsts)
    if left:
        return ChangeOutcome(remaining, left[0][1], left)
    if firsts or spared:
        restored = yield from _restore_cut_off(remaining, firsts)
        if restored.error is None or _cut_off_first(restored.plan):
            return restored
        remaining, left = yield from _release_torn(restored.plan, netns)
        if left:
            return ChangeOutcome(remaining, left[0][1], left)
    remaining = as_asked(remaining)
    yield Save(remaining)
    try:
        yield from settle_all(remaining)
    except GenieError as error:
        return ChangeOutcome(remaining, error)
    return (yield from finish(remaining))


def _cut_off_first(plan: "Plan") -> "list[Attachment]":
    """The networks that the pod's first interface may have where a change of it was cut off; [] where it has one.

    Released and forgotten, it would come back with another address. The one that had it comes first; the one that
    was to get it was asked for the same address.
    """
    found = [item for item in plan.attachments if item.ifname == plan.ifname and item.changing]
    had = _first_addresses(plan)
    is_whole = any(
        item.result and not (item.releasing or item.released or item.restoring) and addresses_of(item) == had
        for item in found
    )
    return [] if is_whole else found


def _first_addresses(plan: "Plan") -> list[str]:
    """The addresses that the pod's first interface had; [] where they are not known.

    Those of the oldest result; else those that a replacement was asked for, which are the same.
    """
    first = [item for item in plan.attachments if item.ifname == plan.ifname]
    for item in first:
        if item.result:
            return addresses_of(item)
    return next((decode(item.capabilities.get("ips", "[]")) for item in first if item.plugged), [])


def _restore_cut_off(plan: "Plan", firsts: "Sequence[Attachment]") -> "Steps[ChangeOutcome]":
    """Attach again what a repair left half done, and one of `firsts` on the first interface: the newest that can be."""
    places = [index for index, item in enumerate(plan.attachments) if item in firsts]
    while True:
        place = places.pop() if places else -1
        plan = plan.replace(
            attachments=[
                item.replace(restoring=index == place, releasing=item.releasing or index == place)
                if item.ifname == plan.ifname
                else item
                for index, item in enumerate(plan.attachments)
            ]
        )
        yield Save(plan)  # events name an attachment by its place
        restored = yield from finish_restoring(plan)
        if not places or all(item.ifname != plan.ifname or not item.released for item, _ in restored.left):
            return restored
        plan = restored.plan


def _release_torn(
    plan: "Plan", netns: str, spared: "Sequence[Attachment]" = (), kept: "Sequence[Attachment]" = ()
) -> "Steps[tuple[Plan, Left]]":
    """Release what is not whole and not `spared`; the plan without it but for `kept`, and what was not released."""
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
    remaining = [item for item in plan.attachments if item in spared or item in kept or not item.released]
    return plan.replace(attachments=remaining), left

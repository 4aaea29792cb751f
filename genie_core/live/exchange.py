"""A change of a running pod's networks as a sequence of steps, and its rollback. No I/O here: see attach.py.

1. The new plan is saved before the first plugin runs. It has the attachments that stay, those that are released and
   those that are added: wherever this is killed, DEL, GC or the next change can release everything. An attachment
   that has not been begun counts as released.
2. Attachments are released in reverse order, then the new ones are attached in order; default routes are set last.
   The first interface's old network stays in the plan, released, until the new one is attached: where this is killed
   and the new one cannot be attached, the old one is (live/restore.py).
3. If a part fails, the new attachments are released and the old ones attached again, from their recorded bytes, with
   the same addresses where the plugins can be asked for them. What cannot be restored is `left`.
"""

from genie_core.attach import add_network, release_network, require_subnet
from genie_core.errors import CheckFailed, GenieError
from genie_core.live.ask import again
from genie_core.live.compare import default_route_asked
from genie_core.live.defaults import give_back
from genie_core.model import NO_RESULT, Value
from genie_core.spec.result import recorded_result
from genie_core.steps import Attached, Attaching, NotReleased, Save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from genie_core.model import Attachment, Plan
    from genie_core.steps import Steps


class ChangeOutcome(Value):
    """The outcome of a change. `plan` is what the pod has now; `error` says why it was rolled back, None if it was not.

    `left` are the attachments that could neither be released nor attached again, each with its error.
    """

    __slots__ = ("error", "left", "plan")

    def __init__(
        self,
        plan: "Plan",
        error: GenieError | None = None,
        left: "Sequence[tuple[Attachment, GenieError]]" = (),
    ) -> None:
        self.plan: Final = plan
        self.error: Final = error
        self.left: Final = left


def exchange(
    plan: "Plan",
    going: "Sequence[Attachment]",
    coming: "Sequence[Attachment]",
    order: "Sequence[str]",
    unreported: str = "",
) -> "Steps[ChangeOutcome]":
    """Release `going`, which are attachments of the plan, and attach `coming`.

    `order` are the interfaces that the pod has afterwards, in the annotation's order. Each attachment that stays has
    the `default_route` of its selection. The plan has `unreported` unless it is rolled back. Raises what the driver
    throws where the first plan cannot be saved.
    """
    staying = [item for item in plan.attachments if item not in going]
    leaving = [item.replace(changing=True) for item in going]
    arriving = [item.replace(changing=True, plugged=True) for item in coming]
    begun = [*staying, *leaving, *(item.replace(released=True) for item in arriving)]
    work = plan.replace(attachments=begun, unreported=unreported)
    yield Save(work)
    try:
        yield from _release(work, leaving)
        former = [item for item in leaving if item.ifname == plan.ifname]
        after = work.replace(attachments=[*staying, *former, *arriving])
        if arriving:
            yield Save(after)
        work = after
        if arriving:
            yield from attach_each(work, arriving)
            had = {item.ifname: addresses_of(item) for item in leaving}
            for item in arriving:
                require_same_address(item, had.get(item.ifname), plan.ifname)
        ordered = sorted([*staying, *arriving], key=lambda item: order.index(item.ifname))
        after = work.replace(attachments=ordered)
        yield Save(after)  # where that fails, a rollback works with the plan on the disk
        work = after
        yield from settle_all(work)
    except GenieError as error:
        return (yield from _roll_back(plan, work, leaving, arriving, error))
    return (yield from finish(work))


def _release(work: "Plan", leaving: "Sequence[Attachment]") -> "Steps[None]":
    for item in reversed(leaving):
        item.releasing = True
        yield from release_network(work, index_of(work, item), work.netns)
        item.released = True


def attach_each(work: "Plan", arriving: "Iterable[Attachment]") -> "Steps[None]":
    """ADD of these attachments of the plan, each recorded. Raises what the driver throws."""
    for item in arriving:
        item.releasing = True  # attempted: a rollback releases it
        index = index_of(work, item)
        yield Attaching(work, index)
        printed = yield from add_network(work, index)
        item.result, item.releasing = printed.text, False
        yield Attached(work, index, printed.text)
        require_subnet(item, printed.result)


def settle_all(plan: "Plan") -> "Steps[None]":
    """Leave each family's default routes with one of the networks, by their selections."""
    from genie_core.default_routes import settle

    results = [recorded_result(item) if item.result else NO_RESULT for item in plan.attachments]
    yield from give_back(plan, results)
    several = len(plan.attachments) + (plan.previous is not None) > 1
    if several or any(item.default_route is not None for item in plan.attachments):
        yield from settle(plan, results)
    for item, printed in zip(plan.attachments, results, strict=True):
        item.result = printed.text


def finish(
    plan: "Plan",
    error: GenieError | None = None,
    left: "Sequence[tuple[Attachment, GenieError]]" = (),
    waiting: "Sequence[Attachment]" = (),
) -> "Steps[ChangeOutcome]":
    """Save the plan without the traces of the change.

    What is left, or waiting, keeps its own, for the next change to finish; so does what is released (see `exchange`).
    """
    stuck = [id(item) for item in (*waiting, *(item for item, _ in left))]
    done = plan.replace(
        attachments=[
            item
            if id(item) in stuck or item.released
            else item.replace(changing=False, restoring=False, releasing=False, partial="")
            for item in plan.attachments
        ]
    )
    yield Save(done)
    return ChangeOutcome(done, error, left)


def _roll_back(
    plan: "Plan",
    work: "Plan",
    leaving: "Sequence[Attachment]",
    arriving: "Sequence[Attachment]",
    error: GenieError,
) -> "Steps[ChangeOutcome]":
    """Release the new attachments, and attach the old ones again."""
    left: list[tuple[Attachment, GenieError]] = []
    for item in reversed([one for one in arriving if one.releasing or one.result]):
        item.releasing = True  # where that fails it is not attached any more, for the next change
        try:
            yield from release_network(work, index_of(work, item), work.netns)
        except GenieError as problem:
            if not (isinstance(problem, NotReleased) and problem.holds_nothing):
                left.append((item, problem))
    unreleased = [item for item, _ in left]
    now = {item.ifname: again(item) if item.released else item for item in leaving}
    before = as_asked(plan.replace(attachments=[now.get(item.ifname, item) for item in plan.attachments]))
    left += [(item, error) for item in before.attachments if item.releasing and not item.released]
    restored = before.replace(attachments=[*before.attachments, *unreleased])
    lost = [item for item in before.attachments if not item.result]
    try:
        yield Save(restored)
    except GenieError as problem:  # what cannot be recorded is not attached: it would leak
        return ChangeOutcome(restored, error, [*left, *((item, problem) for item in lost)])
    for item in lost:
        try:
            yield from attach_each(restored, [item])
        except GenieError as problem:
            left.append((item, problem))
    if not left:
        try:
            yield from settle_all(restored)
        except GenieError as problem:
            left += [(item, problem) for item in restored.attachments[:1]]
    return (yield from finish(restored, error, left))


def as_asked(plan: "Plan") -> "Plan":
    """The plan with the default routes that each attachment's selection asks for; journals do not have them."""
    asked = [item.replace(default_route=default_route_asked(item)) for item in plan.attachments]
    return plan.replace(attachments=asked)


def addresses_of(item: "Attachment") -> list[str]:
    """The addresses of the attachment's result, with prefix length."""
    return [ip["address"] for ip in recorded_result(item).result.ips] if item.result else []


def require_same_address(item: "Attachment", had: "Sequence[str] | None", primary: str) -> None:
    """Raise CheckFailed where the pod's first interface has another address: kubelet does not read it again.

    `had` are its addresses before, None for any.
    """
    got = addresses_of(item)
    if item.ifname == primary and had is not None and got != had:
        raise CheckFailed(
            f"network {item.label} gave {primary} the address {', '.join(got) or 'none'}, not {', '.join(had)}",
            hint="a pod's first address cannot change: recreate the pod",
        )


def index_of(plan: "Plan", item: "Attachment") -> int:
    """The place of this very attachment in the plan."""
    return next(index for index, one in enumerate(plan.attachments) if one is item)

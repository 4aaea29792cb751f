"""DEL: give back what ADD recorded, from the state alone (conformance A60-A69). No API, ever."""

from _socket import if_nametoindex

from genie_core.attach import delete, drive
from genie_core.edges.store import CorruptState, netns_of
from genie_core.errors import GenieError, IOFailure
from genie_core.jsontext import decode
from genie_core.plugin_types import plugin_type
from genie_core.steps import Failed, NotReleased, PluginMissing
from genie_core.verbs.context import refuse_own_netns

# How many DELs of a container may fail before the next one lets the pod go.
FAILED_RELEASES = 5

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genie_core.edges.locks import Lock
    from genie_core.model import Attachment, Plan, Request
    from genie_core.steps import Steps
    from genie_core.verbs.context import Context


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises the delegates' errors together, after all were tried."""
    refuse_own_netns(request)
    locks: list[Lock] = []
    try:
        release(request, _locked(request, context, locks))
    finally:
        for lock in reversed(locks):
            lock.__exit__()
    return ""


def _locked(request: "Request", context: "Context", locks: "list[Lock]") -> "Context":
    """The context with the node's and the container's lock; a DEL goes on without where no lock file can be made."""
    try:
        context.store.prepare()
        locks.append(context.store.lock_node(exclusive=False, deadline=context.deadline()))
        locks.append(context.store.lock(request.container_id, request.ifname, context.deadline()))
    except IOFailure as error:
        context.log.warning("no lock", problem=error.msg)
        return context
    return context.holding(locks[-1])


def release(request: "Request", context: "Context") -> None:
    """Release the container's networks; the context holds its lock."""
    key = (request.container_id, request.ifname)
    try:
        plan = context.store.load(*key)
    except CorruptState as error:
        release_damaged(error, request, context)
        plan = None
    else:
        if plan is None:
            from genie_core.verbs.unrecorded import release_unrecorded

            release_unrecorded(request, context)
    if plan:
        thorough = plan.failed_releases >= FAILED_RELEASES
        steps = delete(plan, netns_of(plan, request.netns), thorough=thorough)
        failures = _drive(plan, steps, context)
        if failures:
            _keep_for_later(plan, failures, context)
            return
    context.store.discard(*key)
    _drop_lock(context, key)


def _mark_lost(plan: "Plan") -> None:
    """Mark the attachments whose host end is gone, as if an earlier DEL of them had begun.

    Their plugins find no interface either, and leave the masquerading that they made (attach.py, _finish).
    """
    for item in plan.attachments:
        if item.result and plugin_type(item.network.plugins[0].type).masquerades:
            links = decode(item.result).get("interfaces")
            ends = [
                str(link.get("name"))
                for link in (links if isinstance(links, list) else ())
                if isinstance(link, dict) and not link.get("sandbox")
            ]
            item.releasing = item.releasing or not all(map(_is_here, ends))


def _is_here(name: str) -> bool:
    """Whether this node has the interface; 10 microseconds."""
    try:
        return bool(if_nametoindex(name))
    except (OSError, ValueError):
        return False


def _drive(plan: "Plan", steps: "Steps[list[GenieError]]", context: "Context") -> "list[GenieError]":
    _mark_lost(plan)
    return drive(steps, context.perform)


def _keep_for_later(plan: "Plan", failures: "Sequence[GenieError]", context: "Context") -> None:
    """Fail, so that the runtime repeats the DEL; after some times let the pod go, and leave the rest to GC (lessons 2).

    A plugin that cannot do it today, because the interface it was built on is gone, must not hold a pod in
    Terminating for ever. What it holds stays in the state.
    """
    try:
        refuse_failures(failures, context)
    except GenieError:
        if plan.failed_releases < FAILED_RELEASES:
            _note_failure(plan, context)
            raise
        context.log.error("networks stay held, the pod goes", tries=plan.failed_releases, remedy="genie gc")


def collect_container(
    plan: "Plan",
    context: "Context",
    *,
    thorough: bool = False,
    spare: "Callable[[Attachment], bool] | None" = None,
) -> "list[GenieError]":
    """DEL of a container that no runtime has any more; the errors of what is left of it. The context holds its lock.

    What cannot exist any more is forgotten. `thorough` goes on after a plugin that fails, as the last DEL does. `spare`
    says which attachments are left as they are. Where nothing is left, the lock's file goes too.
    """
    netns = netns_of(plan, plan.netns)
    thorough = thorough or plan.failed_releases >= FAILED_RELEASES
    failures = _drive(plan, delete(plan, netns, thorough=thorough, spare=spare), context)
    left = context.store.load(*plan.key)
    if left and failures:
        from genie_core.verbs.refused import is_gone

        if is_gone(left, failures, netns):
            context.store.forget(*plan.key)
            left, failures = None, []
    if left is None:
        context.store.drop_lock(*plan.key)
    if not all(isinstance(failure, PluginMissing | NotReleased) for failure in failures):
        _note_failure(plan, context)
    return failures


def _note_failure(plan: "Plan", context: "Context") -> None:
    try:
        context.store.record(Failed(plan))
    except GenieError as error:
        context.log.warning("state not updated", problem=error.msg)


def refuse_failures(failures: "Sequence[GenieError]", context: "Context") -> None:
    """Raise one error for all that failed.

    A missing binary is not a failure: its network waits in the state. Nor is a network whose ADD never succeeded: the
    runtime would keep a sandbox without a pod, and make the next one each second.
    """
    for failure in failures:
        context.log.warning("network not released", problem=str(failure))
    failed = [failure for failure in failures if not isinstance(failure, PluginMissing | NotReleased)]
    if failed:
        raise failed[0].replace(
            msg=_reworded("; ".join(failure.msg for failure in failed)),
            details=_reworded("; ".join(failure.details for failure in failed if failure.details)),
            hint="the runtime repeats the DEL; `genie gc` shows what is still held",
        )


def _reworded(text: str) -> str:
    """go-cni takes a DEL error that holds these words for success, and does not retry (conformance A67)."""
    return text.replace("not found", "not-found").replace("no such file or directory", "ENOENT")


def release_damaged(error: CorruptState, request: "Request", context: "Context") -> None:
    """Release what the container may hold, and keep the file for people. Raises nothing but Cancelled."""
    from genie_core.verbs.salvage import release_everything

    context.log.error("state damaged", problem=error.msg)
    release_everything(request, context)
    try:
        context.store.set_aside(error)
    except IOFailure as problem:
        context.log.warning("damaged state not moved", problem=problem.msg)


def _drop_lock(context: "Context", key: tuple[str, str]) -> None:
    try:
        context.store.drop_lock(*key)
    except IOFailure as error:
        context.log.warning("lock file not removed", problem=error.msg)

"""DEL: give back what ADD recorded, from the state alone (conformance A60-A69). No API, ever."""

import posix
from errno import ENOENT, ENOTDIR

from genie_core.attach import delete
from genie_core.edges.store import CorruptState, boot_id, namespace_id
from genie_core.errors import GenieError, IOFailure
from genie_core.steps import NotReleased, PluginMissing
from genie_core.verbs.node import refuse_own_netns

# How many DELs of a container may fail before the next one lets the pod go.
FAILED_RELEASES = 5

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genie_core.edges.locks import Lock
    from genie_core.model import Attachment, Plan, Request
    from genie_core.verbs.node import Node


def run(request: "Request", node: "Node") -> str:
    """Nothing is printed. Raises the delegates' errors together, after all were tried."""
    refuse_own_netns(request)
    locks = _locks(request, node)
    try:
        release(request, node)
    finally:
        for lock in reversed(locks):
            lock.__exit__()
    return ""


def _locks(request: "Request", node: "Node") -> "list[Lock]":
    """The node's and the container's lock; on a disk that takes no lock file DEL goes on without."""
    locks: list[Lock] = []
    try:
        node.store.prepare()
        locks.append(node.store.lock_node(exclusive=False, deadline=node.deadline()))
        locks.append(node.store.lock(request.container_id, request.ifname, node.deadline()))
        node.delegates.lock = locks[-1]
    except IOFailure as error:
        node.log.warning("no lock", problem=error.msg)
    return locks


def release(request: "Request", node: "Node") -> None:
    """Release the container's networks, under its lock."""
    key = (request.container_id, request.ifname)
    try:
        plan = node.store.load(*key)
    except CorruptState as error:
        release_damaged(error, request, node)
        plan = None
    else:
        if plan is None:
            from genie_core.verbs.unrecorded import release_unrecorded

            release_unrecorded(request, node)
    if plan:
        thorough = plan.failed_releases >= FAILED_RELEASES
        failures = node.drive(delete(plan, netns_of(plan, request.netns), thorough=thorough))
        if failures:
            _keep_for_later(plan, failures, node)
            return
    node.store.discard(*key)
    _drop_lock(node, key)


def _keep_for_later(plan: "Plan", failures: "Sequence[GenieError]", node: "Node") -> None:
    """Fail, so that the runtime repeats the DEL; after some times let the pod go, and leave the rest to GC (lessons 2).

    A plugin that cannot do it today, because the interface it was built on is gone, must not hold a pod in
    Terminating for ever. What it holds stays in the state.
    """
    try:
        refuse_failures(failures, node)
    except GenieError:
        if plan.failed_releases < FAILED_RELEASES:
            _note_failure(plan, node)
            raise
        node.log.error("networks stay held, the pod goes", tries=plan.failed_releases, remedy="genie gc")


def collect_container(
    plan: "Plan",
    node: "Node",
    *,
    thorough: bool = False,
    spare: "Callable[[Attachment], bool] | None" = None,
) -> "list[GenieError]":
    """DEL of a container that no runtime has any more, under its lock; the errors of what is left of it.

    What cannot exist any more is forgotten. `thorough` goes on after a plugin that fails, as DEL does in the end.
    `spare` says which attachments are left as they are. Where nothing is left, the lock's file goes too.
    """
    netns = netns_of(plan, plan.netns)
    thorough = thorough or plan.failed_releases >= FAILED_RELEASES
    failures = node.drive(delete(plan, netns, thorough=thorough, spare=spare))
    left = node.store.load(*plan.key)
    if left and failures:
        from genie_core.verbs.refused import is_gone

        if is_gone(left, failures, netns):
            node.store.forget(*plan.key)
            left, failures = None, []
    if left is None:
        node.store.drop_lock(*plan.key)
    if not all(isinstance(failure, PluginMissing | NotReleased) for failure in failures):
        _note_failure(plan, node)
    return failures


def _note_failure(plan: "Plan", node: "Node") -> None:
    try:
        node.store.record_failure(plan)
    except GenieError as error:
        node.log.warning("state not updated", problem=error.msg)


def netns_of(plan: "Plan", netns: str, missing: str = "") -> str:
    """The namespace to give the delegates: none where the path is, or may be, another container's by now (lessons 15).

    Nor is there one where the path is no namespace any more, or does not exist (`missing`): plugins that open it would
    fail for ever.
    """
    if plan.boot_id != boot_id() or is_taken(plan, netns):
        return ""
    try:
        own, given = posix.stat("/proc/self/ns/net"), posix.stat(netns)
    except OSError as error:
        return missing if error.errno in (ENOENT, ENOTDIR) else netns
    return netns if own.st_dev == given.st_dev else ""  # all namespaces are on nsfs


def is_taken(plan: "Plan", netns: str) -> bool:
    """Whether another namespace is at the path that the plan's was at: its process has ended, and the PID is in use."""
    if netns != plan.netns or not plan.netns_id:
        return False
    return namespace_id(netns) not in ("", plan.netns_id)


def refuse_failures(failures: "Sequence[GenieError]", node: "Node") -> None:
    """Raise one error for all that failed.

    A missing binary is not a failure: its network waits in the state. Nor is a network whose ADD never succeeded: the
    runtime would keep a sandbox that nobody uses, and make the next one each second.
    """
    for failure in failures:
        node.log.warning("network not released", problem=str(failure))
    failed = [failure for failure in failures if not isinstance(failure, PluginMissing | NotReleased)]
    if failed:
        raise type(failed[0])(
            _reworded("; ".join(failure.msg for failure in failed)),
            details=_reworded("; ".join(failure.details for failure in failed if failure.details)),
            hint="the runtime repeats the DEL; `genie gc` shows what is still held",
            code=failed[0].code,
        )


def _reworded(text: str) -> str:
    """go-cni takes a DEL error with these words in it for success, and drops the retry (conformance A67)."""
    return text.replace("not found", "not-found").replace("no such file or directory", "ENOENT")


def release_damaged(error: CorruptState, request: "Request", node: "Node") -> None:
    """Release what the container may hold, and keep the file for people. Raises nothing."""
    from genie_core.verbs.salvage import release_everything

    node.log.error("state damaged", problem=error.msg)
    release_everything(request, node)
    try:
        node.store.set_aside(error)
    except IOFailure as problem:
        node.log.warning("damaged state not moved", problem=problem.msg)


def _drop_lock(node: "Node", key: tuple[str, str]) -> None:
    try:
        node.store.drop_lock(*key)
    except IOFailure as error:
        node.log.warning("lock file not removed", problem=error.msg)

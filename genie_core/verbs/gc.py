"""GC: release what the runtime does not know any more, then let the delegates do the same (conformance A79-A82).

It works from the state, so it also reclaims what a killed ADD or a failed DEL left, and holds the node's lock
alone: an ADD that is running is not in the runtime's list yet.
"""

from time import monotonic

from genie_core.attach import drive
from genie_core.edges.store import CorruptState, file_name, key_of
from genie_core.errors import GenieError, InvalidConfig, TryAgain
from genie_core.fields import counted, get_list, get_str, place
from genie_core.gojson import GoObject
from genie_core.node_verbs import collect
from genie_core.verbs.delete import collect_container, refuse_failures, release_damaged
from genie_core.verbs.networks import on_every_pod, with_gc_disabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from genie_core.model import Attachment, Plan, Request
    from genie_core.verbs.context import Context

    # Whether an attachment's network is left alone: it has `disableGC`, or had it when it was attached
    Spare = Callable[[Attachment], bool]

# For releasing all containers, and for the last plugin of a container that is begun just before.
RELEASE_SECONDS = 20.0
LEAST_SECONDS = 5.0
# How many containers at once: their plugins wait for locks of the kernel and of iptables most of the time.
AT_ONCE = 8

_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")


def valid_attachments(config: "Mapping[str, Any]") -> set[tuple[str, str]]:
    """The (container ID, interface) pairs that are still attached, those of both keys together; a `null` list is empty.

    Raises InvalidConfig.
    """
    keys = [key for key in _KEYS if key in config]
    if not keys:
        raise InvalidConfig(
            f"GC without {_KEYS[0]}: nothing is collected, since everything would be",
            hint="the runtime must list the attachments that are valid",
        )
    return {
        _pair(item, place(key, index)) for key in keys for index, item in enumerate(get_list(config, key))
    }


def _pair(item: "Any", where: str) -> tuple[str, str]:
    """One attachment of the list, its keys in every spelling that a plugin written in Go takes.

    Raises InvalidConfig where it names no container or no interface: that may be a running pod.
    """
    read = GoObject(item.items()) if isinstance(item, dict) else GoObject(())
    pair = (get_str(read, "containerID", where=where), get_str(read, "ifname", where=where))
    if not all(pair):
        raise InvalidConfig(
            f"{where} must be an object with containerID and ifname: nothing is collected",
            hint="the runtime must list each attachment that is valid with both",
        )
    return pair


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises all errors together, after everything was tried."""
    valid = valid_attachments(request.config)
    context.store.prepare()
    failures: list[GenieError] = []
    living: list[Plan] = []
    stale: list[Plan] = []
    readable = True
    # an ADD that is running now, or begins while we wait for the lock, is not in the list yet
    old = context.store.settled_names()
    with context.store.lock_node(exclusive=True, deadline=context.deadline()):
        for plan in context.store.plans():
            if isinstance(plan, GenieError):
                readable = _release_damaged(plan, old, valid, request, context) and readable
            elif plan.key in valid or file_name(*plan.key) not in old:
                living.append(plan)
            else:
                stale.append(plan)
        disabled = with_gc_disabled(context)

        def spare(item: "Attachment") -> bool:
            return item.network.disable_gc or item.network.identity in disabled

        failures += _release_all(stale, spare, context)
        context.store.sweep()
        if readable:  # else it is unknown which of the delegates' interfaces a living container holds
            partly = [plan for plan in stale if any(map(spare, plan.attachments))]
            failures += _collect(
                [*stale, *living], _Valid([*living, *partly], valid), spare, request, context
            )
    refuse_failures(failures, context)
    return ""


def _release_all(stale: "list[Plan]", spare: "Spare", context: "Context") -> list[GenieError]:
    """Release containers, the oldest first, several at once; what is not done in time waits for the next GC.

    The runtime ends a GC that takes too long: CRI-O after 30 seconds, whatever was left over meanwhile. A defect that
    one container meets is raised after the others are released.
    """
    give_up = monotonic() + RELEASE_SECONDS
    queue = sorted(stale, key=context.store.age)  # taken from the end
    failures: list[GenieError] = []
    defects: list[Exception] = []

    def work() -> None:
        while queue and (left := give_up - monotonic()) > 0:
            try:
                plan = queue.pop()
            except IndexError:  # another thread was faster
                return
            try:
                failures.extend(_release(plan, spare, max(left, LEAST_SECONDS), context))
            except Exception as error:  # noqa: BLE001 (raised again below: a thread's own would be lost)
                defects.append(error)

    _at_once(work, min(len(queue), AT_ONCE))
    if defects:
        raise defects[0]
    if queue:
        failures.append(
            TryAgain(
                f"{counted(len(queue), 'container is', 'containers are')} not released after "
                f"{RELEASE_SECONDS:g} seconds",
                hint="the next GC goes on; `genie gc` takes the time that it needs",
            )
        )
    return failures


def _at_once(work: "Callable[[], None]", count: int) -> None:
    """Do the work, which raises nothing, in so many threads, this one included; in fewer where the kernel is full."""
    threads = []
    if count > 1:
        from threading import Thread  # 4 ms

        try:
            for _ in range(count - 1):
                thread = Thread(target=work)
                thread.start()
                threads.append(thread)
        except RuntimeError:  # the process may have no more of them
            pass
    work()
    for thread in threads:
        thread.join()


def _release(plan: "Plan", spare: "Spare", timeout: float, context: "Context") -> list[GenieError]:
    """Release one container's networks; a delegate that still works on it is waited for, or ended (locks.py)."""
    try:
        with context.store.lock(*plan.key, context.deadline()) as lock:
            failures = collect_container(plan, context.holding(lock, timeout), spare=spare)
    except GenieError as error:
        failures = [error]
    context.log.info("collected", container=plan.container_id, left=len(failures))
    return failures


def _release_damaged(
    error: GenieError, old: set[str], valid: set[tuple[str, str]], request: "Request", context: "Context"
) -> bool:
    """Release a container whose state cannot be read, if it is not in the list; false where it may be alive."""
    if isinstance(error, CorruptState) and error.name in old:
        key = key_of(error.name)
        if key and key not in valid:
            release_damaged(error, request.replace(container_id=key[0], ifname=key[1], netns=""), context)
            return True
    context.log.error("state damaged", problem=error.msg)
    return False


class _Valid:
    """Which attachments of a network are valid: its own, of the containers that live."""

    def __init__(self, living: "list[Plan]", listed: set[tuple[str, str]]) -> None:
        self._living = living
        # A container that the runtime lists and that has no state here, as after a restore, may have any network.
        self._unknown = listed - {plan.key for plan in living}

    def of(self, network: str) -> set[tuple[str, str]]:
        """The (container ID, interface) pairs of all networks of this name, which share their leases."""
        return self._unknown | {
            (plan.container_id, item.ifname)
            for plan in self._living
            for item in plan.attachments
            if item.network.name == network and not item.released
        }


def _collect(
    plans: "list[Plan]", valid: _Valid, spare: "Spare", request: "Request", context: "Context"
) -> list[GenieError]:
    """Let each delegate network give back what is attached to no container, by Genie or by the runtime alone."""
    from genie_core.edges.libcni_cache import UnknownAttachment, direct_attachments

    failures = []
    for plan, attachment in _networks(plans, request, context):
        name = attachment.network.name
        if spare(attachment):
            continue
        try:
            pairs = sorted(valid.of(name) | direct_attachments(name))
        except UnknownAttachment as error:
            context.log.warning("network not collected", network=name, problem=error.msg)
            continue
        failures += drive(collect([(plan, attachment)], pairs), context.act)
    return failures


def _networks(plans: "list[Plan]", request: "Request", context: "Context") -> "list[tuple[Plan, Attachment]]":
    """Each delegate network once, as it was recorded last, and those of every pod even if none has them."""
    from genie_core.edges.store import boot_id
    from genie_core.plan import FIRST_INTERFACE, make_plan

    networks = {item.network.identity: (plan, item) for plan in plans for item in plan.attachments}
    try:
        plan = make_plan(request.replace(ifname=FIRST_INTERFACE), None, boot_id(), on_every_pod(context))
    except GenieError as error:
        context.log.debug("no default network to collect", problem=error.msg)
    else:
        for item in plan.attachments:
            networks.setdefault(item.network.identity, (plan, item))
    return list(networks.values())

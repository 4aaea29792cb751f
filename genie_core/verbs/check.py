"""CHECK: every recorded network with its own result (conformance A30, A70-A75)."""

from genie_core.attach import check, drive
from genie_core.edges.netlink import open_in
from genie_core.edges.podnet import verify
from genie_core.edges.store import boot_id, is_taken, netns_of
from genie_core.errors import Denied, InvalidConfig, InvalidNetns, UnknownContainer
from genie_core.spec.result import previous_of, recorded_result, with_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from genie_core.model import Plan, Request, Result
    from genie_core.verbs.context import Context


def _verify(request: "Request", plan: "Plan", context: "Context") -> None:
    """Genie's own look at the namespace, besides the delegates' (conformance A74)."""
    try:
        verify(request.netns, _promises(plan), plan.absent)
    except (InvalidNetns, Denied) as error:
        context.log.warning("namespace not looked at", problem=error.msg)


def _promises(plan: "Plan") -> "list[tuple[str, Result]]":
    """The networks' results by interface, including those whose plugins do not implement CHECK."""
    return [
        (item.ifname, recorded_result(item).result)
        for item in plan.attachments
        if item.result and not (item.released or item.network.disable_check)
    ]


def _follow_chain(plan: "Plan", final: "Result", netns: str) -> None:
    """Put the MAC addresses that plugins behind Genie in its chain have set into the results; tuning sets one.

    `final` is the chain's result, as the runtime has it. Where a repair has made the interface again, that is out of
    date: the kernel decides.
    """
    macs = {link["name"]: link.get("mac", "").lower() for link in final.interfaces if link.get("sandbox")}
    changed = [
        item
        for item in plan.attachments
        if item.result and any(_is_changed(link, macs) for link in recorded_result(item).result.interfaces)
    ]
    if not changed:
        return
    try:
        with open_in(netns) as kernel:
            links = kernel.links()
    except (InvalidNetns, Denied):  # `_verify` says so
        return
    macs = {name: mac for name, mac in macs.items() if name in links and links[name].mac == mac}
    for item in changed:
        interfaces = [
            {**link, "mac": macs[link["name"]]} if _is_changed(link, macs) else link
            for link in recorded_result(item).result.interfaces
        ]
        item.result = with_member(item.result, "interfaces", interfaces)


def _is_changed(link: "Mapping[str, Any]", macs: "Mapping[str, str]") -> bool:
    """Whether an interface of a result, in the pod and with a MAC address, has another one among these by name."""
    own = link.get("mac", "").lower()
    return bool(link.get("sandbox") and own) and macs.get(link["name"], "") not in ("", own)


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises the first delegate's error."""
    final = previous_of(request)
    if final is None:
        raise InvalidConfig(
            "CHECK needs prevResult, and the configuration has none",
            hint="the runtime must pass ADD's result",
        )
    context.store.prepare()
    with (
        context.store.lock_node(exclusive=False, deadline=context.deadline()),
        context.store.lock(request.container_id, request.ifname, context.deadline()) as lock,
    ):
        plan = context.store.load(request.container_id, request.ifname)
        if plan is None:
            context.store.drop_lock(request.container_id, request.ifname)
            raise UnknownContainer(
                f"container {request.container_id} has no {request.ifname} attached by Genie",
                details=f"no state in {context.store.directory}",
                hint="recreate the pod: it was set up by another plugin, or its state was removed",
            )
        if plan.boot_id != boot_id():
            raise UnknownContainer(
                f"container {request.container_id} was attached before this node was started again: its networks are "
                "gone",
                hint="recreate the pod",
            )
        if is_taken(plan, request.netns):
            raise UnknownContainer(
                f"{request.netns} is not the namespace that container {request.container_id} was attached in",
                hint="recreate the pod",
            )
        _follow_chain(plan, final, request.netns)
        netns = netns_of(plan, request.netns, missing=request.netns)
        drive(check(plan, netns), context.holding(lock).perform)
        _verify(request, plan, context)
    return ""

"""CHECK: every recorded network with its own result (conformance A30, A70-A75)."""

from genie_core.attach import check
from genie_core.edges.podnet import verify
from genie_core.errors import Denied, InvalidConfig, InvalidNetns, UnknownContainer
from genie_core.spec.result import parse, previous_of
from genie_core.verbs.delete import is_taken, netns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.model import Plan, Request, Result
    from genie_core.verbs.node import Node


def _verify(request: "Request", plan: "Plan", node: "Node") -> None:
    """Genie's own look at the namespace, besides the delegates' (conformance A74)."""
    try:
        verify(request.netns, _promises(plan), plan.absent)
    except (InvalidNetns, Denied) as error:
        node.log.warning("namespace not looked at", problem=error.msg)


def _promises(plan: "Plan") -> "list[tuple[str, Result]]":
    """What each network's result said would be there, also where its plugins do not do CHECK."""
    return [
        (item.ifname, parse(item.result, item.network.version, item.label)[1])
        for item in plan.attachments
        if item.result and not item.network.disable_check
    ]


def run(request: "Request", node: "Node") -> str:
    """Nothing is printed. Raises the first delegate's error."""
    if previous_of(request) is None:
        raise InvalidConfig(
            "CHECK needs prevResult, and the configuration has none",
            hint="the runtime must pass ADD's result",
        )
    node.store.prepare()
    with (
        node.store.lock_node(exclusive=False, deadline=node.deadline()),
        node.store.lock(request.container_id, request.ifname, node.deadline()) as node.delegates.lock,
    ):
        plan = node.store.load(request.container_id, request.ifname)
        if plan is None:
            node.store.drop_lock(request.container_id, request.ifname)
            raise UnknownContainer(
                f"container {request.container_id} has no {request.ifname} attached by Genie",
                details=f"no state in {node.store.directory}",
                hint="recreate the pod: it was set up by another plugin, or its state was removed",
            )
        if is_taken(plan, request.netns):
            raise UnknownContainer(
                f"{request.netns} is not the namespace that container {request.container_id} was attached in",
                hint="recreate the pod",
            )
        node.drive(check(plan, netns_of(plan, request.netns, missing=request.netns)))
        _verify(request, plan, node)
    return ""

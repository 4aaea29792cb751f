"""CHECK: every recorded network with its own result (conformance A30, A70-A75)."""

from ..attach import check
from ..errors import InvalidConfig, UnknownContainer
from .delete import netns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model import Request
    from .node import Node


def run(request: "Request", node: "Node") -> str:
    """Nothing is printed. Raises the first delegate's error."""
    from ..jsontext import members
    from ..spec.result import prev_result

    if not request.config.get("prevResult"):
        raise InvalidConfig(
            "CHECK needs prevResult, and the configuration has none",
            hint="the runtime must pass ADD's result",
        )
    prev_result(members(request.text)["prevResult"], request.version)
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
        node.drive(check(plan, netns_of(plan, request.netns)))
    return ""

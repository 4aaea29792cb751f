"""Releasing what a container may hold where no readable state says it (conformance A68). Cold.

DEL of what was never added is no error (SPEC, section 2, "DEL"): asking too many plugins costs time, asking too
few costs an address that nobody gives back. So a damaged state means every network of this node, on every
interface that the container has; no state at all, the usual second DEL, means the default networks.
"""

from ..attach import delete
from ..edges.confdir import ConfDirs
from ..edges.store import boot_id
from ..errors import GenieError
from ..model import Attachment, Plan
from ..plan import make_plan
from ..select.files import Finder
from .networks import default_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model import Request
    from .node import Node

# What CNI-Genie and Multus call further interfaces: tried where the namespace is gone and tells nothing.
_USUAL = tuple(f"{prefix}{number}" for prefix in ("eth", "net") for number in range(1, 5))


def release_default(request: "Request", node: "Node") -> None:
    """Release the default networks, as well as that goes."""
    try:
        plan = make_plan(request, None, boot_id(), default_of(node), node.settings.interface_prefix)
    except GenieError as error:
        node.log.info("no state; default network not released", problem=error.msg)
        return
    _release(plan, node)


def release_everything(request: "Request", node: "Node") -> None:
    """Release every configured network on every interface, the default ones first, as well as that goes."""
    release_default(request, node)
    names = _interfaces(request)
    networks = Finder(ConfDirs(node.settings.conf_dirs), node.log).valid()
    attachments = [
        # one network's DEL may remove another one's interface: `releasing`, so the rules are looked for
        Attachment(network=network, ifname=ifname, label=network.name, args=request.args, releasing=True)
        for network in networks
        for ifname in names
    ]
    plan = Plan(
        request.container_id, request.ifname, request.netns, request.path, None, boot_id(), attachments
    )
    _release(plan, node)


def _interfaces(request: "Request") -> list[str]:
    from ..edges.podnet import existing_links

    links: Iterable[str] | None = None
    try:
        links = existing_links(request.netns) if request.netns else None
    except GenieError:
        pass
    return sorted({request.ifname, *(_USUAL if links is None else links)} - {"lo"})


def _release(plan: Plan, node: "Node") -> None:
    for failure in node.drive(delete(plan, plan.netns), stateless=True):
        node.log.info("no state; network not released", problem=failure.msg)

"""Releasing what a container may hold, without a readable journal (conformance A68). Cold.

DEL of what was never added is no error (SPEC, section 2, "DEL"): calling too many plugins costs time, calling too few
loses an address. So a damaged state means every network of this node, on every interface that the container has. No
state at all is `unrecorded`. This node's networks are those of its files, those that its other containers have, and
those of the definitions that it has read: a definition may hold its network itself, and then no file does.
"""

from genie_core.attach import delete, drive
from genie_core.edges.store import boot_id, netns_of
from genie_core.errors import Cancelled, GenieError, InvalidConfig
from genie_core.fields import get_object, get_str
from genie_core.model import Attachment, Plan
from genie_core.plan import make_plan
from genie_core.verbs.networks import configured, default_of, is_behind_another

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from genie_core.model import NetConf, Request
    from genie_core.verbs.context import Context

# How CNI-Genie and Multus name further interfaces: tried where the namespace cannot be read.
_USUAL = tuple(f"{prefix}{number}" for prefix in ("eth", "net") for number in range(1, 5))


def release_everything(request: "Request", context: "Context") -> None:
    """Release every network of this node on every interface, the default ones first, as far as that is possible."""
    release(default_attachments(request, context), request, context)
    links = links_in(request)
    names = {request.ifname, *(_USUAL if links is None else links)} - {"lo"}
    release(any_network_on(sorted(names), request, context), request, context)


def default_attachments(request: "Request", context: "Context") -> list[Attachment]:
    """The default networks, with the interfaces that an ADD gives them; [] where they are not known."""
    try:
        choices = [choice for choice in default_of(context) if not _is_spared(choice.network, request)]
        if not choices:
            return []
        return [
            *make_plan(
                request, None, boot_id(), choices, prefix=context.settings.interface_prefix
            ).attachments
        ]
    except GenieError as error:
        context.log.info("no state; default network not released", problem=error.msg)
        return []


def any_network_on(names: "Collection[str]", request: "Request", context: "Context") -> list[Attachment]:
    """Every network of this node on each of these interfaces."""
    if not names:
        return []
    return [
        # one network's DEL may remove another one's interface: `releasing`, so the rules are looked for
        Attachment(network=network, ifname=ifname, label=network.name, args=request.args, releasing=True)
        for network in networks_of(context)
        if not _is_spared(network, request)
        for ifname in names
    ]


def _is_spared(network: "NetConf", request: "Request") -> bool:
    """Whether the runtime's GC leaves it alone: another runtime may share it (SPEC 1, disableGC)."""
    return request.verb == "GC" and network.disable_gc


def networks_of(context: "Context") -> "list[NetConf]":
    """The networks of this node, each once, the configured ones first."""
    found = configured(context)
    plans = [plan for plan in context.store.plans() if isinstance(plan, Plan)]
    recorded = [attachment.network for plan in plans for attachment in plan.attachments]
    for network in [*recorded, *_defined(context)]:
        if not any((network.name, network.plugins) == (other.name, other.plugins) for other in found):
            found.append(network)
    return found


def _defined(context: "Context") -> "Iterator[NetConf]":
    """The networks inside the NetworkAttachmentDefinitions that this node has a copy of."""
    from genie_core.edges.kube_resources import NETWORK_ATTACHMENT
    from genie_core.edges.object_cache import ObjectCache
    from genie_core.select.definitions import inline_network
    from genie_core.select.files import is_self

    for definition in ObjectCache(context.settings.state_dir).kept(NETWORK_ATTACHMENT.kind):
        try:
            metadata = get_object(definition, "metadata")
            namespace, name = (get_str(metadata, key) for key in ("namespace", "name"))
            network = inline_network(definition, name, f"{namespace}/{name}")
        except InvalidConfig as error:
            context.log.info("definition not read", problem=error.msg)
            continue
        if network and not is_self(network):
            yield network


def links_in(request: "Request") -> "Collection[str] | None":
    """The interfaces in the container's namespace; None where they cannot be read."""
    if not request.netns:
        return None
    from genie_core.edges.podnet import existing_links

    try:
        return existing_links(request.netns)
    except GenieError:
        return None


def release(attachments: list[Attachment], request: "Request", context: "Context") -> None:
    """DEL of each, in reverse; failures are logged. There is no next try: the whole of a chain is called.

    The runtime's interface is left to a plugin before Genie in its chain: the link is what that one's DEL reads its
    addresses from, to end their masquerading.

    Raises Cancelled, after all were tried, where this process was asked to stop: then the runtime has to try again.
    """
    if is_behind_another(request, context):
        attachments = [one for one in attachments if one.ifname != request.ifname]
    plan = Plan(
        request.container_id, request.ifname, request.netns, request.path, None, boot_id(), attachments
    )
    failures = drive(delete(plan, netns_of(plan, plan.netns), thorough=True), context.act)
    for failure in failures:
        context.log.info("no state; network not released", problem=failure.msg)
    for failure in failures:
        if isinstance(failure, Cancelled):
            raise failure

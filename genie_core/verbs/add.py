"""ADD: choose, plan, attach, merge, tell the pod. The order is the safety:

nothing is attached before every network was found; nothing is attached before the plan is on disk; whatever
fails after that is undone, in reverse, before the error is told.
"""

from genie_core.attach import add, delete, own_bridge, undo
from genie_core.edges.podnet import existing_links, never_there
from genie_core.edges.store import CorruptState, boot_id, namespace_id
from genie_core.errors import (
    AlreadyAttached,
    Denied,
    GenieError,
    InvalidConfig,
    InvalidNetns,
    KernelRefused,
    TryAgain,
)
from genie_core.fields import get_object
from genie_core.gojson import strings_of
from genie_core.jsontext import encode
from genie_core.plan import make_plan, makes_primary, primary_first
from genie_core.select.annotations import BY_ATTACHMENT, dialect_of
from genie_core.spec.result import previous_of
from genie_core.steps import NotReleased
from genie_core.verbs.delete import netns_of, refuse_failures, release_damaged
from genie_core.verbs.networks import decide, require_ready
from genie_core.verbs.node import refuse_own_netns

_ON_PARENT = ("macvlan", "ipvlan")  # plugins whose interfaces the kernel keeps apart from their parent's own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from genie_core.model import Attachment, Choice, Plan, PodRef, Request, Result
    from genie_core.verbs.networks import Decision
    from genie_core.verbs.node import Node

    Parts = list[tuple[str, Result]]


def run(request: "Request", node: "Node") -> str:
    """The result's text, in the configuration's version."""
    refuse_own_netns(request)
    require_ready(node)
    previous = previous_of(request)  # the plugins before Genie in the same chain (A51)
    has_primary = makes_primary(previous, request.ifname)
    decision = decide(request, node, has_primary=has_primary)
    refuse_addresses_of_node(decision.choices)
    plan = _plan(request, decision, previous if has_primary else None, node)
    node.store.prepare()
    with (
        node.store.lock_slot(node.settings.max_parallel_adds, node.deadline()),
        node.store.lock_node(exclusive=False, deadline=node.deadline()),
        node.store.lock(*plan.key, node.deadline()) as node.delegates.lock,
    ):
        try:
            _release_leftovers(plan, request, node)
            refuse_taken_names(plan.attachments, plan.netns)
            text, parts = _attach(plan, request, previous, node)
        except BaseException:
            _drop_unused_lock(plan, node)
            raise
    if decision.pod:
        _tell_pod(decision.pod, decision, *_with_previous(plan, parts, request), node)
    return text


def refuse_addresses_of_node(choices: "Sequence[Choice]") -> None:
    """Raise InvalidConfig where the pod asks for an address that this node has."""
    if any("ips" in choice.capabilities or getattr(choice.wish, "cni_args", None) for choice in choices):
        from genie_core.verbs.own_addresses import refuse_own_addresses

        refuse_own_addresses(choices)


def _plan(request: "Request", decision: "Decision", previous: "Result | None", node: "Node") -> "Plan":
    prefix = node.settings.interface_prefix
    plan = make_plan(request, decision.pod, boot_id(), decision.choices, prefix, previous)
    plan.netns_id = namespace_id(plan.netns)
    find_binaries(plan.attachments, request.path, node)
    _warn_of_dead_ports(request, plan, node)
    node.log.debug(
        "planned",
        pod=str(decision.pod or ""),
        networks=[f"{attachment.network.name}@{attachment.ifname}" for attachment in plan.attachments],
        files=[attachment.network.source for attachment in plan.attachments],
    )
    return plan


def find_binaries(attachments: "Sequence[Attachment]", path: "Sequence[str]", node: "Node") -> None:
    """Note where each plugin is. Raises PluginMissing, and InvalidConfig where one leads back to Genie."""
    for attachment in attachments:
        plugins = attachment.network.plugins
        attachment.binaries = [node.delegates.find(plugin.type, path) for plugin in plugins]
        for plugin in plugins:
            node.delegates.refuse_self(strings_of(plugin.text, "type"), path, attachment.network.source)


def _warn_of_dead_ports(request: "Request", plan: "Plan", node: "Node") -> None:
    """The runtime passes the pod's hostPorts, which concern its primary network alone: say where they cannot work."""
    if plan.previous is not None or not get_object(request.config, "runtimeConfig").get("portMappings"):
        return
    primary = primary_first(plan)[0]
    kind = primary.network.plugins[0].type
    problem = ""
    if "portMappings" not in primary.capabilities:
        problem = "no plugin of the pod's primary network offers portMappings; add portmap to its chain"
    elif kind in _ON_PARENT:
        problem = f"the node cannot reach a {kind} interface of its own; use the pod's address instead"
    if problem:
        node.log.warning("hostPort has no effect", network=primary.network.name, problem=problem)


def _release_leftovers(plan: "Plan", request: "Request", node: "Node") -> None:
    """Undo what an ADD of the same container left that was killed, or that a reboot cut off (lessons 15)."""
    try:
        old = node.store.load(*plan.key)
    except CorruptState as error:
        release_damaged(error, request, node)
        return
    if old is None:
        return
    complete = all(attachment.result and not attachment.released for attachment in old.attachments)
    if complete and old.boot_id == plan.boot_id and old.netns == plan.netns:
        raise AlreadyAttached(
            f"container {plan.container_id} already has {plan.ifname} from an earlier ADD",
            hint="the runtime has to call DEL first",
        )
    node.log.warning("leftovers of an earlier ADD", networks=[item.network.name for item in old.attachments])
    failures = node.drive(delete(old, netns_of(old, old.netns)))
    refuse_failures(failures, node)
    held = [
        failure for failure in failures if not (isinstance(failure, NotReleased) and failure.holds_nothing)
    ]
    if held:  # our plan would take the place of the only record of what is still held
        raise TryAgain(
            f"container {plan.container_id} still holds a network of an earlier ADD: {held[0].msg}",
            hint=held[0].hint,
        )


def refuse_taken_names(attachments: "Sequence[Attachment]", netns: str, but: "Collection[str]" = ()) -> None:
    """A name that is taken must be seen before anything runs: rolling back would remove what has it (C19).

    `but` are names that will be free then.
    """
    try:
        taken = existing_links(netns) or set()
    except InvalidNetns:
        return  # the delegates say what is wrong with it, each in its own words
    for attachment in attachments:
        if attachment.ifname in taken and attachment.ifname not in but:
            raise InvalidConfig(
                f"network {attachment.label}: interface name {attachment.ifname} already exists in the container",
                hint="ask for another name with network@interface",
            )


def _attach(plan: "Plan", request: "Request", previous: "Result | None", node: "Node") -> "tuple[str, Parts]":
    names = bridges_of(plan.attachments)
    if not names:
        return _carry_out(plan, request, previous, node)
    from genie_core.edges.bridges import Held

    with Held(node.store.lock_file, names):
        return _carry_out(plan, request, previous, node)


def bridges_of(attachments: "Sequence[Attachment]") -> list[str]:
    """The bridges that logical networks have alone; they must stay while a plugin uses them."""
    return [name for item in attachments if (name := own_bridge(item.network))]


def _carry_out(
    plan: "Plan", request: "Request", previous: "Result | None", node: "Node"
) -> "tuple[str, Parts]":
    results = node.drive(add(plan))
    try:
        return _answer(plan, results, request, previous, node)
    except GenieError:
        node.drive(undo(plan, results))
        raise


def _answer(
    plan: "Plan", results: list[str], request: "Request", previous: "Result | None", node: "Node"
) -> "tuple[str, Parts]":
    """The text for the runtime, and each attachment's own result."""
    from genie_core.merge import merge, merge_previous
    from genie_core.spec.result import encode as encode_result
    from genie_core.spec.result import parse

    for attachment, printed in zip(plan.attachments, results, strict=True):
        attachment.result = printed
    ordered = primary_first(plan)
    parsed = {
        item.ifname: parse(item.result, item.network.version, f"network {item.network.name}")[1]
        for item in ordered
    }
    first = [] if plan.previous is not None else ordered[:1]
    shown = ordered if node.settings.result == "merged" else first
    result = merge([(item.ifname, parsed[item.ifname]) for item in shown], plan.netns)
    if previous is not None:
        result = merge_previous(_as_it_is_now(previous, plan, parsed), result)
    text = encode(encode_result(result, request.version))
    parts = [(item.ifname, parsed[item.ifname]) for item in plan.attachments]
    note_absent(plan, parts, node)
    return text, parts


def note_absent(plan: "Plan", parts: "Parts", node: "Node") -> None:
    """Record what the results promise and the kernel has not, so that CHECK does not ask for it (A73)."""
    try:
        absent = never_there(plan.netns, parts)
    except (InvalidNetns, Denied, KernelRefused) as error:
        node.log.debug("namespace not looked at", problem=error.msg)
        return
    if absent:
        node.log.info("promised by a result and not there", what=absent)
        node.store.record_absent(plan, absent)


def _as_it_is_now(previous: "Result", plan: "Plan", parsed: "Mapping[str, Result]") -> "Result":
    """The earlier plugins' result without the default routes that this pod's `default-route` took away."""
    requests = {item.ifname: item.default_route for item in plan.attachments}
    if all(wanted is None for wanted in requests.values()):
        return previous
    from genie_core.routes import changed_results, route_changes

    return changed_results(route_changes(requests, parsed), {"": previous}).get("", previous)


def _drop_unused_lock(plan: "Plan", node: "Node") -> None:
    """An ADD that failed and left no state leaves no lock file either."""
    try:
        if node.store.load(*plan.key) is None:
            node.store.discard(*plan.key)
            node.store.drop_lock(*plan.key)
    except GenieError as error:
        node.log.warning("lock file not removed", problem=error.msg)


def _with_previous(plan: "Plan", parts: "Parts", request: "Request") -> "tuple[Plan, Parts]":
    """The same, with the network that the plugins before Genie made as the first: the runtime's own."""
    if plan.previous is None:
        return plan, parts
    from genie_core.model import Attachment, NetConf

    name = str(request.config.get("name") or "")
    own = Attachment(NetConf(name, request.version, [], ""), plan.ifname, name)
    return plan.replace(attachments=[own, *plan.attachments]), [(plan.ifname, plan.previous), *parts]


def _tell_pod(pod: "PodRef", decision: "Decision", plan: "Plan", parts: "Parts", node: "Node") -> None:
    """Write what it got into the pod's annotations, where there is anything to say."""
    told = any(choice.told or choice.is_additional for choice in decision.choices)
    if told or len(parts) > 1 or dialect_of(decision.annotations) == BY_ATTACHMENT:
        from genie_core.verbs.pods import tell_pod

        tell_pod(pod, decision.annotations, decision.choices, plan, parts, node.pods)

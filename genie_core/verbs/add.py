"""ADD: choose, plan, attach, merge, annotate the pod. The order is the safety:

nothing is attached before every network was found, nor before the plan is on disk; a failure after that is undone, in
reverse, before it is reported.
"""

from genie_core.attach import add, delete, drive, own_bridge, undo
from genie_core.edges.netlink import open_in
from genie_core.edges.store import CorruptState, boot_id, namespace_id, netns_of
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
from genie_core.gojson import speaking_for_runtime, strings_of
from genie_core.jsontext import encode
from genie_core.plan import make_plan, makes_primary, primary_first
from genie_core.plugin_types import plugin_type
from genie_core.spec.versions import at_least
from genie_core.steps import Absent, NotReleased
from genie_core.verbs.context import refuse_own_netns
from genie_core.verbs.delete import refuse_failures, release_damaged
from genie_core.verbs.networks import decide, require_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from genie_core.edges.netlink import Netlink
    from genie_core.model import Attachment, Choice, NetConf, Plan, Printed, Request, Result
    from genie_core.verbs.context import Context
    from genie_core.verbs.networks import Decision

    Results = Mapping[str, Result]  # by interface name


# What a runtime asks for by a capability -> the log's event where it cannot be had.
_RUNTIME_ASKS = {
    "portMappings": "hostPort has no effect",
    "bandwidth": "bandwidth has no effect",
    "ips": "ips has no effect",
    "mac": "mac has no effect",
}


def run(request: "Request", context: "Context") -> str:
    """The result's text, in the configuration's version."""
    refuse_own_netns(request)
    require_ready(context)
    previous = _previous(request)  # the plugins before Genie in the same chain (A51)
    has_primary = makes_primary(previous, request.ifname) or _is_on_primary(previous, request)
    decision = decide(request, context, has_primary=has_primary)
    refuse_addresses_of_node(decision.choices)
    plan = _plan(request, decision, previous if has_primary else None, context)
    context.store.prepare()
    with (
        context.store.lock_slot(context.settings.max_parallel_adds, context.deadline()),
        context.store.lock_node(exclusive=False, deadline=context.deadline()),
        context.store.lock(*plan.key, context.deadline()) as lock,
    ):
        try:
            text, results = _add(plan, request, previous, context.holding(lock))
        except BaseException:
            _drop_unused_lock(plan, context)
            raise
    _annotate_pod(decision, plan, results, context)
    return text


def _is_on_primary(previous: "Result | None", request: "Request") -> bool:
    """Whether the plugins before Genie in its chain have made the runtime's interface without saying so.

    Calico names its interface on the node alone. An address of no interface is on the runtime's one (A49).
    """
    if previous is None or all("interface" in ip for ip in previous.ips):
        return False
    try:
        from genie_core.edges.podnet import existing_links

        return request.ifname in (existing_links(request.netns) or ())
    except InvalidNetns:
        return False


def _previous(request: "Request") -> "Result | None":
    if request.config.get("prevResult") is None:
        return None
    from genie_core.spec.result import previous_of

    return previous_of(request)


def refuse_addresses_of_node(choices: "Sequence[Choice]") -> None:
    """Raise InvalidConfig where the pod asks for an address that this node has."""
    if any("ips" in choice.capabilities or getattr(choice.selection, "cni_args", None) for choice in choices):
        from genie_core.verbs.own_addresses import refuse_own_addresses

        refuse_own_addresses(choices)


def _plan(request: "Request", decision: "Decision", previous: "Result | None", context: "Context") -> "Plan":
    plan = make_plan(
        request,
        decision.pod,
        boot_id(),
        decision.choices,
        netns_id=namespace_id(request.netns),
        prefix=context.settings.interface_prefix,
        previous=previous,
        find=lambda network: find_plugins(network, request.path, context),
    )
    if context.settings.parallel_attachments and len(plan.attachments) > 1 and not decision.by_attachment:
        from genie_core.batches import batches

        plan = plan.replace(batches=batches(plan.attachments))
    _warn_of_dead_requests(request, plan, context)
    _warn_of_dropped_keys(plan, context)
    if context.settings.policy_engine:
        from genie_core.verbs.policy import require_engine

        require_engine(plan, context.settings.policy_fail, context.log)
    context.log.debug(
        "planned",
        pod=str(decision.pod or ""),
        networks=[f"{attachment.network.name}@{attachment.ifname}" for attachment in plan.attachments],
        files=[attachment.network.source for attachment in plan.attachments],
    )
    return plan


def find_plugins(network: "NetConf", path: "Sequence[str]", context: "Context") -> list[str]:
    """The files of the network's plugins. Raises PluginMissing, and InvalidConfig where one leads back to Genie."""
    found = [context.delegates.find(plugin.type, path) for plugin in network.plugins]
    for plugin in network.plugins:
        context.delegates.refuse_self(strings_of(plugin.text, "type"), path, network.source)
    return found


def _warn_of_dead_requests(request: "Request", plan: "Plan", context: "Context") -> None:
    """Warn where what the runtime asks for has no effect: it is passed to the pod's primary network alone."""
    asked = get_object(request.config, "runtimeConfig")
    if plan.previous is not None or not any(asked.get(key) for key in _RUNTIME_ASKS):
        return
    primary = primary_first(plan)[0]
    kind = primary.network.plugins[0].type
    for key, event in _RUNTIME_ASKS.items():
        problem = ""
        if asked.get(key) and key not in primary.capabilities:
            problem = f"no plugin of the pod's primary network offers {key}; add one that does to its chain"
        elif asked.get(key) and key == "portMappings" and plugin_type(kind).apart:
            problem = f"the node cannot reach a {kind} interface of its own; use the pod's address instead"
        if problem:
            context.log.warning(event, network=primary.network.name, problem=problem)


def _warn_of_dropped_keys(plan: "Plan", context: "Context") -> None:
    """Warn of keys in a stored configuration that only a runtime may set: its plugins do not get them (B44)."""
    for network in (attachment.network for attachment in plan.attachments):
        for plugin in network.plugins:
            if keys := speaking_for_runtime(plugin.text):
                context.log.warning(
                    "keys of the runtime dropped", network=network.name, plugin=plugin.type, keys=keys
                )


def _release_leftovers(plan: "Plan", request: "Request", context: "Context") -> None:
    """Undo what an ADD of the same container left that was killed, or that a reboot cut off (lessons 15)."""
    try:
        old = context.store.load(*plan.key)
    except CorruptState as error:
        release_damaged(error, request, context)
        return
    if old is None:
        return
    complete = all(attachment.result and not attachment.released for attachment in old.attachments)
    if complete and old.boot_id == plan.boot_id and old.netns == plan.netns:
        raise AlreadyAttached(
            f"container {plan.container_id} already has {plan.ifname} from an earlier ADD",
            hint="the runtime has to call DEL first",
        )
    context.log.warning(
        "leftovers of an earlier ADD", networks=[item.network.name for item in old.attachments]
    )
    failures = drive(delete(old, netns_of(old, old.netns)), context.perform)
    refuse_failures(failures, context)
    held = [
        failure for failure in failures if not (isinstance(failure, NotReleased) and failure.holds_nothing)
    ]
    if held:  # our plan would take the place of the only record of what is still held
        raise TryAgain(
            f"container {plan.container_id} still holds a network of an earlier ADD: {held[0].msg}",
            hint=held[0].hint,
        )


def enter(netns: str) -> "Netlink | None":
    """A socket in the pod's namespace. None where it cannot be entered: the delegates report it."""
    try:
        return open_in(netns)
    except (InvalidNetns, Denied):
        return None


def refuse_taken_names(attachments: "Sequence[Attachment]", taken: "Collection[str]") -> None:
    """Raise InvalidConfig for an interface that exists, before any plugin runs: a rollback would remove it (C19)."""
    for attachment in attachments:
        if attachment.ifname in taken:
            raise InvalidConfig(
                f"network {attachment.label}: interface name {attachment.ifname} already exists in the container",
                hint="ask for another name with network@interface",
            )


def _add(
    plan: "Plan", request: "Request", previous: "Result | None", context: "Context"
) -> "tuple[str, Results]":
    """Attach the plan; the text for the runtime, and each network's own result. The context holds the lock."""
    _release_leftovers(plan, request, context)
    kernel = enter(plan.netns)
    if kernel:
        refuse_taken_names(plan.attachments, kernel.links())
    names = bridges_of(plan.attachments)
    if not names:
        return _carry_out(plan, request, previous, context, kernel)
    from genie_core.edges.bridges import Held

    with Held(context.store.lock_file, names):
        return _carry_out(plan, request, previous, context, kernel)


def bridges_of(attachments: "Sequence[Attachment]") -> list[str]:
    """The bridges that logical networks have alone; they must stay while a plugin uses them."""
    return [name for item in attachments if (name := own_bridge(item.network))]


def _carry_out(
    plan: "Plan",
    request: "Request",
    previous: "Result | None",
    context: "Context",
    kernel: "Netlink | None",
) -> "tuple[str, Results]":
    """The same once the names are known to be free; `kernel` is a socket in the pod's namespace."""
    context.delegates.meanwhile = _import_for_answer
    try:
        printed = drive(add(plan), context.perform)
    finally:
        if context.delegates.begun:  # an error in Genie itself: no plugin goes on once the lock is released
            from genie_core.edges.parallel import end_begun

            end_begun(context.delegates)
    try:
        context.store.sync()  # no plugin has waited for it where the plan has no network
        text, results = _answer(plan, printed, request, previous, context)
        note_absent(plan, results, context, kernel)
        return text, results
    except GenieError:
        drive(undo(plan, printed), context.perform)
        raise


def _import_for_answer() -> None:
    """Import what the answer needs, while the first plugin runs on another processor: `podnet` has all of it."""
    from genie_core.edges import podnet  # noqa: F401


def _answer(
    plan: "Plan",
    printed: "Sequence[Printed]",
    request: "Request",
    previous: "Result | None",
    context: "Context",
) -> "tuple[str, Results]":
    from genie_core.merge import merge, merge_previous
    from genie_core.spec.result import encode as encode_result

    results = {item.ifname: one.result for item, one in zip(plan.attachments, printed, strict=True)}
    ordered = [item.ifname for item in primary_first(plan)]
    first = [] if plan.previous is not None else ordered[:1]
    # before 0.3.0 an address has no interface, and counts as the primary one's (A49)
    merged = context.settings.result == "merged" and at_least(request.version, "0.3.0")
    shown = ordered if merged else first
    result = merge([(ifname, results[ifname]) for ifname in shown], plan.netns)
    if previous is not None:
        from genie_core.routes import as_it_is_now

        result = merge_previous(as_it_is_now(previous, plan, results), result)
    return encode(encode_result(result, request.version)), results


def note_absent(
    plan: "Plan", results: "Results", context: "Context", kernel: "Netlink | None" = None
) -> None:
    """Record what the results promise and the kernel has not, so that CHECK does not ask for it (A73).

    `kernel` is a socket in the pod's namespace, where there is one already; it is closed.
    """
    from genie_core.edges.podnet import never_there

    try:
        absent = never_there(plan.netns, list(results.items()), kernel)
    except (InvalidNetns, Denied, KernelRefused) as error:
        context.log.debug("namespace not looked at", problem=error.msg)
        return
    if absent != [*plan.absent]:  # a change of the running pod may have ended with other networks
        context.log.info("promised by a result and not there", what=absent)
        context.store.record(Absent(plan, absent))


def _drop_unused_lock(plan: "Plan", context: "Context") -> None:
    """An ADD that failed and left no state leaves no lock file either."""
    try:
        if context.store.load(*plan.key) is None:
            context.store.discard(*plan.key)
            context.store.drop_lock(*plan.key)
    except GenieError as error:
        context.log.warning("lock file not removed", problem=error.msg)


def _annotate_pod(decision: "Decision", plan: "Plan", results: "Results", context: "Context") -> None:
    """Write what the pod got into its annotations, in the terms in which it asked."""
    every = context.settings.policy_engine
    several = len(results) + (plan.previous is not None) > 1
    if not decision.pod or not (several or decision.is_annotated or (every and decision.asks)):
        return  # spares an import
    from genie_core.verbs.pods import annotations_of, with_previous

    plan, results = with_previous(plan, results)
    for written in annotations_of(decision, plan, results, every=every):
        context.api.annotate(decision.pod, written)

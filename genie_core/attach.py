"""ADD, DEL and CHECK of a plan, as sequences of steps. No I/O here; GC and STATUS are in `node_verbs`.

Each verb is a generator: it yields a step, and is sent the answer (a delegate's output), or the error is thrown in. The
driver owns the processes and the files; so "fails at step N" and "killed at step N" are loops in a test. Rules:

1. `Begin` comes before the first delegate runs: from then on DEL can undo whatever happened.
2. An attachment counts as attempted from the moment its first plugin is called; a failure undoes all that were
   attempted, the failing one included, in reverse (conformance B54).
3. A network is released only after the DEL of its whole chain succeeded; what is left stays in the state (B60).
"""

from genie_core.errors import DelegateFailed, GenieError, InvalidConfig, UnknownContainer
from genie_core.gojson import view
from genie_core.model import NO_RESULT
from genie_core.plugin_types import plugin_type
from genie_core.spec.conf import plugin_input
from genie_core.spec.versions import at_least
from genie_core.steps import (
    Attached,
    Begin,
    Forget,
    Invoke,
    NotReleased,
    Passed,
    PluginMissing,
    Refused,
    Released,
    Releasing,
    RemoveBridge,
    StopMasquerading,
)

_INTERRUPTED = "interrupted system call"  # strerror(EINTR), as Go prints it
_INTERRUPTIONS = 3
_NO_CHAIN = ("does not exist", "No chain/target/match by that name")  # iptables of nf_tables; the older one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genie_core.model import Attachment, NetConf, Plan, PluginConf, Printed, Result
    from genie_core.refusals import Failure
    from genie_core.steps import Step, Steps, T


def drive(steps: "Steps[T]", perform: "Callable[[Step], str]") -> "T":
    """Drive a verb: perform each step and send it the answer. A GenieError is thrown into it, so that it can undo.

    What else `perform` raises ends the drive between two steps, as a kill would.
    """
    try:
        step = next(steps)
        while True:
            try:
                answer = perform(step)
            except GenieError as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's value is Any at this place


def _invoke(
    verb: str,
    plan: "Plan",
    attachment: "Attachment",
    position: int,
    *,
    netns: str,
    prev_result: str,
) -> Invoke:
    network = attachment.network
    plugin = network.plugins[position]
    return Invoke(
        verb,
        plugin.type,
        plugin_input(network, plugin, prev_result=prev_result, capabilities=attachment.capabilities),
        network.name,
        binary=attachment.binaries[position] if position < len(attachment.binaries) else "",
        path=plan.path,
        container_id=plan.container_id,
        netns=netns,
        ifname=attachment.ifname,
        args=attachment.args,
        entry=plugin.text,
    )


def add(plan: "Plan") -> "Steps[list[Printed]]":
    """Attach every network of the plan; their final results in its order. Raises after undoing everything.

    One after the other, or batch by batch: those of a batch side by side (batches.py).
    """
    yield Begin(plan)
    results: list[Printed] = []
    try:
        for batch in plan.batches or [[index] for index in range(len(plan.attachments))]:
            results += [NO_RESULT] * len(batch)  # attempted from here on
            if len(batch) == 1:
                yield from _attach(plan, batch[0], results)
            else:
                from genie_core.parallel import advance

                yield from advance([_attach(plan, index, results) for index in batch])
        if _has_several(plan):
            from genie_core.default_routes import settle

            yield from settle(plan, results)
    except GenieError:
        yield from undo(plan, results)
        raise
    return results


def _attach(plan: "Plan", index: int, results: "list[Printed]") -> "Steps[None]":
    """ADD of one network; its result is recorded as soon as it is known, and put at its place among the results."""
    results[index] = printed = yield from add_network(plan, index)
    yield Attached(plan, index, printed.text)
    require_subnet(plan.attachments[index], printed.result)


def _has_several(plan: "Plan") -> bool:
    """Whether its networks' default routes have to be settled."""
    others = plan.attachments if plan.previous is not None else plan.attachments[1:]
    return bool(others) or any(item.default_route is not None for item in plan.attachments)


def require_subnet(attachment: "Attachment", result: "Result") -> None:
    """Raise InvalidConfig where a logical network's address is not in its subnet."""
    if attachment.subnet:
        from genie_core.select.underlay import require_inside

        require_inside(attachment, result)


def add_network(plan: "Plan", index: int) -> "Steps[Printed]":
    """ADD of one network's chain: its final result. Repeated where a plugin's reading of the kernel was interrupted.

    With many pods at once the kernel reports that its tables changed while they were read (NLM_F_DUMP_INTR,
    linux/netlink.h), and the reference plugins fail at that. The pod is not the reason.
    """
    attachment = plan.attachments[index]
    for _ in range(_INTERRUPTIONS):
        try:
            return (yield from _add_chain(plan, index))
        except DelegateFailed as error:
            if _INTERRUPTED not in error.msg:
                raise
            try:
                yield from _delete(plan, attachment, plan.netns)
            except DelegateFailed:
                raise error from None
            if attachment.partial:  # its addresses are given back, and may be another pod's soon
                attachment.partial = ""
                yield Passed(plan, index, "")
    return (yield from _add_chain(plan, index))


def _add_chain(plan: "Plan", index: int) -> "Steps[Printed]":
    attachment = plan.attachments[index]
    attachment.stopped = None  # where an earlier try ended
    network = attachment.network
    result = NO_RESULT
    for position in range(len(network.plugins)):
        step = _invoke("ADD", plan, attachment, position, netns=plan.netns, prev_result=result.text)
        try:
            output = yield step
        except DelegateFailed as error:
            from genie_core.refusals import words_of

            attachment.stopped = position, words_of(error, step)
            raise
        if not output.strip():
            broken = "the plugin is broken; run it by hand with `genie dry-run`"
            raise DelegateFailed(f"{step.where}: printed no result", hint=broken)
        from genie_core.spec.result import convert  # not before the plugin was started (verbs/add.py)

        result = convert(output, network.version, network.version, step.where)
        if position < len(network.plugins) - 1:
            attachment.partial = result.text
            yield Passed(plan, index, result.text)
    return result


def undo(plan: "Plan", results: "Sequence[Printed]") -> "Steps[list[GenieError]]":
    """Roll an ADD back. What cannot be undone now stays in the state for the runtime's DEL (conformance B55)."""
    tried = zip(plan.attachments, results, strict=False)
    done = plan.replace(
        attachments=[attachment.replace(result=printed.text) for attachment, printed in tried]
    )
    failures = yield from delete(done, plan.netns)
    if failures:  # the state stays: what was never attempted must not look as if it were held
        for index in range(len(results), len(plan.attachments)):
            yield Released(plan, index)
    return failures


def delete(
    plan: "Plan", netns: str, *, thorough: bool = False, spare: "Callable[[Attachment], bool] | None" = None
) -> "Steps[list[GenieError]]":
    """Release every network that is left, in reverse; the errors of those that failed (conformance A66).

    A network whose plugin is gone stays in the state until the binary is back: its address is not lost (lessons 2).
    `thorough`, for a last try: a plugin that fails does not keep the rest of its chain from running. `spare` says
    which attachments are left as they are.

    Failures are tried once more where the plan has their network twice: reference plugins that masquerade keep one
    chain per network, container and family, which goes with the last of the two.
    """
    held = [index for index in reversed(range(len(plan.attachments))) if not plan.attachments[index].released]
    spared = [index for index in held if spare and spare(plan.attachments[index])]
    held = [index for index in held if index not in spared]
    failures = yield from _release_each(plan, held, netns, thorough)
    names = [attachment.network.name for attachment in plan.attachments]
    again = [index for index in failures if names.count(names[index]) > 1]
    for index in again:
        del failures[index]
        plan.attachments[index].releasing = True  # its interface may be gone by now, and rules of it left
    failures |= yield from _release_each(plan, again, netns, thorough)
    if not failures and not spared:
        yield Forget(plan)
    return list(failures.values())


def _release_each(
    plan: "Plan", indexes: list[int], netns: str, thorough: bool
) -> "Steps[dict[int, GenieError]]":
    """The errors of those that failed, by index."""
    failures: dict[int, GenieError] = {}
    for index in indexes:
        try:
            yield from release_network(plan, index, netns, thorough)
        except GenieError as error:
            failures[index] = error
            if isinstance(error, NotReleased) and error.holds_nothing:
                yield Refused(plan, index)
    return failures


def release_network(plan: "Plan", index: int, netns: str, thorough: bool = False) -> "Steps[None]":
    """DEL of one network's chain, noted before and after."""
    yield Releasing(plan, index)
    yield from _delete(plan, plan.attachments[index], netns, thorough)
    yield Released(plan, index)
    if bridge := own_bridge(plan.attachments[index].network):
        yield RemoveBridge(bridge)


def own_bridge(network: "NetConf") -> str:
    """The bridge that a logical network has alone; "" for any other network."""
    if network.plugins[0].type != "bridge" or '"genie' not in network.plugins[0].text:
        return ""  # spares the import
    from genie_core.select.underlay import own_bridge_of

    return own_bridge_of(network)


def _delete(plan: "Plan", attachment: "Attachment", netns: str, thorough: bool = False) -> "Steps[None]":
    """DEL of an attachment, whose ADD may have been cut off anywhere.

    bridge and ptp fail where their chain of masquerading was not made yet, the interface removed; the next DEL finds
    no interface, and looks for no chain.
    """
    try:
        yield from _delete_chain(plan, attachment, netns, thorough)
    except DelegateFailed as error:
        if attachment.result or not any(words in error.msg for words in _NO_CHAIN):
            raise
        yield from _delete_chain(plan, attachment.replace(releasing=True), netns, thorough)


def _delete_chain(plan: "Plan", attachment: "Attachment", netns: str, thorough: bool) -> "Steps[None]":
    """DEL of the chain in reverse, each plugin with the final result (conformance B69-B71).

    Where ADD did not reach the chain's end, they get the last result that there was: firewall removes no rule without.
    """
    network = attachment.network
    prev_result = (attachment.result or attachment.partial) if at_least(network.version, "0.4.0") else ""
    errors: list[GenieError] = []
    failures: list[Failure] = []
    for position in reversed(range(len(network.plugins))):
        step = _invoke("DEL", plan, attachment, position, netns=netns, prev_result=prev_result)
        try:
            yield step
            yield from _finish(step, network.plugins[position], attachment.releasing)
        except PluginMissing as error:
            errors.append(error)  # the rest of the chain can still give back what it holds
            if thorough:
                yield from _free_address(step, network.plugins[position])
        except DelegateFailed as error:
            if (yield from _is_only_address(attachment, step, network.plugins[position])):
                continue
            if attachment.changing and position and plugin_type(network.plugins[position].type).in_pod:
                continue  # of a running pod: nothing outside of it is held, and the next try would fail, too
            if attachment.result and not thorough:
                raise
            from genie_core.refusals import failure_of

            errors.append(error)
            is_free = yield from _free_address(step, network.plugins[position])
            failures.append(failure_of(position, step, error, is_free))
    if errors:
        raise _worst(attachment, errors, failures)


def _worst(attachment: "Attachment", errors: "list[GenieError]", failures: "list[Failure]") -> GenieError:
    """The error of a chain's DEL that was tried to its end."""
    if not failures:
        return errors[0]  # binaries are missing, and nothing else
    failed = next(error for error in errors if not isinstance(error, PluginMissing))
    if attachment.result:
        return failed
    from genie_core.refusals import holds_nothing

    none_missing = len(errors) == len(failures)
    return NotReleased(failed, holds_nothing=none_missing and holds_nothing(attachment, failures))


def _is_only_address(attachment: "Attachment", failed: Invoke, plugin: "PluginConf") -> "Steps[bool]":
    """Whether an address was all that was left, and is free now: the interface ends with its parent or the pod."""
    ends = attachment.result and not attachment.changing and plugin_type(plugin.type).has_parent
    return bool(ends) and (yield from _free_address(failed, plugin, missing=False))


def _free_address(failed: Invoke, plugin: "PluginConf", *, missing: bool = True) -> "Steps[bool]":
    """Do what a plugin's DEL that failed may not have done: IPAM's own DEL, and the end of masquerading.

    Whether IPAM holds no address for it any more. macvlan, for one, looks for its master before it calls IPAM.
    """
    try:
        yield from _stop_masquerading(failed, plugin, again=True)
        yield from _release_address(failed, plugin)
    except PluginMissing:
        return missing  # nor could the plugin of an ADD that failed ever call it
    except GenieError:
        return False
    return True


def _finish(step: Invoke, plugin: "PluginConf", again: bool) -> "Steps[None]":
    """Do what the DEL of a plugin of this type leaves undone, although it succeeded."""
    yield from _stop_masquerading(step, plugin, again)
    if plugin_type(plugin.type).leaves_ipam and not step.netns:
        yield from _release_address(step, plugin)


def _release_address(step: Invoke, plugin: "PluginConf") -> "Steps[None]":
    """DEL by the IPAM plugin itself. Raises DelegateFailed, PluginMissing, InvalidConfig."""
    ipam = view(plugin.text).get("ipam")
    if not ipam:
        return
    type_ = ipam.get("type") if isinstance(ipam, dict) else None
    if not isinstance(type_, str):
        raise InvalidConfig(f"{step.where}: its ipam has no type")
    if type_:
        yield step.of_type(type_)


def _stop_masquerading(step: Invoke, plugin: "PluginConf", again: bool) -> "Steps[None]":
    if plugin_type(plugin.type).masquerades and view(plugin.text).get("ipMasq") is True:
        yield StopMasquerading(step, again)


def check(plan: "Plan", netns: str) -> "Steps[None]":
    """CHECK every network with its own result, stopping at the first error (conformance A72-A74, B72)."""
    for attachment in plan.attachments:
        network = attachment.network
        if attachment.changing and (attachment.released or attachment.releasing or not attachment.result):
            continue  # a change of the running pod was cut off; the next one finishes it
        # an ADD that was cut off, or a DEL that failed half-way
        if attachment.released or not attachment.result:
            raise UnknownContainer(
                f"network {network.name} ({attachment.ifname}) of container {plan.container_id} is not attached",
                hint="the runtime has to call DEL; the pod has to be recreated",
            )
        if network.disable_check or not at_least(network.version, "0.4.0"):
            continue
        for position in range(len(network.plugins)):
            yield _invoke("CHECK", plan, attachment, position, netns=netns, prev_result=attachment.result)

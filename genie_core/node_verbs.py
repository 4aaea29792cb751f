"""GC and STATUS of networks, as sequences of steps (attach.py): calls about the node, not one container. Pure."""

from genie_core.errors import GenieError
from genie_core.jsontext import encode
from genie_core.spec.conf import plugin_input
from genie_core.spec.versions import at_least
from genie_core.steps import Invoke

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.model import Attachment, NetConf, Plan, PluginConf
    from genie_core.steps import Steps


def collect(
    network_plans: "Sequence[tuple[Plan, Attachment]]", valid: "Sequence[tuple[str, str]]"
) -> "Steps[list[GenieError]]":
    """GC of the delegate networks: each once, with all its valid attachments (conformance A81, B73, B74).

    `network_plans` holds one plan and attachment for each distinct network; `valid` the (container ID,
    interface) pairs that are attached to any of them.
    """
    failures = []
    pairs = encode([{"containerID": container, "ifname": ifname} for container, ifname in valid])
    extra = {"cni.dev/valid-attachments": pairs, "cni.dev/attachments": pairs}
    for plan, attachment in network_plans:
        network = attachment.network
        if network.disable_gc or not at_least(network.version, "1.1.0"):
            continue
        for plugin in network.plugins:
            try:
                stdin = plugin_input(network, plugin, extra=extra)
                yield _node_call("GC", network.name, plugin, stdin, plan.path)
            except GenieError as error:
                failures.append(error)
    return failures


def status(plan_path: "Sequence[str]", networks: "Sequence[NetConf]") -> "Steps[None]":
    """STATUS of the networks, stopping at the first error (conformance A77, B75)."""
    for network in networks:
        if not at_least(network.version, "1.1.0"):
            continue
        for plugin in network.plugins:
            yield _node_call("STATUS", network.name, plugin, plugin_input(network, plugin), plan_path)


def _node_call(verb: str, network: str, plugin: "PluginConf", stdin: str, path: "Sequence[str]") -> Invoke:
    return Invoke(verb, plugin.type, stdin, network, path=path, entry=plugin.text)

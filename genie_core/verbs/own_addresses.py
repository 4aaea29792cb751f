"""The addresses that a pod asks for, against those of this node and of the network's gateways.

On the way of an ADD with `ips`, or `cni-args`, alone.
"""

from genie_core.edges.netlink import open_here
from genie_core.errors import InvalidConfig
from genie_core.gojson import GoObject, strings_of
from genie_core.jsontext import decode
from genie_core.spec.addresses import canonical_address, host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from genie_core.model import Choice


def refuse_own_addresses(choices: "Sequence[Choice]") -> None:
    """Raise InvalidConfig where a pod asks for an address of this node, or for its network's gateway.

    A pod that has the gateway's address gets the packets that other pods send to it. Raises KernelRefused too.
    """
    wanted = [(choice, ip) for choice in choices for ip in _asked_for(choice)]
    if not wanted:
        return
    with open_here() as kernel:
        own = {canonical_address(host(address.prefix)) for address in kernel.addresses()}
    for choice, ip in wanted:
        whose = "an address of this node" if host(ip) in own else ""
        if host(ip) in _gateways(choice):
            whose = f"the gateway of network {choice.network.name}"
        if whose:
            raise InvalidConfig(
                f"{choice.selection.origin}: ips: {ip} is {whose}",
                hint="ask for an address that nothing else has",
            )


def _gateways(choice: "Choice") -> set[str]:
    """The addresses that the network's configuration calls a gateway, of its subnets and of its routes."""
    texts = [plugin.text for plugin in choice.network.plugins]
    named = {text for plugin in texts for key in ("gateway", "gw") for text in strings_of(plugin, key)}
    return {address for text in named if (address := _canonical(text))}


def _canonical(text: str) -> str:
    try:
        return canonical_address(text)
    except ValueError:
        return ""  # the plugin will say so


def _asked_for(choice: "Choice") -> "Iterator[str]":
    """The canonical addresses that the pod's annotation names, in `ips` or in `cni-args`."""
    yield from decode(choice.capabilities.get("ips", "[]"))
    args = GoObject(getattr(choice.selection, "cni_args", {}).items())
    yield from args.get("ips", [])

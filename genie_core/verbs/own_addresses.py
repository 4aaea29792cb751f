"""The addresses that a pod asks for, against those that this node has itself. On the way of an ADD with `ips` alone."""

from genie_core.edges.netlink import open_here
from genie_core.errors import InvalidConfig
from genie_core.gojson import GoObject
from genie_core.jsontext import decode
from genie_core.spec.addresses import canonical_address, host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from genie_core.model import Choice


def refuse_own_addresses(choices: "Sequence[Choice]") -> None:
    """Raise InvalidConfig where a pod asks for an address of this node, a bridge's among them.

    A pod that has the gateway's address gets the packets that other pods send to it. Raises KernelRefused too.
    """
    wanted = [(choice, ip) for choice in choices for ip in _asked_for(choice)]
    if not wanted:
        return
    with open_here() as kernel:
        own = {canonical_address(host(address.prefix)) for address in kernel.addresses()}
    for choice, ip in wanted:
        if host(ip) in own:
            raise InvalidConfig(
                f"{choice.wish.origin}: ips: {ip} is an address of this node",
                hint="ask for an address that nothing else has",
            )


def _asked_for(choice: "Choice") -> "Iterator[str]":
    """The canonical addresses that the pod's annotation names, in `ips` or in `cni-args`."""
    yield from decode(choice.capabilities.get("ips", "[]"))
    args = GoObject(getattr(choice.wish, "cni_args", {}).items())
    yield from args.get("ips", [])

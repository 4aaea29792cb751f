"""Make an attachment again: its plugins are asked for the addresses and the MAC address that it had. Pure."""

from genie_core.gojson import view
from genie_core.jsontext import decode, encode
from genie_core.plugin_types import plugin_type
from genie_core.spec.addresses import host
from genie_core.spec.conf import offered_by, with_cni_args
from genie_core.spec.result import recorded_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from genie_core.model import Attachment


def again(item: "Attachment", taken: "Container[str]" = ()) -> "Attachment":
    """The attachment as it was, without a result: with its addresses and MAC, where its plugins take them.

    `taken` are addresses that other containers have now: these are not asked for.
    """
    had = _had(item, taken)
    offered = offered_by(item.network)
    network, args = item.network, item.args
    if "ips" in had and "ips" not in offered and plugin_type(_ipam_type(item)).takes_args:
        network = with_cni_args(network, {"ips": decode(had["ips"])}, item.label)
    if "mac" in had and "mac" not in offered:
        args = _with_mac(args, decode(had["mac"]))
    by_capability = {name: raw for name, raw in had.items() if name in offered}
    return item.replace(
        network=network,
        args=args,
        result="",
        partial="",
        released=False,
        releasing=False,
        yielded=(),
        capabilities={**by_capability, **item.capabilities},
    )


def _with_mac(args: str, mac: str) -> str:
    """CNI_ARGS that ask for the MAC address, as bridge and macvlan read it; the same where others would refuse it."""
    others = without_mac(args)
    if not any(word.lower() in ("ignoreunknown=1", "ignoreunknown=true") for word in others.split(";")):
        return args
    return f"{others};MAC={mac}"


def without_mac(args: str) -> str:
    """CNI_ARGS for another attachment of the container: without the MAC address that one was asked for."""
    return ";".join(word for word in args.split(";") if word and not word.startswith("MAC="))


def can_ask_for_addresses(item: "Attachment") -> bool:
    """Whether its plugins can be asked for the addresses that it has; true where it has none."""
    if item.result and not recorded_result(item).result.ips:
        return True
    return "ips" in offered_by(item.network) or plugin_type(_ipam_type(item)).takes_args


def _had(item: "Attachment", taken: "Container[str]") -> dict[str, str]:
    """`ips` and `mac` of its recorded result, as raw JSON."""
    if not item.result:
        return {}  # it is asked for already
    result = recorded_result(item).result
    mac = next((link["mac"] for link in result.interfaces if link.get("sandbox") and link.get("mac")), "")
    ips = [ip["address"] for ip in result.ips if host(ip["address"]) not in taken]
    return {**({"ips": encode(ips)} if ips else {}), **({"mac": encode(mac)} if mac else {})}


def ipam_of(item: "Attachment") -> "dict[str, Any]":
    """The `ipam` of the plugin that makes the interface; {} without one."""
    ipam = view(item.network.plugins[0].text).get("ipam")
    return ipam if isinstance(ipam, dict) else {}


def _ipam_type(item: "Attachment") -> str:
    type_ = ipam_of(item).get("type")
    return type_ if isinstance(type_, str) else ""

"""What a pod asks of one network, as text: two selections that ask for the same have the same. Kubelet path.

    {"network": "ns/net1", "interface": "net1", "ips": ["10.1.0.5/24"], "default-route": [], "cni-args": {...}}

`network` is `NAMESPACE/NAME` for a definition, `logical/NAMESPACE/NAME` for a logical network, `cni/NAME` for a
network of the node. Members that the selection does not have are left out. The configuration is not part of it: an
edited definition alone changes no pod.
"""

from genie_core.jsontext import JSONError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genie_core.model import Attachment, Choice


def identity_of(choice: "Choice") -> str:
    """The network's name among all kinds of networks."""
    # a DefinitionSelection; importing its module would cost other pods a millisecond
    if hasattr(choice.selection, "namespace"):
        return choice.label
    is_logical = choice.label != choice.network.name
    return f"logical/{choice.label}" if is_logical else f"cni/{choice.network.name}"


def network_of(attachment: "Attachment") -> str:
    """The whole name of a journal's network; journals of version 1.0.0 have its label alone."""
    try:
        return str(decode(attachment.asked)["network"])
    except (JSONError, KeyError, TypeError):
        return attachment.label


def asked_by(choice: "Choice") -> str:
    """The text for a choice."""
    selection = choice.selection
    asked: dict[str, Any] = {"network": identity_of(choice)}
    if selection.ifname:
        asked["interface"] = selection.ifname
    for name, raw in sorted(getattr(selection, "capabilities", {}).items()):
        asked[name] = decode(raw)
    if choice.default_route is not None:
        asked["default-route"] = list(choice.default_route)
    if cni_args := getattr(selection, "cni_args", None):
        asked["cni-args"] = cni_args
    if choice.device or getattr(selection, "offers", None):
        asked["device"] = True
    return encode(asked)

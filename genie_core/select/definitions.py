"""A NetworkAttachmentDefinition and the selection for it -> the network to attach (NPWG 3.4; C15, C22-C24, C32-C36)."""

from genie_core.errors import InvalidConfig
from genie_core.fields import can_be_passed, get_object, get_str
from genie_core.gojson import Members, refuse_ambiguous, refuse_speaking_for_runtime, view
from genie_core.jsontext import JSONError, decode, encode
from genie_core.model import Choice
from genie_core.select.files import calls_self, is_self
from genie_core.spec.conf import offered_by, parse_network, with_cni_args, with_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from genie_core.model import NetConf
    from genie_core.select.npwg import DefinitionSelection

# The annotation of a definition that names the resource of which its networks take a device.
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
_DEVICE_KEYS = ("deviceID", "pciBusID")
# A definition has room for thousands, each a process to run, and with its own copy of the pod's `cni-args`.
MAX_PLUGINS = 64
# The annotation's key for a capability, where it is called otherwise.
_KEYS = {"infinibandGUID": "infiniband-guid"}


def choice_of(
    selection: "DefinitionSelection",
    definition: "Mapping[str, Any]",
    find_file: "Callable[[str], NetConf]",
    allow_cni_args: "Sequence[str]",
) -> Choice:
    """What the selection means. `find_file` looks an on-disk configuration up by its JSON name.

    Raises InvalidConfig naming the definition, the capability that no plugin of it offers, or the key of `cni-args`
    that is not the pod's to set.
    """
    network = inline_network(definition, selection.name, selection.label)
    if network is None:
        network = find_file(selection.name)
    elif not is_self(network):
        _refuse_ambiguous(network, _config_of(definition, selection.label), selection)
    if is_self(network):
        raise _leads_back(network, selection)
    if selection.cni_args:
        from genie_core.select.cni_args import refuse_forbidden

        refuse_forbidden(selection.cni_args, allow_cni_args, offered_by(network), selection.origin)
        network = with_cni_args(network, selection.cni_args, selection.origin)
    if "deviceID" in selection.offers:
        network = _with_own_device(network, selection)
    return Choice(
        selection,
        network,
        label=selection.label,
        capabilities=_capabilities(selection, network),
        additional=True,
        default_route=selection.default_route,
    )


def _refuse_ambiguous(network: "NetConf", text: str, selection: "DefinitionSelection") -> None:
    """Raise InvalidConfig where the definition's text could mean one thing to Genie and another to a plugin."""
    if calls_self(text):  # in a key that another one shadows
        raise _leads_back(network, selection)
    refuse_ambiguous(text, network.source)
    for plugin in network.plugins:
        refuse_speaking_for_runtime(plugin.text, network.source)


def _leads_back(network: "NetConf", selection: "DefinitionSelection") -> InvalidConfig:
    return InvalidConfig(
        f"{selection.origin}: {network.source} leads back to Genie", hint="name another plugin in it"
    )


def resource_of(definition: "Mapping[str, Any]", label: str) -> str:
    """The resource of which the network takes a device, "" for none. Raises InvalidConfig."""
    source = _source(label)
    metadata = get_object(definition, "metadata", where=source)
    return get_str(get_object(metadata, "annotations", where=source), RESOURCE_NAME, where=source).strip()


def names_device(network: "NetConf") -> bool:
    """Whether a plugin's configuration names a device itself."""
    return any(view(plugin.text).get(key) for plugin in network.plugins for key in _DEVICE_KEYS)


def inline_network(definition: "Mapping[str, Any]", name: str, label: str) -> "NetConf | None":
    """The network that the definition holds itself; None where it is in a file. Raises InvalidConfig."""
    text = _config_of(definition, label)
    source = f"{_source(label)}: spec.config"
    if not text.strip():
        return None
    network = parse_network(_named(text, name, source), source)
    if len(network.plugins) > MAX_PLUGINS:
        raise InvalidConfig(
            f"{source}: {len(network.plugins)} plugins, where a network may have {MAX_PLUGINS}",
            hint="shorten the chain",
        )
    return network


def _source(label: str) -> str:
    return f"NetworkAttachmentDefinition {label}"


def _config_of(definition: "Mapping[str, Any]", label: str) -> str:
    """The text of `spec.config`, "" where it is absent. Raises InvalidConfig."""
    source = _source(label)
    text = get_str(get_object(definition, "spec", where=source), "config", where=f"{source}: spec")
    if not can_be_passed(text):
        raise InvalidConfig(f"{source}: spec.config holds a NUL character or a lone surrogate")
    return text


def with_device(network: "NetConf", raw: str) -> "NetConf":
    """The network with a device, as raw JSON, in every plugin's configuration (NPWG, device-info specification)."""
    return with_members(network, dict.fromkeys(_DEVICE_KEYS, raw))


def _with_own_device(network: "NetConf", selection: "DefinitionSelection") -> "NetConf":
    """The network with the pod's device. The definition's own device stays: its author decides about hardware (C24)."""
    if names_device(network):
        raise InvalidConfig(
            f"{selection.origin}: deviceID is asked for, and {network.source} names a device itself",
            hint="leave deviceID out, or use a definition that leaves the device to the pod",
        )
    return with_device(network, selection.offers["deviceID"])


def _named(text: str, name: str, source: str) -> str:
    """The configuration with the object's name where it has none of its own (conformance C35)."""
    try:
        parts = Members(text)
    except JSONError as error:
        raise InvalidConfig(f"{source}: {error}", hint="correct the JSON at that place") from None
    own = decode(parts.get("name"))
    if own is None or (isinstance(own, str) and not own.strip()):
        parts.set("name", encode(name))
        return parts.text()
    return text


def _capabilities(selection: "DefinitionSelection", network: "NetConf") -> dict[str, str]:
    """What is asked of the plugins; an error where none of them offers it (conformance C15)."""
    offered = offered_by(network)
    for capability in selection.capabilities:
        if capability not in offered:
            key = _KEYS.get(capability, capability)
            raise InvalidConfig(
                f"{selection.origin}: {key} is asked for, and no plugin of network {network.name} offers it",
                details=f"configuration: {network.source}",
                hint=f'set "capabilities": {{"{capability}": true}} in a plugin that does it, or leave the key out',
            )
    return {**selection.capabilities, **{key: raw for key, raw in selection.offers.items() if key in offered}}

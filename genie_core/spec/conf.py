"""Network configurations: text -> NetConf, and NetConf -> what one plugin of the chain reads on stdin.

Sources: SPEC "Section 1: Network configuration format" and "Deriving request configuration from plugin
configuration"; libcni/conf.go. Pure; on the kubelet path.

A plugin's object is kept as the text that was read and edited only at its top level, so that numbers and unknown
fields reach the plugin as they were written (conformance B39, B64). Its keys are read and edited through `gojson`.
"""

from genie_core.errors import DecodingFailure, InvalidConfig
from genie_core.fields import describe, get_bool, get_list, get_object, get_str, get_strings
from genie_core.gojson import Members, view
from genie_core.jsontext import MOST_LEVELS, JSONError, elements, encode, is_deep, join_members
from genie_core.model import NetConf, PluginConf
from genie_core.spec import versions
from genie_core.spec.request import is_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Siblings = Callable[[str], Sequence[tuple[str, str]]]

# What a file without cniVersion means: CNI-Genie filled in 0.3.0, and its users' files rely on it (conformance B38).
DEFAULT_VERSION = "0.3.0"

# The capability whose argument is the file in which a plugin describes the pod's device (device-info specification).
DEVICE_INFO = "CNIDeviceInfoFile"


def _decode_object(text: str, source: str) -> "dict[str, Any]":
    try:
        value = view(text)
    except JSONError as error:
        raise InvalidConfig(f"{source}: {error}", hint="correct the JSON at that place") from None
    if not isinstance(value, dict):
        raise InvalidConfig(f"{source}: an object was expected, not {describe(value)}")
    if text.count("{") + text.count("[") > MOST_LEVELS and is_deep(value):
        raise InvalidConfig(f"{source}: nested more than {MOST_LEVELS} levels deep")
    return value


def parse_network(text: str, source: str, *, siblings: "Siblings | None" = None) -> NetConf:
    """A configuration list, or a single plugin's configuration as a list of one.

    `siblings` gives the (path, text) of the files in the folder named like the network, for lists that load
    plugins from there (conformance B11); None where there is no such folder, as for an API object (B13).
    Raises InvalidConfig naming `source` and the place.
    """
    data = _decode_object(text, source)
    is_list = "plugins" in data or ("type" not in data and "name" in data)
    return _parse_network(data, text, source, siblings, is_list=is_list)


def _parse_network(
    data: "Mapping[str, Any]", text: str, source: str, siblings: "Siblings | None", *, is_list: bool
) -> NetConf:
    try:
        if is_list:
            return _parse_list(data, text, source, siblings)
        return _parse_single(data, text, source)
    except JSONError as error:  # a duplicate key can hide an array from `elements`
        raise InvalidConfig(f"{source}: {error}") from None
    except (InvalidConfig, DecodingFailure) as error:
        if error.msg.startswith(source):
            raise
        raise InvalidConfig(f"{source}: {error.msg}", details=error.details, hint=error.hint) from None


def parse_file(text: str, path: str, siblings: "Siblings | None" = None) -> NetConf:
    """The configuration in a file, held to what its extension promises (conformance B06, B07)."""
    data = _decode_object(text, path)
    is_list = path.endswith(".conflist")
    if not is_list and "type" not in data:
        raise InvalidConfig(
            f"{path}: missing 'type'",
            hint="a list of plugins goes into a .conflist file: rename it, or give it a type",
        )
    if is_list and "type" in data and "plugins" not in data:
        raise InvalidConfig(
            f"{path}: no plugins in list", hint="a single plugin's configuration goes into a .conf file"
        )
    return _parse_network(data, text, path, siblings, is_list=is_list)


def _parse_name(data: "Mapping[str, Any]") -> str:
    name = get_str(data, "name")
    if not name.strip():
        raise InvalidConfig("no name", hint='a network configuration needs a "name"')
    if not is_identifier(name):
        raise InvalidConfig(f"invalid characters found in network name {name!r}")
    return name


def _parse_version(data: "Mapping[str, Any]") -> str:
    return versions.choose(get_strings(data, "cniVersions"), get_str(data, "cniVersion")) or DEFAULT_VERSION


def _parse_list(data: "Mapping[str, Any]", text: str, source: str, siblings: "Siblings | None") -> NetConf:
    name = _parse_name(data)
    inline_only = get_bool(data, "loadOnlyInlinedPlugins")
    if "plugins" in data:
        get_list(data, "plugins")
        texts = elements(Members(text).get("plugins")) if data["plugins"] else []
        if not texts:
            raise InvalidConfig("no plugins in list", hint='"plugins" needs at least one entry')
        plugins = [_parse_plugin(raw, f"plugins[{index}]") for index, raw in enumerate(texts)]
    elif inline_only:
        raise InvalidConfig('no plugins in list: "loadOnlyInlinedPlugins" is true and "plugins" is missing')
    else:
        plugins = []
    if siblings is not None and not inline_only:
        plugins += [_parse_plugin(raw, path) for path, raw in siblings(name)]
    if not plugins:
        raise InvalidConfig(
            "no plugin configs found", hint='add "plugins", or files to the folder named like the network'
        )
    return NetConf(
        name=name,
        version=_parse_version(data),
        plugins=plugins,
        source=source,
        disable_check=get_bool(data, "disableCheck"),
        disable_gc=get_bool(data, "disableGC"),
    )


def _parse_single(data: "Mapping[str, Any]", text: str, source: str) -> NetConf:
    plugin = _parse_plugin(text, "")
    return NetConf(name=_parse_name(data), version=_parse_version(data), plugins=[plugin], source=source)


def _parse_plugin(text: str, where: str) -> PluginConf:
    try:
        data = view(text)
    except JSONError as error:
        raise InvalidConfig(f"{where}: {error}") from None
    if not isinstance(data, dict):
        raise InvalidConfig(f"{where} must be an object, not {describe(data)}")
    type_ = get_str(data, "type", where=where)
    if not type_:
        raise InvalidConfig(f"{where + ': ' if where else ''}missing 'type'")
    check_plugin_type(type_)
    for key, value in get_object(data, "capabilities", where=where).items():
        if not isinstance(value, bool):
            raise InvalidConfig(
                f"{where or 'configuration'}: capability {key!r} must be true or false, not {describe(value)}"
            )
    return PluginConf(type_, text)


def check_plugin_type(name: str) -> None:
    """Refuse a type that could leave the plugin directories (CVE-2021-20206). Raises InvalidConfig."""
    if name in (".", "..") or any(char in "/\\\0" for char in name) or not name.isprintable():
        raise InvalidConfig(
            f"invalid plugin name: {name!r}", hint="a plugin's type is a file name, without a path"
        )


def capabilities_of(plugin: PluginConf) -> set[str]:
    """The capabilities that the plugin's configuration switches on (CONVENTIONS, "Dynamic Plugin specific Fields")."""
    return {key for key, on in get_object(view(plugin.text), "capabilities").items() if on is True}


def offered_by(network: NetConf) -> set[str]:
    """The capabilities that any plugin of the network takes."""
    return set().union(*map(capabilities_of, network.plugins))


def plugin_input(
    network: NetConf,
    plugin: PluginConf,
    *,
    prev_result: str = "",
    capabilities: "Mapping[str, str] | None" = None,
    extra: "Mapping[str, str] | None" = None,
) -> str:
    """What the plugin reads on stdin (SPEC, section 3; conformance B37-B44, B74).

    `capabilities` maps the names that the runtime supplied to raw JSON; only those that this plugin switches
    on are passed. `extra` are further members as raw JSON, such as GC's list of valid attachments.
    """
    parts = Members(plugin.text)
    parts.drop_reserved()
    parts.set("name", encode(network.name))
    parts.set("cniVersion", encode(network.version))
    if capabilities:
        wanted = capabilities_of(plugin)
        passed = {key: raw for key, raw in capabilities.items() if key in wanted}
        if passed:
            parts.set("runtimeConfig", join_members(passed))
    if prev_result:
        parts.set("prevResult", prev_result)
    if extra:
        parts.update(extra)
    return parts.text()


def with_cni_args(network: NetConf, args: "Mapping[str, Any]", origin: str) -> NetConf:
    """The network with `args` merged into `args.cni` of every plugin, the given value winning (conformance C22).

    Raises InvalidConfig where the configuration's own `args` are no objects.
    """
    added = {key: encode(value) for key, value in args.items()}
    return network.replace(
        plugins=[_with_cni_args(plugin, added, network, origin) for plugin in network.plugins]
    )


def _with_cni_args(
    plugin: PluginConf, added: "Mapping[str, str]", network: NetConf, origin: str
) -> PluginConf:
    parts = Members(plugin.text)
    try:
        outer = _members_or_none(parts.get("args"))
        inner = _members_or_none(outer.get("cni"))
    except JSONError:
        raise InvalidConfig(
            f"{origin}: cni-args cannot be merged: args of plugin {plugin.type} in {network.source} is no object"
        ) from None
    inner.update(added)
    outer.set("cni", inner.text())
    parts.set("args", outer.text())
    return PluginConf(plugin.type, parts.text())


def _members_or_none(raw: str) -> Members:
    return Members(raw if raw != "null" else "{}")


def with_members(network: NetConf, added: "Mapping[str, str]") -> NetConf:
    """The network with members, as raw JSON, set in every plugin's object."""
    return network.replace(plugins=[_with_members(plugin, added) for plugin in network.plugins])


def _with_members(plugin: PluginConf, added: "Mapping[str, str]") -> PluginConf:
    parts = Members(plugin.text)
    parts.update(added)
    return PluginConf(plugin.type, parts.text())

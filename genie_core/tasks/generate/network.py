"""A CNI plugin's configuration from a few options and the node; the rest is chosen, and each choice is noted."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from genie_core.catalog import PLUGINS, Ipam, NodeView, Plugin, Role, of_type
from genie_core.catalog.plugin import Wanted
from genie_core.checks.configuration import node_view
from genie_core.checks.subnets import used_subnets
from genie_core.errors import InvalidConfig, WrongUsage
from genie_core.jsontext import JSONError, decode
from genie_core.published import JSON
from genie_core.select.files import derived_name
from genie_core.spec.ranges import raw_ranges
from genie_core.spec.versions import CURRENT, SUPPORTED, at_least
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import Facts
from genie_core.survey.selection import candidates
from genie_core.survey.versions import chain_binaries, common_versions
from genie_core.tasks.generate.applies import flag_of, refuse, refuse_unknown_members, require_read, watched
from genie_core.tasks.generate.request import GenerateOptions, set_path

_POOL = "10.200.0.0/15"  # the range of free subnets: no distribution has pods or services in it
_NEW_PREFIX = 24
_FALLBACK_VERSION = "1.0.0"


@dataclass(slots=True)
class Draft:
    """A configuration that is being built."""

    document: JSON
    plugin: Plugin
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.document["name"])

    @property
    def text(self) -> str:
        """The text of its file."""
        return json.dumps(self.document, indent=2, ensure_ascii=False) + "\n"


def draft_network(options: GenerateOptions, facts: Facts) -> Draft:
    """The configuration for a catalogue type, or from a given one. Raises InvalidConfig for what cannot work."""
    view = replace(node_view(facts), bridges=_bridges(facts, options.wanted.name))
    draft = _from_base(options, facts) if options.base else _from_type(options, facts, view)
    for path, value in options.changes:
        try:
            set_path(
                draft.document,
                path if path.startswith("plugins") or path in _TOP else f"plugins[0].{path}",
                value,
            )
        except ValueError as error:
            raise WrongUsage(f"--set {error}") from None
    _choose_version(draft, options, facts)
    return draft


def _bridges(facts: Facts, name: str) -> frozenset[str]:
    """The bridges of the other networks; an older file of this one may keep its own."""
    others = [file for file in facts.conf_files if file.network and file.network.name != name]
    return frozenset(
        str(entry.get("bridge") or "cni0")
        for file in others
        for entry in file.chain
        if entry.get("type") == "bridge"
    )


_TOP = ("name", "cniVersion", "cniVersions", "disableCheck", "disableGC", "plugins", "loadOnlyInlinedPlugins")


def plugin_named(name: str) -> Plugin:
    """The catalogue's plugin of that name, or of that `type`. Raises GenieError with the nearest name."""
    found = PLUGINS.get(name) or of_type(name)
    if found is not None:
        return found
    near = get_close_matches(name, list(PLUGINS), n=1)
    raise WrongUsage(
        f'unknown type "{name}"',
        hint=f"did you mean {near[0]}?"
        if near
        else f"known are {', '.join(PLUGINS)}; --from FILE takes any type",
    )


def _from_type(options: GenerateOptions, facts: Facts, view: NodeView) -> Draft:
    plugin = plugin_named(options.type)
    if plugin.role in (Role.META, Role.IPAM):
        _refuse_part(plugin)
    notes: list[str] = []
    wanted = _complete(options, plugin, facts, notes)
    asked, read = watched(wanted)
    entry = plugin.entry(asked, view)
    if plugin.ipam in (Ipam.REQUIRED, Ipam.OPTIONAL) and "ipam" not in entry:
        entry["ipam"] = _ipam(options, asked, view)
    elif options.ipam:
        refuse(["--ipam"], f"a {plugin.type} network")
    chain = [entry, *_chained(options, plugin, facts, asked, view, notes)]
    with_ipam = f" with --ipam {options.ipam}" if options.ipam else ""
    require_read(options.wanted, read, f"a {plugin.type} network{with_ipam}")
    settings = {"disableCheck": True} if _uncheckable(chain, notes) else {}
    document = {"cniVersion": "", "name": wanted.name, **settings, "plugins": chain}
    return Draft(document=document, plugin=plugin, notes=notes)


def _uncheckable(chain: Sequence[JSON], notes: list[str]) -> bool:
    """Whether CHECK fails on a healthy pod with these plugins, which CRI-O takes for a failed ADD."""
    known = [(of_type(str(entry["type"])), entry) for entry in chain]
    reasons = [why for plugin, entry in known if plugin and (why := plugin.why_check_fails(entry))]
    notes += [f"disableCheck is set: {reason}" for reason in reasons]
    return bool(reasons)


def _refuse_part(plugin: Plugin) -> None:
    use = f"--chain {plugin.type}" if plugin.role is Role.META else f"--ipam {plugin.type}"
    what = (
        "only works behind another plugin"
        if plugin.role is Role.META
        else "only gives addresses to another plugin"
    )
    raise WrongUsage(
        f"{plugin.type} {what}, so it is no network by itself", hint=f"genie generate-config bridge {use}"
    )


# --- defaults from the node ------------------------------------------------------------------------------------


def _complete(options: GenerateOptions, plugin: Plugin, facts: Facts, notes: list[str]) -> Wanted:
    given = frozenset(path.removeprefix("plugins[0].") for path, _ in options.changes)
    wanted = replace(options.wanted, name=options.wanted.name or _free_name(plugin.type, facts), given=given)
    wanted = replace(wanted, mtu=wanted.mtu or _smaller_mtu(plugin, facts, notes))
    if plugin.type == "vlan" and not wanted.vlan:
        notes.append("VLAN 100 is a guess: --vlan names the right one")
    needs_subnet = (
        plugin.role is Role.INTERFACE
        and plugin.ipam is not Ipam.NONE
        and (options.ipam or "host-local") in ("host-local", "whereabouts")
    )
    if not needs_subnet:
        return replace(wanted, default_route=bool(wanted.gateway))
    if wanted.subnet:
        return replace(
            wanted, subnet=_parse_subnet(wanted.subnet), default_route=_wants_route(plugin, wanted)
        )
    subnet = free_subnet(facts, wanted.name)
    notes.append(f"subnet {subnet} is free on this node; --subnet names another")
    if plugin.on_lan:
        notes.append(
            f"{plugin.type} puts pods on the LAN of its parent, with the same addresses on every node that has "
            "this file: give each node a range of its own (--range-start, --range-end), or use --ipam dhcp"
        )
    return replace(wanted, subnet=subnet, default_route=_wants_route(plugin, wanted))


def _smaller_mtu(plugin: Plugin, facts: Facts, notes: list[str]) -> int:
    """The MTU for interfaces that do not inherit it from a parent: the uplink's where that is not the usual one."""
    link = facts.node.default_link
    if link is None or plugin.type not in ("bridge", "ptp", "tap") or link.mtu in (0, 1500):
        return 0
    notes.append(f"MTU {link.mtu} is that of {link.name}, which leads out of this node")
    return link.mtu


def _wants_route(plugin: Plugin, wanted: Wanted) -> bool:
    """A default route where a next hop answers: the bridge, the node, or a gateway that was named."""
    return bool(wanted.gateway) or not (plugin.on_lan or plugin.type in ("dummy", "tap"))


def _parse_subnet(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        fixed = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise WrongUsage(f"--subnet {text} is not a subnet", hint="write it as 10.1.0.0/24") from None
    raise WrongUsage(f"--subnet {text} has host bits set, which host-local refuses", hint=f"write {fixed}")


def free_subnet(facts: Facts, name: str = "") -> str:
    """A /24 that overlaps no interface, route or network of the node but `name`. Raises InvalidConfig without one."""
    taken = [ipaddress.ip_network(subnet) for subnet in facts.node.subnets if "." in subnet]
    taken += [used.span.subnet for used in used_subnets(facts.conf_files) if used.network != name]
    for candidate in ipaddress.ip_network(_POOL).subnets(new_prefix=_NEW_PREFIX):
        if not any(candidate.version == other.version and candidate.overlaps(other) for other in taken):
            return str(candidate)
    raise InvalidConfig(f"no free subnet in {_POOL}", hint="name one with --subnet")


def _free_name(base: str, facts: Facts) -> str:
    taken = {file.network.name for file in facts.conf_files if file.network}
    return next(name for n in range(1, 1000) if (name := base if n == 1 else f"{base}{n}") not in taken)


def _ipam(options: GenerateOptions, wanted: Wanted, view: NodeView) -> JSON:
    chosen = options.ipam or ("static" if wanted.addresses else "host-local")
    plugin = of_type(chosen)
    if plugin is None or plugin.role is not Role.IPAM:
        known = ", ".join(p.type for p in PLUGINS.values() if p.role is Role.IPAM)
        raise WrongUsage(f'unknown address plugin "{chosen}"', hint=f"known are {known}")
    return plugin.entry(wanted, view)


def _chained(
    options: GenerateOptions,
    plugin: Plugin,
    facts: Facts,
    wanted: Wanted,
    view: NodeView,
    notes: list[str],
) -> Iterator[JSON]:
    names = options.chain
    if names is None:
        installed = facts.find_binary("portmap", tuple(facts.binaries)) is not None
        names = ("portmap",) if plugin.host_ports and installed else ()
        if plugin.host_ports and not installed:
            notes.append(
                "portmap is not installed here, so hostPort will not work; --chain portmap adds it anyway"
            )
    for name in names:
        known = of_type(name)
        if known is None or known.role is not Role.META:
            meta = ", ".join(p.type for p in PLUGINS.values() if p.role is Role.META)
            raise WrongUsage(f'"{name}" cannot be chained', hint=f"these can: {meta}")
        yield known.entry(wanted, view)


# --- from a file -----------------------------------------------------------------------------------------


def _from_base(options: GenerateOptions, facts: Facts) -> Draft:
    data = _decode(options.base, options.base_source)
    chain = data.get("plugins") if "plugins" in data else [_without_list_keys(data)]
    if not isinstance(chain, list) or not chain or not all(isinstance(entry, dict) for entry in chain):
        raise InvalidConfig(
            f'{options.base_source}: "plugins" must be an array of objects with at least one entry'
        )
    first = str(chain[0].get("type", ""))
    plugin = of_type(first) or Plugin(type=first, role=Role.INTERFACE, summary="unknown to the catalogue")
    if options.type and options.type not in (plugin.type, first):
        raise InvalidConfig(f"{options.base_source} is a {first} configuration, not {options.type}")
    name = options.wanted.name or str(data.get("name") or "") or _free_name(plugin.type, facts)
    kept = {
        key: data[key]
        for key in _TOP
        if key in data and key not in ("name", "plugins", "cniVersion", "cniVersions")
    }
    draft = Draft(document={"cniVersion": "", "name": name, **kept, "plugins": chain}, plugin=plugin)
    others = {
        "--ipam": options.ipam,
        "--chain": options.chain is not None,
        "--address": options.wanted.addresses,
    }
    refuse([flag for flag, said in others.items() if said], "a configuration that --from gives")
    _override(draft, options.wanted)
    _straighten(draft)
    return draft


def _decode(text: str, source: str) -> JSON:
    try:
        data = decode(text)
    except JSONError as error:
        raise InvalidConfig(f"{source}: {error}", hint="correct the JSON there") from None
    if not isinstance(data, dict):
        raise InvalidConfig(f"{source}: an object was expected")
    return data


def _without_list_keys(data: JSON) -> JSON:
    return {key: value for key, value in data.items() if key not in _TOP}


def _override(draft: Draft, wanted: Wanted) -> None:
    """Apply the options to the configuration of the file."""
    first = draft.document["plugins"][0]
    given = {"master": wanted.master, "bridge": wanted.bridge, "mode": wanted.mode, "mtu": wanted.mtu}
    given["vlanId" if draft.plugin.type == "vlan" else "vlan"] = wanted.vlan
    given = {key: value for key, value in given.items() if value}
    if draft.plugin.fields:  # of a plugin that the catalogue knows
        refuse_unknown_members(given, (field.name for field in draft.plugin.fields), draft.plugin.type)
    first |= given
    names = {"subnet": "subnet", "gateway": "gateway", "rangeStart": "range_start", "rangeEnd": "range_end"}
    span = {key: getattr(wanted, name) for key, name in names.items() if getattr(wanted, name)}
    ipam = first.get("ipam")
    if not isinstance(ipam, dict):
        refuse([flag_of(names[key]) for key in span], "a configuration without ipam")
    elif span:
        target = next((entry for _, entry in raw_ranges(ipam, "") if isinstance(entry, dict)), ipam)
        target.update(span)


def _straighten(draft: Draft) -> None:
    """Correct what no plugin accepts and what has only one meaning: host bits of a subnet."""
    for entry in draft.document["plugins"]:
        ipam = entry.get("ipam")
        for _, span in raw_ranges(ipam, "") if isinstance(ipam, dict) else ():
            _clear_host_bits(span, draft.notes)


def _clear_host_bits(span: Mapping[str, Any], notes: list[str]) -> None:
    try:
        network = ipaddress.ip_network(str(span["subnet"]), strict=False)
    except ValueError:
        return
    if str(network) != span["subnet"] and isinstance(span, dict):
        notes.append(f"subnet {span['subnet']} had host bits set: it is {network} now")
        span["subnet"] = str(network)


# --- versions --------------------------------------------------------------------------------------------


def _choose_version(draft: Draft, options: GenerateOptions, facts: Facts) -> None:
    """The highest version that every plugin of the chain lists; the wanted one if they all do."""
    draft.document["cniVersion"] = draft.document["cniVersion"] or _FALLBACK_VERSION
    file = parse_conf(f"{options.conf_dir}/draft.conflist", draft.text)
    binaries = chain_binaries(file, facts, tuple(facts.binaries))
    common = [version for version in common_versions(binaries) if version in SUPPORTED]
    silent = sorted({b.type for b in binaries if not b.versions})
    if silent:
        draft.notes.append(f"{', '.join(silent)} did not say which versions they do")
    if options.version:
        draft.document["cniVersion"] = options.version
    elif common:
        _write_versions(draft.document, common)
    elif any(binary.versions for binary in binaries):
        listed = "; ".join(f"{b.type} does {', '.join(b.versions)}" for b in binaries if b.versions)
        raise InvalidConfig("the plugins of the chain have no version in common", details=listed)
    elif not set(options.changes and dict(options.changes)) & {"cniVersion"}:
        draft.document["cniVersion"] = _FALLBACK_VERSION
        draft.notes.append(f"no plugin could be asked: cniVersion {_FALLBACK_VERSION} is a guess")


def _write_versions(document: dict[str, Any], common: Sequence[str]) -> None:
    """The cniVersions list: runtimes from before CNI 1.1.0 (containerd 1.7) read cniVersion alone and refuse 1.1.0."""
    old = next((version for version in common if not at_least(version, CURRENT)), common[0])
    versions = {"cniVersion": old, **({"cniVersions": [old, common[0]]} if old != common[0] else {})}
    rest = {key: value for key, value in document.items() if key not in versions}
    document.clear()
    document.update(versions | rest)


def file_name(draft: Draft, facts: Facts, directory: str) -> str:
    """The name of its file: it sorts after the runtime's current file, and pods can use it as the network's name."""
    existing = {derived_name(file.path): file.path for file in facts.directories.get(directory, ())}
    if draft.name in existing:
        return existing[draft.name].rpartition("/")[2].rpartition(".")[0] + ".conflist"
    return f"90-{draft.name}.conflist"


def sorts_first(name: str, facts: Facts, directory: str) -> str:
    """The file that the runtime would stop using for a new one of that name; "" for none."""
    current: Sequence[Any] = candidates(facts.directories.get(directory, ()))
    if not current or current[0].file == name or name > current[0].file:
        return ""
    return str(current[0].file)

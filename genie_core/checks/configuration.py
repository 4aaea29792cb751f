"""GN10xx: what is wrong with the configuration files themselves, one by one and beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genie_core.catalog import NodeView, of_type
from genie_core.catalog.plugin import LinkView
from genie_core.catalog.positions import positions
from genie_core.catalog.schema import Problem
from genie_core.checks.node_wording import at, fix, from_problem, line_of
from genie_core.fields import get_list
from genie_core.findings import Evidence, Finding, Severity
from genie_core.gojson import view
from genie_core.select.files import SELF_TYPE, is_self
from genie_core.survey.node_facts import ConfFile, NodeFacts
from genie_core.survey.selection import Choice, candidates, choices, in_use, objections
from genie_core.survey.versions import chain_binaries, common_versions, refuses_version

# Networks that container engines install for themselves: a cluster's pods do not belong there.
_ENGINES = {
    "podman": "Podman",
    "cni-podman": "Podman",
    "nerdctl": "nerdctl",
    "crio": "CRI-O's sample",
    "docker": "Docker",
}
_DISPATCHERS = ("genie", "multus", "multus-shim", "multus-cni")


def unreadable_files(facts: NodeFacts) -> Iterator[Finding]:
    """GN1001, GN1002: files that are not JSON, or not a network configuration."""
    used = in_use(facts)
    for file in facts.files:
        if file.ignored or not file.error:
            continue
        blocks = file.path in used
        place = f" line {file.line} col {file.column}" if file.line else ""
        effect = "; because it sorts first, it blocks every network of the directory" if blocks else ""
        yield Finding(
            code="GN1002" if file.is_json and file.text is not None else "GN1001",
            severity=Severity.FATAL if blocks else Severity.ERROR,
            title=f"{file.file}{place}: {file.error}{effect}",
            object=at(file),
            evidence=(line_of(file, file.line),) if file.line else (),
            remedy=fix(
                file.hint or "correct the file, or move it out of the directory",
                ["genie", "generate-config", "--check", file.path],
            ),
        )


def duplicate_networks(facts: NodeFacts) -> Iterator[Finding]:
    """GN1003: two files of a directory with one network name; they share leases and cache entries."""
    for entries in facts.directories.values():
        first: dict[str, ConfFile] = {}
        for file in candidates(entries):
            if file.network is None:
                continue
            other = first.setdefault(file.network.name, file)
            if other is not file:
                yield Finding(
                    code="GN1003",
                    severity=Severity.ERROR,
                    title=f'{file.file}: network name "{file.network.name}" is already taken by {other.file}',
                    object=at(file, "name"),
                    evidence=(line_of(other, at(other, "name").line), line_of(file, at(file, "name").line)),
                    remedy=fix("give each network a name of its own, or remove one of the files"),
                )


def repeated_keys(facts: NodeFacts) -> Iterator[Finding]:
    """GN1004: a key that is twice in one object; Go takes the last."""
    for file in facts.files:
        for path in positions(file.text).repeated if file.text and file.network else ():
            yield Finding(
                code="GN1004",
                severity=Severity.WARNING,
                title=f"{file.file}: {path} is there twice to plugins, which take the last one",
                object=at(file, path),
                evidence=(line_of(file, at(file, path).line),),
                remedy=fix("remove one of the two"),
            )


def ignored_files(facts: NodeFacts) -> Iterator[Finding]:
    """GN1005: files that look like configurations and that no runtime reads."""
    for file in facts.files:
        if not file.ignored:
            continue
        renamed = file.file.endswith(".cilium_bak")
        original = file.path.removesuffix(".cilium_bak")
        yield Finding(
            code="GN1005",
            severity=Severity.WARNING if renamed else Severity.INFO,
            title=f"{file.file} is not used: {file.ignored}",
            object=at(file),
            remedy=fix(
                "set cni.exclusive=false in Cilium's Helm values, then give the file its name back",
                ["mv", file.path, original],
                risk="the runtime may pick the restored file for new pods at once",
            )
            if renamed
            else None,
        )


def foreign_first(facts: NodeFacts) -> Iterator[Finding]:
    """GN1006: a runtime uses somebody else's file although Genie's, or the cluster's, is there."""
    for choice in choices(facts):
        chosen = choice.first
        if chosen is None or chosen.network is None or is_self(chosen.network):
            continue
        others = [file for file in candidates(facts.directories[choice.runtime.conf_dir]) if file.network]
        own = [file for file in others if file.network and is_self(file.network)]
        if own and choice.runtime.kind == "crio" and any(objections(own[0], facts)):
            continue  # it is skipped for a plugin's sake, which is a finding of its own
        if own and choice.runtime.default_network:
            yield _other_by_name(choice, own[0])
            continue
        engine = _engine(chosen)
        rest = [file for file in others if file is not chosen and not _engine(file)]
        if not own and not (engine and rest):
            continue
        wanted = (own or rest)[0]
        yield Finding(
            code="GN1006",
            severity=Severity.FATAL,
            title=f"{choice.runtime.name} picks {chosen.file} before {wanted.file}: "
            f'new pods get network "{chosen.network.name}"{f" of {engine}" if engine else ""}',
            object=at(chosen),
            evidence=(
                Evidence(
                    source=choice.runtime.conf_dir,
                    command=f"ls {choice.runtime.conf_dir}",
                    value=" ".join(
                        file.file for file in candidates(facts.directories[choice.runtime.conf_dir])
                    ),
                ),
            ),
            remedy=fix(
                f"move {chosen.file} away, or give it a name that sorts after {wanted.file}",
                ["mv", chosen.path, f"{chosen.directory}/99-{chosen.file.lstrip('0123456789-')}"],
                risk="pods that run keep their network; new ones get the other",
            ),
        )


def _other_by_name(choice: Choice, own: ConfFile) -> Finding:
    """CRI-O was told which network to use: the order of the files does not matter."""
    runtime, name = choice.runtime, own.network.name if own.network else ""
    source = runtime.sources.get("default_network", "")
    return Finding(
        code="GN1006",
        severity=Severity.FATAL,
        title=f'{runtime.name} uses the network "{runtime.default_network}", which cni_default_network names, '
        f'and not "{name}" of {own.file}: new pods do not get the networks that they ask for',
        object=at(own),
        evidence=(
            Evidence(
                source=source,
                command=f"grep -n cni_default_network {source}",
                value=f'cni_default_network = "{runtime.default_network}"',
            ),
        ),
        remedy=fix(f'set cni_default_network = "{name}" in {source}, then restart CRI-O'),
    )


def _engine(file: ConfFile) -> str:
    """Whose default network a file is, "" for a cluster's own."""
    name = file.network.name if file.network else ""
    bridges = [str(entry.get("bridge", "")) for entry in file.chain]
    for sign, owner in _ENGINES.items():
        if name == sign or name.startswith(f"{sign}-") or any(bridge.startswith(sign) for bridge in bridges):
            return owner
    return ""


def self_delegation(facts: NodeFacts) -> Iterator[Finding]:
    """GN1007: a configuration that leads Genie back to itself (conformance B15)."""
    for file in facts.files:
        types = [str(entry.get("type", "")) for entry in file.chain]
        for index, entry in enumerate(file.chain):
            where = file.where(index)
            if types[index] == SELF_TYPE:
                problem = _leads_back(entry, where, types)
            elif types[index].startswith("multus"):
                problem = _multus_leads_back(entry, where, facts, file)
            else:
                problem = None
            if problem:
                yield from_problem(file, problem)


def _leads_back(entry: Mapping[str, Any], where: str, types: list[str]) -> Problem | None:
    default = str(entry.get("default_plugin") or "")
    names = [name.partition("@")[0].strip() for name in default.split(",")]
    if SELF_TYPE in names:
        path = f"{where}.default_plugin" if where else "default_plugin"
        return Problem(
            path=path, text="names Genie itself", hint="name one of the other networks", code="GN1007"
        )
    if types.count(SELF_TYPE) > 1:
        return Problem(path=where, text="calls Genie twice in one chain", hint="keep one", code="GN1007")
    return None


def _multus_leads_back(
    entry: Mapping[str, Any], where: str, facts: NodeFacts, file: ConfFile
) -> Problem | None:
    target = str(entry.get("clusterNetwork") or "")
    delegates = entry.get("delegates")
    inline = [d.get("type") for d in delegates if isinstance(d, dict)] if isinstance(delegates, list) else []
    genie = [f for f in facts.files if f.network and f is not file and is_self(f.network)]
    named = any(target in (f.path, f.network.name) for f in genie if f.network)
    if not named and SELF_TYPE not in inline:
        return None
    path = f"{where}.clusterNetwork" if where else "clusterNetwork"
    text = "leads to Genie, whose default network may be this file again"
    return Problem(path=path, text=text, hint="let only one of Genie and Multus dispatch", code="GN1007")


def two_dispatchers(facts: NodeFacts) -> Iterator[Finding]:
    """GN1008: Genie and Multus side by side, each of which wants to be the runtime's choice."""
    for directory, entries in facts.directories.items():
        found = {
            str(file.chain[0].get("type")): file
            for file in candidates(entries)
            if file.chain and file.chain[0].get("type") in _DISPATCHERS
        }
        if SELF_TYPE in found and len(found) > 1:
            other = next(file for type_, file in found.items() if type_ != SELF_TYPE)
            yield Finding(
                code="GN1008",
                severity=Severity.WARNING,
                title=f"{directory} has both {found[SELF_TYPE].file} and {other.file}: only the first by name is used",
                object=at(other),
                remedy=fix(
                    "uninstall one of the two dispatchers, or keep the delegate's file in /etc/cni/genie/net.d"
                ),
            )


def plugin_problems(facts: NodeFacts) -> Iterator[Finding]:
    """GN1010-GN1034: what the catalogue says of each plugin's object, its address plugin included."""
    node = node_view(facts)
    used = in_use(facts)
    for file in facts.files:
        for problem in file_problems(file, node):
            severity = Severity.FATAL if problem.severity is Severity.ERROR and file.path in used else None
            yield from_problem(file, problem, severity)


def file_problems(file: ConfFile, node: NodeView) -> Iterator[Problem]:
    """Everything the catalogue finds in one file."""
    for index, entry in enumerate(file.chain):
        where = file.where(index)
        plugin = of_type(str(entry.get("type", "")))
        extra = _LIST_KEYS if file.is_single else ()
        if plugin is not None:
            yield from (p for p in plugin.problems(entry, where, node) if p.path not in extra)
        ipam = entry.get("ipam")
        address_plugin = of_type(str(ipam.get("type", ""))) if isinstance(ipam, dict) else None
        if isinstance(ipam, dict) and address_plugin is not None:
            yield from address_plugin.problems(ipam, f"{where}.ipam" if where else "ipam", node)
        elif (
            isinstance(ipam, dict) and ipam and not ipam.get("type") and plugin and plugin.ipam.value != "own"
        ):
            yield Problem(
                path=f"{where}.ipam.type" if where else "ipam.type",
                text="is missing",
                hint="host-local, dhcp, ...",
            )


# Keys of a list, which a single configuration may have at its top too.
_LIST_KEYS = ("cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins")


def node_view(facts: NodeFacts) -> NodeView:
    """The node as far as the catalogue's checks look at it."""
    if facts.net is None:
        return NodeView()
    links = {
        link.name: LinkView(
            name=link.name, mtu=link.mtu, up=link.up, kind=link.kind, addresses=link.addresses
        )
        for link in facts.net.links.values()
    }
    default = facts.net.default_route
    return NodeView(links=links, default_link=default.device if default else "", subnets=facts.net.subnets)


def check_fails(facts: NodeFacts) -> Iterator[Finding]:
    """GN1042: a chain whose CHECK fails for healthy pods, where the runtime calls it after each ADD, as CRI-O does."""
    for file in facts.files:
        readers = [runtime for runtime in facts.runtimes if runtime.conf_dir == file.directory]
        kinds = {runtime.kind for runtime in readers or facts.runtimes}  # others are read through Genie
        if file.network is None or file.network.disable_check or (kinds and "crio" not in kinds):
            continue
        plugins = [(index, of_type(plugin.type)) for index, plugin in enumerate(file.network.plugins)]
        for index, plugin in plugins:
            if plugin and plugin.check_fails:
                yield Finding(
                    code="GN1042",
                    severity=Severity.ERROR,
                    title=f"{file.file}: {plugin.check_fails}; CRI-O calls CHECK after each ADD, and fails the pod",
                    object=at(file, file.where(index)),
                    remedy=fix('set "disableCheck": true beside "plugins"'),
                )


def versions_refused(facts: NodeFacts) -> Iterator[Finding]:
    """GN1040: a cniVersion that a plugin of the chain does not list."""
    used = in_use(facts)
    for file in facts.files:
        path = facts.search_path(file.directory)
        refusing = refuses_version(file, facts, path)
        if not refusing or file.network is None:
            continue
        common = common_versions(chain_binaries(file, facts, path))
        key, remedy = _supported(file, common)
        best = (
            f"the highest common version of the chain is {common[0]}"
            if common
            else "the chain has no common version"
        )
        yield Finding(
            code="GN1040",
            severity=Severity.FATAL if file.path in used else Severity.ERROR,
            title=f"{file.file}: {key} {file.network.version} is not supported by "
            f"{', '.join(binary.type for binary in refusing)}: {best}",
            object=at(file, key),
            evidence=tuple(
                Evidence(
                    source=binary.path,
                    command=f"CNI_COMMAND=VERSION {binary.path}",
                    value=f"supports {', '.join(binary.versions)}",
                )
                for binary in refusing
            ),
            remedy=fix(remedy),
        )


def _supported(file: ConfFile, common: Sequence[str]) -> tuple[str, str]:
    """The key that names the refused version, and what to write instead, of the versions `common` to all plugins.

    A runtime takes the highest of `cniVersions` and `cniVersion` that it speaks itself, whatever the plugins do.
    """
    document = view(file.text or "{}")
    listed = get_list(document, "cniVersions") if isinstance(document, dict) else []
    refused = file.network.version if file.network else ""
    key = "cniVersions" if refused in listed else "cniVersion"
    if not common:
        return key, "install plugins of one release"
    kept = [version for version in listed if version in common]
    parts = [f'set "cniVersions": {json.dumps(kept)}' if kept else 'remove "cniVersions"'] if listed else []
    if document.get("cniVersion") not in common:
        parts.append(f'set "cniVersion": "{common[0]}"')
    return key, ", ".join(parts)


def versions_missing(facts: NodeFacts) -> Iterator[Finding]:
    """GN1041: no cniVersion, which every tool reads differently."""
    for file in facts.files:
        if file.network is None or '"cniVersion' in (file.text or ""):
            continue
        common = common_versions(chain_binaries(file, facts, facts.search_path(file.directory)))
        yield Finding(
            code="GN1041",
            severity=Severity.WARNING,
            title=f"{file.file}: no cniVersion: runtimes take it for 0.1.0, Genie for {file.network.version}",
            object=at(file),
            remedy=fix(f'add "cniVersion": "{common[0] if common else "1.0.0"}"'),
        )

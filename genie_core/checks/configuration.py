"""GN10xx: the configuration files, each alone and all of a directory together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from genie_core.catalog import NodeView, of_type
from genie_core.catalog.codes import OF_PLUGINS
from genie_core.catalog.plugin import LinkView
from genie_core.catalog.positions import positions
from genie_core.catalog.schema import Problem
from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, line_of, seen
from genie_core.fields import place
from genie_core.findings import Code, Finding, Severity
from genie_core.select.files import SELF_TYPE, is_self
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.selection import RuntimeChoice, candidates, choices, in_use, objections

# Networks that container engines install for themselves: pods of a cluster do not belong there.
_ENGINES = {
    "podman": "Podman",
    "cni-podman": "Podman",
    "nerdctl": "nerdctl",
    "crio": "CRI-O's sample",
    "docker": "Docker",
}
_DISPATCHERS = ("genie", "multus", "multus-shim", "multus-cni")


GN1001 = Code("GN1001", "a configuration is not JSON",
    cause="a typing error; where the file sorts first, it blocks every network of the directory",
    confirm="genie discover", fix="correct it at the line and column in the finding")  # fmt: skip
GN1002 = Code("GN1002", "a file is no network configuration",
    cause="it is JSON, but lacks a name, a type, or plugins",
    confirm="genie discover", fix="correct it, or move it out of the directory")  # fmt: skip


@check(
    "conf-readable", GN1001, GN1002, title="every configuration file can be read", needs=("conf",), alone=True
)
def unreadable_files(facts: Facts) -> Iterator[Finding]:
    used = in_use(facts)
    for file in facts.conf_files:
        if file.ignored or not file.problem:
            continue
        blocks = file.path in used
        place = f" line {file.line} col {file.column}" if file.line else ""
        effect = "; because it sorts first, it blocks every network of the directory" if blocks else ""
        yield (GN1002 if file.is_json and file.text is not None else GN1001).found(
            Severity.FATAL if blocks else Severity.ERROR,
            f"{file.file}{place}: {file.problem}{effect}",
            at(file),
            *((line_of(file, file.line),) if file.line else ()),
            remedy=fix(
                file.hint or "correct the file, or move it out of the directory",
                *([["genie", "generate-config", "--check", file.path]] if file.text is not None else ()),
            ),
        )


GN1003 = Code("GN1003", "two files have one network name",
    cause="they share leases and cached results",
    confirm="grep '\"name\"' in the directory", fix="give each network its own name")  # fmt: skip


@check("conf-names", GN1003, title="network names are used once", needs=("conf",), alone=True)
def duplicate_networks(facts: Facts) -> Iterator[Finding]:
    for entries in facts.directories.values():
        first: dict[str, ConfFile] = {}
        for file in candidates(entries):
            if file.network is None:
                continue
            other = first.setdefault(file.network.name, file)
            if other is not file:
                yield GN1003.error(
                    f'{file.file}: network name "{file.network.name}" is already taken by {other.file}',
                    at(file, "name"),
                    line_of(other, at(other, "name").line),
                    line_of(file, at(file, "name").line),
                    remedy=fix("give each network a name of its own, or remove one of the files"),
                )


GN1004 = Code("GN1004", "a key occurs twice",
    cause="plugins ignore the case of keys, and use the last one",
    confirm="the line in the evidence", fix="delete one")  # fmt: skip


@check("conf-keys", GN1004, title="no key occurs twice", needs=("conf",), alone=True)
def repeated_keys(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
        for path in positions(file.text).repeated if file.text and file.network else ():
            yield GN1004.warning(
                f"{file.file}: {path} occurs twice for plugins, which use the last one",
                at(file, path),
                line_of(file, at(file, path).line),
                remedy=fix("remove one of the two"),
            )


GN1005 = Code("GN1005", "a file that no runtime reads",
    cause="its extension, or a suffix that another tool added, hides it",
    confirm="ls the directory", fix="rename or delete it")  # fmt: skip


@check("conf-ignored", GN1005, title="no configuration file is ignored", needs=("conf",))
def ignored_files(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
        if not file.ignored:
            continue
        renamed = file.file.endswith(".cilium_bak")
        original = file.path.removesuffix(".cilium_bak")
        yield GN1005.found(
            Severity.WARNING if renamed else Severity.INFO,
            f"{file.file} is not used: {file.ignored}",
            at(file),
            remedy=fix(
                "set cni.exclusive=false in Cilium's Helm values, then give the file its name back",
                ["mv", file.path, original],
                risk="the runtime may pick the restored file for new pods at once",
            )
            if renamed
            else None,
        )


GN1006 = Code("GN1006", "the runtime picks another file",
    cause="files are tried in the order of their names: the first wins",
    confirm="ls the directory", fix="rename one of them, or remove the foreign package's file")  # fmt: skip


@check("conf-first", GN1006, title="no foreign file sorts first", needs=("conf", "runtimes"))
def foreign_first(facts: Facts) -> Iterator[Finding]:
    for choice in choices(facts):
        chosen = choice.first
        if chosen is None or chosen.network is None or is_self(chosen.network):
            continue
        others = [file for file in candidates(facts.directories[choice.runtime.conf_dir]) if file.network]
        own = [file for file in others if file.network and is_self(file.network)]
        if own and choice.runtime.kind == "crio" and any(objections(own[0], facts)):
            continue  # CRI-O skips it because a plugin is missing: another check reports that
        if own and choice.runtime.default_network:
            yield _other_by_name(choice, own[0])
            continue
        engine = _engine(chosen)
        rest = [file for file in others if file is not chosen and not _engine(file)]
        if not own and not (engine and rest):
            continue
        wanted = (own or rest)[0]
        yield GN1006.fatal(
            f"{choice.runtime.name} picks {chosen.file} before {wanted.file}: "
            f'new pods get network "{chosen.network.name}"{f" of {engine}" if engine else ""}',
            at(chosen),
            seen(
                choice.runtime.conf_dir,
                " ".join(file.file for file in candidates(facts.directories[choice.runtime.conf_dir])),
                f"ls {choice.runtime.conf_dir}",
            ),
            remedy=fix(
                f"move {chosen.file} away, or give it a name that sorts after {wanted.file}",
                ["mv", chosen.path, f"{chosen.directory}/99-{chosen.file.lstrip('0123456789-')}"],
                risk="running pods keep their network; new ones get the other",
            ),
        )


def _other_by_name(choice: RuntimeChoice, own: ConfFile) -> Finding:
    """CRI-O's configuration names the network: the order of the files does not matter."""
    runtime, name = choice.runtime, own.network.name if own.network else ""
    source = runtime.sources.get("default_network", "")
    return GN1006.fatal(
        f'{runtime.name} uses the network "{runtime.default_network}", which cni_default_network names, '
        f'and not "{name}" of {own.file}: new pods do not get the networks that they ask for',
        at(own),
        seen(
            source,
            f'cni_default_network = "{runtime.default_network}"',
            f"grep -n cni_default_network {source}",
        ),
        remedy=fix(f'set cni_default_network = "{name}" in {source}, then restart CRI-O'),
    )


def _engine(file: ConfFile) -> str:
    """The container engine whose default network the file is, "" for a network of the cluster."""
    name = file.network.name if file.network else ""
    bridges = [str(entry.get("bridge", "")) for entry in file.chain]
    for sign, owner in _ENGINES.items():
        if name == sign or name.startswith(f"{sign}-") or any(bridge.startswith(sign) for bridge in bridges):
            return owner
    return ""


GN1007 = Code("GN1007", "Genie calls itself",
    cause="a network that Genie gives out names Genie again",
    confirm="the file in the evidence", fix="name another network")  # fmt: skip


@check("conf-self", GN1007, title="no configuration makes Genie call itself", needs=("conf",), alone=True)
def self_delegation(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
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
                yield _from_problem(file, problem)


def _leads_back(entry: Mapping[str, Any], where: str, types: list[str]) -> Problem | None:
    default = str(entry.get("default_plugin") or "")
    names = [name.partition("@")[0].strip() for name in default.split(",")]
    if SELF_TYPE in names:
        path = place(where, "default_plugin")
        return Problem(path, "names Genie itself", hint="name one of the other networks", code=GN1007)
    if types.count(SELF_TYPE) > 1:
        return Problem(where, "calls Genie twice in one chain", hint="keep one", code=GN1007)
    return None


def _multus_leads_back(entry: Mapping[str, Any], where: str, facts: Facts, file: ConfFile) -> Problem | None:
    target = str(entry.get("clusterNetwork") or "")
    delegates = entry.get("delegates")
    inline = [d.get("type") for d in delegates if isinstance(d, dict)] if isinstance(delegates, list) else []
    genie = [f for f in facts.conf_files if f.network and f is not file and is_self(f.network)]
    named = any(target in (f.path, f.network.name) for f in genie if f.network)
    if not named and SELF_TYPE not in inline:
        return None
    path = place(where, "clusterNetwork")
    text = "names Genie, whose default network may be this file"
    return Problem(path, text, hint="let only one of Genie and Multus dispatch", code=GN1007)


GN1008 = Code("GN1008", "Genie and Multus side by side",
    cause="both dispatch to other plugins; the runtime uses only one file",
    confirm="ls the directory", fix="keep one dispatcher")  # fmt: skip


@check("conf-dispatcher", GN1008, title="one dispatcher only", needs=("conf",))
def two_dispatchers(facts: Facts) -> Iterator[Finding]:
    for entries in facts.directories.values():
        found = {
            str(file.chain[0].get("type")): file
            for file in candidates(entries)
            if file.chain and file.chain[0].get("type") in _DISPATCHERS
        }
        if SELF_TYPE in found and len(found) > 1:
            other = next(file for type_, file in found.items() if type_ != SELF_TYPE)
            if facts.genie.default_network or facts.genie.default_file != other.path:
                yield _beside(found[SELF_TYPE], other)
            else:
                plain = [f for f in candidates(entries) if f.network and f not in found.values()]
                yield _behind(other, plain)


def _beside(own: ConfFile, other: ConfFile) -> Finding:
    return GN1008.warning(
        f"{own.directory} has both {own.file} and {other.file}: only the first by name is used",
        at(other),
        remedy=fix(
            "uninstall one of the two dispatchers, or keep the delegate's file in /etc/cni/genie/net.d"
        ),
    )


def _behind(other: ConfFile, plain: list[ConfFile]) -> Finding:
    """Multus as Genie's default network."""
    names = [file.network.name for file in plain if file.network]
    commands = [["genie", "install", "--set", f"default_plugin={name}"] for name in names[:1]]
    return GN1008.error(
        f"{other.file}, of Multus, is Genie's default network: both of them attach the networks that a pod asks for",
        at(other),
        remedy=fix("pin the network that Multus calls as Genie's default network", *commands),
    )


@check(
    "conf-plugin",
    *OF_PLUGINS,
    title="plugins get a configuration that they accept",
    needs=("conf",),
    alone=True,
)
def plugin_problems(facts: Facts) -> Iterator[Finding]:
    node = node_view(facts)
    used = in_use(facts)
    for file in facts.conf_files:
        for problem in file_problems(file, node):
            severity = Severity.FATAL if problem.severity is Severity.ERROR and file.path in used else None
            yield _from_problem(file, problem, severity)


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
            yield from address_plugin.problems(ipam, place(where, "ipam"), node)
        elif (
            isinstance(ipam, dict) and ipam and not ipam.get("type") and plugin and plugin.ipam.value != "own"
        ):
            yield Problem(place(where, "ipam.type"), "is missing", hint="host-local, dhcp, ...")


# Keys of a list that a single plugin's configuration may have as well.
_LIST_KEYS = ("cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins")


def node_view(facts: Facts) -> NodeView:
    """The part of the node that the catalogue's checks need."""
    node = facts.node
    links = {
        link.name: LinkView(
            name=link.name,
            mtu=link.mtu,
            up=link.up,
            kind=link.kind,
            addresses=tuple(node.prefixes_of(link)),
            master=node.name_of(link.master),
        )
        for link in node.links
    }
    default = node.default_link
    return NodeView(links=links, default_link=default.name if default else "", subnets=node.subnets)


def _from_problem(file: ConfFile, problem: Problem, severity: Severity | None = None) -> Finding:
    """A problem of the catalogue as a finding about a place in a file."""
    subject = at(file, problem.path)
    return problem.code.found(
        severity or problem.severity,
        f"{file.file}: {problem.path} {problem.text}",
        subject,
        line_of(file, subject.line),
        explained_by=problem.explained_by,
        remedy=fix(problem.hint or "correct it, then run `genie generate-config --check` on the file")
        if problem.severity is not Severity.INFO
        else None,
    )

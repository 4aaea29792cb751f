"""GN12xx: what the container runtimes will do, and where that differs from what the files suggest."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.node_wording import at, fix
from genie_core.findings import Evidence, Finding, Remedy, Severity, Subject
from genie_core.select.files import SELF_TYPE, is_self
from genie_core.settings import DELEGATE_CONF_DIR
from genie_core.spec.versions import CURRENT
from genie_core.survey.node_facts import ConfFile, NodeFacts
from genie_core.survey.runtime_versions import newest_spoken, refused_version
from genie_core.survey.runtimes import DEFAULT, Runtime
from genie_core.survey.selection import candidates, choices, collected


def _subject(runtime: Runtime) -> Subject:
    return Subject(
        kind="runtime", name=runtime.name, file=runtime.config_files[0] if runtime.config_files else ""
    )


# What each runtime calls the two directories; containerd has the names that are used here.
_KEYS = {
    "crio": {"conf_dir": "network_dir", "bin_dirs": "plugin_dirs"},
    "cri-dockerd": {"conf_dir": "--cni-conf-dir", "bin_dirs": "--cni-bin-dir"},
}


def _key(runtime: Runtime, name: str) -> str:
    return _KEYS.get(runtime.kind, {}).get(name, name)


def _origin(runtime: Runtime, name: str) -> Evidence:
    source, key = runtime.sources.get(name, DEFAULT), _key(runtime, name)
    value = f"{key} = {runtime.conf_dir if name == 'conf_dir' else ' '.join(runtime.bin_dirs)}"
    if source == DEFAULT:
        return Evidence(source=f"{runtime.kind}'s default", value=value)
    pattern = key.rstrip("s") if runtime.kind == "containerd" else key
    return Evidence(source=source, command=f"grep -n -e {pattern} {source}", value=value)


def unreadable_config(facts: NodeFacts) -> Iterator[Finding]:
    """GN1202: a runtime's own configuration that cannot be read or understood."""
    for runtime in facts.runtimes:
        for problem in runtime.problems:
            denied = "Permission denied" in problem
            yield Finding(
                code="GN1202",
                severity=Severity.WARNING if denied else Severity.ERROR,
                title=f"{runtime.name}: {problem}",
                object=_subject(runtime),
                remedy=fix("run genie as root" if denied else "correct the file, then restart the runtime"),
            )


def _stray(facts: NodeFacts, directory: str) -> list[str]:
    """Directories with configurations for a runtime that no runtime reads."""
    read = {runtime.conf_dir for runtime in facts.runtimes} | {
        d for r in facts.runtimes for d in r.handlers.values()
    }
    return [
        other
        for other, files in facts.directories.items()
        if other not in read
        and other != directory
        and "/genie/" not in f"{other}/"
        and any(file.network for file in candidates(files))
    ]


def other_directory(facts: NodeFacts) -> Iterator[Finding]:
    """GN1201: configurations lie where the runtime does not look."""
    for choice in choices(facts):
        runtime = choice.runtime
        for stray in _stray(facts, runtime.conf_dir) if runtime.kubelet is not False else ():
            files = [file.file for file in candidates(facts.directories[stray])]
            instead = (
                f"it uses {choice.first.file} from there" if choice.first else "it has no network at all"
            )
            yield Finding(
                code="GN1201",
                severity=Severity.WARNING if choice.first else Severity.FATAL,
                title=f"{runtime.name} reads {runtime.conf_dir}; {stray} is ignored ({', '.join(files)}), "
                f"and {instead}",
                object=_subject(runtime),
                evidence=(
                    _origin(runtime, "conf_dir"),
                    Evidence(source=stray, command=f"ls {stray}", value=" ".join(files)),
                ),
                remedy=_remedy_for_stray(runtime, stray, facts),
            )


def _remedy_for_stray(runtime: Runtime, stray: str, facts: NodeFacts) -> Remedy:
    networks = [file.network for file in candidates(facts.directories[stray]) if file.network]
    if any(is_self(network) for network in networks):  # its configuration names its own directory
        return fix(
            "install Genie where the runtime looks; what was set in its configuration has to be set again",
            ["genie", "uninstall", "--conf-dir", stray],
            ["genie", "install"],
        )
    key = _key(runtime, "conf_dir")
    return fix(f"move the files to {runtime.conf_dir}, or set {key} to {stray} and restart the runtime")


def no_network(facts: NodeFacts) -> Iterator[Finding]:
    """GN1203, GN1206: a runtime that has no network to give to pods."""
    for choice in choices(facts):
        # A file in its way, or files elsewhere, are findings of their own: one cause is one finding.
        if choice.files or choice.blocker or _stray(facts, choice.runtime.conf_dir):
            continue
        if choice.runtime.conf_dir in facts.missing:  # not read: nothing is known
            continue
        runtime = choice.runtime
        named = bool(runtime.default_network)
        yield Finding(
            code="GN1206" if named else "GN1203",
            severity=Severity.FATAL if runtime.running or runtime.kubelet is not False else Severity.WARNING,
            title=f"{runtime.name} has no network for pods: {choice.reason}",
            object=_subject(runtime),
            evidence=(_origin(runtime, "conf_dir"),),
            remedy=_remedy_without_network(runtime),
        )


def _remedy_without_network(runtime: Runtime) -> Remedy:
    if runtime.default_network == SELF_TYPE:
        return fix("install Genie, whose network that is", ["genie", "install"])
    if runtime.default_network:
        source = runtime.sources.get("default_network", "")
        return fix(f"correct cni_default_network in {source} and restart CRI-O, or install that network")
    return fix(
        "install a CNI plugin, or let `genie install` and `genie generate-config` write a configuration"
    )


def two_runtimes(facts: NodeFacts) -> Iterator[Finding]:
    """GN1204: two runtimes on a node that read one directory, or put pods on different networks."""
    running = [choice for choice in choices(facts) if choice.runtime.running or choice.runtime.config_files]
    for position, one in enumerate(running):
        for other in running[:position]:
            shared = one.runtime.conf_dir == other.runtime.conf_dir
            a, b = (c.first.file if c.first else "nothing" for c in (other, one))
            if not shared and a == b:
                continue
            how = f"both read {one.runtime.conf_dir}" if shared else "they read different directories"
            yield Finding(
                code="GN1204",
                severity=Severity.WARNING if a != b or shared else Severity.INFO,
                title=f"{other.runtime.name} uses {a}, {one.runtime.name} uses {b}: {how}",
                object=_subject(one.runtime),
                evidence=(_origin(other.runtime, "conf_dir"), _origin(one.runtime, "conf_dir")),
                remedy=fix("remove the runtime that kubelet does not use, or give it a directory of its own"),
            )


def several_networks(facts: NodeFacts) -> Iterator[Finding]:
    """GN1205: containerd attaches more than the first file to each pod."""
    for choice in choices(facts):
        if len(choice.files) > 1:
            names = ", ".join(file.file for file in choice.files)
            yield Finding(
                code="GN1205",
                severity=Severity.INFO,
                title=f"{choice.runtime.name} gives every pod {len(choice.files)} networks (max_conf_num): {names}",
                object=_subject(choice.runtime),
                remedy=fix("set max_conf_num = 1 if only Genie is to attach networks"),
            )


def versions_not_spoken(facts: NodeFacts) -> Iterator[Finding]:
    """GN1043: a cniVersion that the runtime's own library does not know, so that every ADD fails."""
    for choice in choices(facts):
        runtime, spoken = choice.runtime, newest_spoken(choice.runtime)
        if spoken == CURRENT:
            continue
        for file in candidates(facts.directories.get(runtime.conf_dir, ())):
            used = file in choice.files
            version = refused_version(file)
            if version and (used or spoken):
                yield _not_spoken(runtime, file, version, spoken, used=used)


def _not_spoken(runtime: Runtime, file: ConfFile, version: str, spoken: str, *, used: bool) -> Finding:
    name = f"{runtime.name} {runtime.version}".strip()
    why = (
        f"{name} speaks at most {spoken}" if spoken else f"{name} may be of before CNI {CURRENT} (libcni 1.2)"
    )
    effect = (
        "fails" if spoken and used else "fails then" if used else "fails once the runtime uses it directly"
    )
    severity = Severity.FATAL if used and spoken else Severity.WARNING
    return Finding(
        code="GN1043",
        severity=severity,
        title=f"{file.file}: cniVersion {version} is not known to every runtime: {why}, and every ADD {effect}",
        object=at(file, "cniVersion"),
        evidence=(
            Evidence(
                source=runtime.name, command=f"{runtime.kind} --version", value=runtime.version or "unknown"
            ),
        ),
        remedy=fix(
            f'write "cniVersion": "1.0.0", "cniVersions": ["1.0.0", "{version}"]: old and new ones read that'
        ),
    )


def garbage_of_others(facts: NodeFacts) -> Iterator[Finding]:
    """GN1207: CRI-O's next start collects what pods have of the networks that lie beside Genie's configuration."""
    for runtime in facts.runtimes:
        for file in collected(facts, runtime):
            name = file.network.name if file.network else ""
            pods = [one.pod or one.container for one in facts.cache or () if one.network == name]
            effect = (
                f"{len(pods)} pods that it attached itself then lose their interface and address"
                if pods
                else "a plugin that has GC then gives away the addresses of living pods"
            )
            yield Finding(
                code="GN1207",
                severity=Severity.ERROR if pods else Severity.WARNING,
                title=f'{runtime.name} collects garbage of network "{name}" ({file.file}) when it starts, with all '
                f"pods counted for Genie's: {effect}",
                object=Subject(kind="network", name=name, file=file.path),
                remedy=fix(
                    f"move the networks' files to {DELEGATE_CONF_DIR}, where Genie finds them",
                    ["genie", "install", "--yes"],
                ),
                affects=tuple(pods),
            )

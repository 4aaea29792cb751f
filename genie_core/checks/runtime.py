"""GN12xx: what the container runtimes will do, and where that differs from what the files suggest."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.node_wording import fix
from genie_core.findings import Evidence, Finding, Severity, Subject
from genie_core.survey.node_facts import NodeFacts
from genie_core.survey.runtimes import DEFAULT, Runtime
from genie_core.survey.selection import candidates, choices


def _subject(runtime: Runtime) -> Subject:
    return Subject(
        kind="runtime", name=runtime.name, file=runtime.config_files[0] if runtime.config_files else ""
    )


def _origin(runtime: Runtime, name: str) -> Evidence:
    source = runtime.sources.get(name, DEFAULT)
    value = f"{name} = {runtime.conf_dir if name == 'conf_dir' else ' '.join(runtime.bin_dirs)}"
    if source == DEFAULT:
        return Evidence(source=f"{runtime.kind}'s default", value=value)
    return Evidence(source=source, command=f"grep -n {name.rstrip('s')} {source}", value=value)


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
                remedy=fix(
                    f"move the files to {runtime.conf_dir}, or set conf_dir to {stray} and restart the runtime"
                ),
            )


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
            remedy=fix(
                "correct the name, or install that network"
                if named
                else "install a CNI plugin, or let `genie install` and `genie generate-config` write a configuration"
            ),
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

"""The CNI versions that configurations ask for, and that plugins and runtimes know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from genie_core.catalog import of_type
from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, seen
from genie_core.fields import get_list
from genie_core.findings import Code, Finding, Severity
from genie_core.gojson import view
from genie_core.spec.versions import CURRENT
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.runtimes import Runtime
from genie_core.survey.selection import candidates, choices, in_use
from genie_core.survey.versions import (
    chain_binaries,
    common_versions,
    newest_supported,
    refused_version,
    refuses_version,
)

GN1042 = Code("GN1042", "CHECK fails for healthy pods",
    cause="a plugin of the chain takes away or cannot read what CHECK looks for",
    confirm="CNI_COMMAND=CHECK after an ADD", fix="set disableCheck in the list")  # fmt: skip


@check("conf-check", GN1042, title="CHECK can succeed where it is called", needs=("conf",), alone=True)
def check_fails(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
        readers = [runtime for runtime in facts.runtimes if runtime.conf_dir == file.directory]
        kinds = {runtime.kind for runtime in readers or facts.runtimes}  # others are read through Genie
        if file.network is None or file.network.disable_check or (kinds and "crio" not in kinds):
            continue
        for index, entry in enumerate(file.network.plugins):
            plugin = of_type(entry.type)
            if plugin and (why := plugin.why_check_fails(view(entry.text))):
                yield GN1042.error(
                    f"{file.file}: {why}; CRI-O calls CHECK after each ADD, and fails the pod",
                    at(file, file.where(index)),
                    remedy=fix('set "disableCheck": true beside "plugins"'),
                )


GN1040 = Code("GN1040", "a cniVersion that a plugin does not support",
    cause="the highest version that all plugins of its chain support is lower",
    confirm="CNI_COMMAND=VERSION PLUGIN", fix="write the common version")  # fmt: skip


@check(
    "conf-version",
    GN1040,
    title="plugins support the configuration's version",
    needs=("conf", "bin", "probe"),
    alone=True,
)
def versions_refused(facts: Facts) -> Iterator[Finding]:
    used = in_use(facts)
    for file in facts.conf_files:
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
        yield GN1040.found(
            Severity.FATAL if file.path in used else Severity.ERROR,
            f"{file.file}: {key} {file.network.version} is not supported by "
            f"{', '.join(binary.type for binary in refusing)}: {best}",
            at(file, key),
            *(
                seen(
                    binary.path,
                    f"supports {', '.join(binary.versions)}",
                    f"CNI_COMMAND=VERSION {binary.path}",
                )
                for binary in refusing
            ),
            remedy=fix(remedy),
        )


def _supported(file: ConfFile, common: Sequence[str]) -> tuple[str, str]:
    """The key that names the refused version, and what to write instead, of the versions `common` to all plugins.

    A runtime takes the highest of `cniVersions` and `cniVersion` that it supports itself, whatever the plugins do.
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


GN1041 = Code("GN1041", "no cniVersion",
    cause="tools differ in what that means",
    confirm="the file", fix="write one")  # fmt: skip


@check("conf-cniversion", GN1041, title="every configuration has a version", needs=("conf",), alone=True)
def versions_missing(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
        if file.network is None or '"cniVersion' in (file.text or ""):
            continue
        common = common_versions(chain_binaries(file, facts, facts.search_path(file.directory)))
        yield GN1041.warning(
            f"{file.file}: no cniVersion: runtimes read that as 0.1.0, Genie as {file.network.version}",
            at(file),
            remedy=fix(f'add "cniVersion": "{common[0] if common else "1.0.0"}"'),
        )


GN1043 = Code("GN1043", "a cniVersion that the runtime does not support",
    cause="its library is older: containerd before 2.0 and CRI-O before 1.31 support 1.0.0 at most, and "
    "read cniVersion alone",
    confirm="containerd --version; crio --version",
    fix='"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]')  # fmt: skip


@check(
    "conf-spoken",
    GN1043,
    title="the runtime supports the configuration's version",
    needs=("conf", "runtimes", "probe"),
)
def versions_not_supported(facts: Facts) -> Iterator[Finding]:
    for choice in choices(facts):
        runtime, newest = choice.runtime, newest_supported(choice.runtime)
        if newest == CURRENT:
            continue
        for file in candidates(facts.directories.get(runtime.conf_dir, ())):
            used = file in choice.files
            version = refused_version(file)
            if version and (used or newest):
                finding = _not_supported(runtime, file, version, newest, used=used)
                refused = refuses_version(file, facts, facts.search_path(file.directory))
                yield replace(finding, explained_by=("GN1040",) if refused else ())


def _not_supported(runtime: Runtime, file: ConfFile, version: str, newest: str, *, used: bool) -> Finding:
    name = f"{runtime.name} {runtime.version}".strip()
    why = (
        f"{name} supports at most {newest}"
        if newest
        else f"{name} may be older than CNI {CURRENT} (libcni 1.2)"
    )
    effect = (
        "fails" if newest and used else "fails then" if used else "fails once the runtime uses it directly"
    )
    severity = Severity.FATAL if used and newest else Severity.WARNING
    return GN1043.found(
        severity,
        f"{file.file}: cniVersion {version} is not known to every runtime: {why}, and every ADD {effect}",
        at(file, "cniVersion"),
        seen(runtime.name, runtime.version or "unknown", f"{runtime.kind} --version"),
        remedy=fix(
            f'write "cniVersion": "1.0.0", "cniVersions": ["1.0.0", "{version}"]: old and new runtimes read that'
        ),
    )

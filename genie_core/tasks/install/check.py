"""The facts of this node with Genie installed, and whether a check of `genie discover` reports a fatal finding.

Nothing is written: the node's files are read, and Genie's configuration and binary are added to the facts.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from genie_core.catalog.genie import PLUGIN
from genie_core.checks import runner
from genie_core.checks.registry import FILES
from genie_core.errors import Denied, GenieError, InvalidConfig
from genie_core.findings import Finding, Severity, ordered
from genie_core.settings import DELEGATE_CONF_DIR, LOG_LEVELS, OLD_LOG_LEVELS
from genie_core.spec.versions import SUPPORTED
from genie_core.survey.binaries import Binary, list_binaries
from genie_core.survey.conf_files import parse_conf, read_directory
from genie_core.survey.facts import Facts
from genie_core.survey.genie import describe_installation, own_file, own_settings
from genie_core.survey.rootfs import Root
from genie_core.survey.versions import missing_plugins, needed, with_versions
from genie_core.tasks.install.conflist import CONFLIST, TYPE, InstallOptions
from genie_core.tasks.install.placement import Placement, assumption
from genie_core.tasks.install.predecessor import configurations

# The runtime uses another file than Genie's: pods still start.
_NOT_USED = "GN1006"
_NO_DEFAULT = "GN1607"
# Another dispatcher is there: pods start, with networks that are attached twice or not at all.
_WARNED_OF = ("GN1008",)


def require_safe(options: InstallOptions, text: str) -> tuple[Facts, list[str]]:
    """The node with Genie on it, and warnings. Raises InvalidConfig where the configuration `text` would stop pods."""
    ignored = [*unknown_settings(options.extra), *_without_directory(options)]
    placement = options.placement or Placement(
        bin_dir=str(options.bin_dir), conf_dir=str(options.conf_dir), bin_dirs=(str(options.bin_dir),)
    )
    root = Root()
    try:
        before = _facts(placement, root)
        after = _installed(before, options, placement, text, root)
    except PermissionError as error:
        raise Denied(f"cannot read {error.filename}: {error.strerror}", hint="run it as root") from None
    except OSError as error:
        raise GenieError(f"cannot read {error.filename}: {error.strerror}") from None
    _require_plugins(placement, before)
    known = {_identity(finding) for finding in _fatal(_found(before))}
    findings = _found(after)
    new = [finding for finding in _fatal(findings) if _identity(finding) not in known]
    harmless = [finding for finding in new if _is_harmless(finding, before, after, options)]
    if fatal := [finding for finding in new if finding not in harmless]:
        raise _refusal(fatal)
    warned_of = [finding for finding in findings if finding.code in _WARNED_OF]
    return after, [*placement.notes, *ignored, *(_words(finding) for finding in [*harmless, *warned_of])]


def _without_directory(options: InstallOptions) -> Iterator[str]:
    """Warnings of files that the plugin could not make; a DaemonSet's pod does not see the node's directories."""
    for key in () if options.from_daemonset else ("log_file", "metrics_file"):
        folder = os.path.dirname(str(options.extra.get(key, "")))
        if folder and not os.path.isdir(folder):
            yield f"--set {key}: there is no directory {folder}, and nothing is written until there is one"


def unknown_settings(extra: Mapping[str, Any]) -> list[str]:
    """Warnings of keys that the plugin ignores.

    Raises InvalidConfig for a key that resembles a known one, and for a level of the log that is none.
    """
    if "type" in extra:
        raise InvalidConfig(
            f"--set type: the plugin of {CONFLIST} is {TYPE}",
            hint="leave it out: default_plugin names a network",
        )
    level = str(extra.get("log_level", "info")).lower()
    if level not in (*LOG_LEVELS, *OLD_LOG_LEVELS):  # in a file it means the default, as with CNI-Genie
        raise InvalidConfig(
            f"--set log_level: {level!r} is no level", hint=f"it is one of {', '.join(LOG_LEVELS)}"
        )
    known = [field.name for field in PLUGIN.fields]
    unknown = [key for key in extra if key not in (*known, "capabilities")]
    for key in unknown:
        if near := get_close_matches(key, known, n=1, cutoff=0.6):
            raise InvalidConfig(
                f"--set {key}: Genie's configuration has no such key", hint=f"did you mean {near[0]}?"
            )
    return [f"--set {key}: Genie's configuration has no such key, and ignores it" for key in unknown]


def _facts(placement: Placement, root: Root) -> Facts:
    """The node without Genie's configuration list: the directories that matter, and who reads them.

    Where no runtime reads the directory, the search path of plugins is not known, and plugins are not checked.
    """
    directories = {}
    conf_dir = Path(placement.conf_dir)
    own = [conf_dir / CONFLIST, *configurations(conf_dir)]  # CNI-Genie's is replaced
    for directory in (placement.conf_dir, DELEGATE_CONF_DIR):
        if root.exists(directory):
            files = read_directory(directory, root)
            directories[directory] = [file for file in files if Path(file.path) not in own]
    bin_dirs = dict.fromkeys(path for one in placement.runtimes for path in one.bin_dirs)
    binaries = {path: list_binaries(path, root) if root.exists(path) else [] for path in bin_dirs}
    facts = Facts(
        runtimes=with_versions(placement.runtimes, root), directories=directories, binaries=binaries
    )
    return _described(facts, root)


def _described(facts: Facts, root: Root) -> Facts:
    own = own_file(facts.conf_files)
    return replace(facts, genie=replace(facts.genie, **describe_installation(facts, own, root)))


def _installed(facts: Facts, options: InstallOptions, placement: Placement, text: str, root: Root) -> Facts:
    """The same node with Genie on it."""
    path = f"{placement.conf_dir}/{CONFLIST}"
    own = parse_conf(path, text, mode=0o644)
    directories = dict(facts.directories)
    for directory in own_settings(own).conf_dirs:
        if directory not in directories and root.exists(directory):
            directories[directory] = read_directory(directory, root)
    directories[placement.conf_dir] = [own, *directories.get(placement.conf_dir, ())]
    binary = Binary(
        type=TYPE,
        path=f"{options.bin_dir}/{TYPE}",
        mode=0o755,
        form="script",
        asked=True,
        versions=tuple(SUPPORTED),
    )
    # the plugin of an earlier installation in another directory is no longer upgraded
    binaries = {name: [one for one in found if one.type != TYPE] for name, found in facts.binaries.items()}
    if str(options.bin_dir) in binaries:
        binaries[str(options.bin_dir)].append(binary)
    return _described(replace(facts, directories=directories, binaries=binaries), root)


def _found(facts: Facts) -> list[Finding]:
    findings, _ = runner.run(facts, FILES)
    return ordered(findings)


def _fatal(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.FATAL]


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.object.file, finding.title


def _is_harmless(finding: Finding, before: Facts, after: Facts, options: InstallOptions) -> bool:
    """Whether no pod that would start without Genie fails with it.

    Without another network, as on a node whose network is installed later, no pod starts anyway. The DaemonSet does not
    wait for the network that it is to use: until its next look, pods would start on that one without Genie.
    """
    if finding.code == _NOT_USED:
        return True
    is_empty = options.from_daemonset and not any(file.network for file in before.conf_files)
    return finding.code == _NO_DEFAULT and (is_empty or not after.genie.unknown_networks)


def _require_plugins(placement: Placement, before: Facts) -> None:
    """Raise InvalidConfig where the directory of plugins is assumed, and has no plugin of any network of the node.

    Pods have a network without Genie: so the runtime looks in another directory.
    """
    assumed = [assumption(one, "bin_dirs") for one in placement.runtimes if "bin_dirs" in one.assumed]
    files = [file for file in before.conf_files if not file.ignored and needed(file)] if assumed else []
    missing = [missing_plugins(file, before, before.search_path(file.directory)) for file in files]
    if files and missing == [needed(file) for file in files]:
        raise InvalidConfig(
            f"not installed: no plugin of this node's networks ({files[0].file}: {missing[0][0].type}) is in "
            f"{' '.join(placement.runtimes[0].bin_dirs)}",
            hint="; ".join(assumed),
        )


def _refusal(fatal: Sequence[Finding]) -> InvalidConfig:
    first, *others = fatal
    return InvalidConfig(
        f"not installed, since pods of this node would not start: {first.title}",
        details="; ".join(finding.title for finding in others),
        hint=_remedy(first),
    )


def _words(finding: Finding) -> str:
    return "; ".join(part for part in (finding.title, _remedy(finding)) if part)


def _remedy(finding: Finding) -> str:
    if finding.remedy is None:
        return ""
    commands = [f"`{shlex.join(command.argv)}`" for command in finding.remedy.commands]
    return ": ".join(part for part in (finding.remedy.text, " && ".join(commands)) if part)

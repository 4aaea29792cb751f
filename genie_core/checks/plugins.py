"""GN11xx: plugin binaries that are missing, cannot run, or do not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches

from genie_core.catalog import PLUGINS, of_type
from genie_core.checks.check import check
from genie_core.checks.links import lo_fault
from genie_core.checks.parts import at, fix, seen
from genie_core.findings import Code, Confidence, Effect, Finding, Remedy, Severity, Subject
from genie_core.select.files import SELF_TYPE, is_self
from genie_core.survey.binaries import Binary
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.selection import in_use
from genie_core.survey.versions import Needed, missing_plugins, needed

_OTHERS_WRITE = 0o022
LOOPBACK = "loopback"


GN1101 = Code("GN1101", "a plugin is missing",
    cause="its binary is in none of the directories that are searched",
    confirm="ls the bin directories", fix="install it; a package upgrade may have removed it")  # fmt: skip


@check("plugin-missing", GN1101, title="every plugin is installed", needs=("conf", "bin"), alone=True)
def missing(facts: Facts) -> Iterator[Finding]:
    # CRI-O skips Genie's file when a plugin is missing: pods then do not get the networks that they select
    skipping = {runtime.conf_dir for runtime in facts.runtimes if runtime.kind == "crio"}
    own = {f.path for f in facts.conf_files if f.network and is_self(f.network) and f.directory in skipping}
    used = in_use(facts) | own
    for file in facts.conf_files:
        if file.ignored:
            continue
        path = facts.search_path(file.directory)
        dangling = {b.type for d in path for b in facts.binaries.get(d, ()) if b.form == "link"}
        lacking = {p.type: p for p in reversed(missing_plugins(file, facts, path)) if p.type not in dangling}
        found = [_missing(file, p, facts, path, fatal=file.path in used) for p in reversed(lacking.values())]
        # No plugin of the chain exists: that is one cause, an empty or a wrong directory.
        everything = {plugin.type for plugin in needed(file)} <= lacking.keys()
        yield from (
            [_all_missing(file, found, list(lacking), path)] if everything and len(found) > 1 else found
        )
    yield from (_as_cause_of_lo(finding, facts) for finding in _without_loopback(facts))


def _without_loopback(facts: Facts) -> Iterator[Finding]:
    """GN1101 for the plugin loopback, which runtimes call unless they set lo up themselves; only where lo is down."""
    paths = {facts.search_path(file.directory) for file in facts.conf_files if not file.ignored}
    for path in sorted(paths) if lo_fault(facts.pod)[0] else ():
        types = {b.type for d in path for b in facts.binaries.get(d, ())}
        if types and LOOPBACK not in types:
            yield GN1101.error(
                f'plugin "{LOOPBACK}", which runtimes call to set lo up, is in none of {" ".join(path)}',
                Subject(kind="plugin", name=LOOPBACK, file=f"{path[0]}/{LOOPBACK}"),
                seen("search path", f"no file {LOOPBACK}", f"ls {' '.join(path)}"),
                remedy=_remedy_for_missing(LOOPBACK, path, [], []),
            )


def _as_cause_of_lo(finding: Finding, facts: Facts) -> Finding:
    """The finding; where it is about loopback and the pod's lo is down, as the cause of that, with its remedy."""
    state, commands = lo_fault(facts.pod)
    if finding.object.name != LOOPBACK or finding.remedy is None or not state:
        return finding
    return replace(
        finding,
        severity=Severity.ERROR,
        title=f"{finding.title}: the pod's lo was never set up",
        remedy=fix(
            f"{finding.remedy.text}; set lo up in the pods that were attached without it",
            *finding.remedy.commands,
            *commands,
        ),
        breaks=(Effect.LO,),
    )


def _all_missing(
    file: ConfFile, found: Sequence[Finding], types: Sequence[str], path: Sequence[str]
) -> Finding:
    names = ", ".join(f'"{type_}"' for type_ in reversed(types))
    remedies = [one.remedy for one in found if one.remedy]
    return replace(
        found[0],
        title=f"{file.file}: none of its plugins ({names}) is in {' '.join(path)}",
        evidence=tuple(evidence for one in found for evidence in one.evidence),
        remedy=fix(remedies[0].text, *(command for one in remedies for command in one.commands)),
    )


def _missing(file: ConfFile, plugin: Needed, facts: Facts, path: Sequence[str], *, fatal: bool) -> Finding:
    name = file.network.name if file.network else ""
    what = "IPAM plugin" if plugin.ipam else "plugin"
    elsewhere = [
        b.path for d, bs in facts.binaries.items() if d not in path for b in bs if b.type == plugin.type
    ]
    copies = [b.path for d in path for b in facts.binaries.get(d, ()) if b.type.startswith(f"{plugin.type}.")]
    return GN1101.found(
        Severity.FATAL if fatal else Severity.ERROR,
        f'{file.file}: {what} "{plugin.type}" of network "{name}" ({plugin.where}) '
        f"is in none of {' '.join(path)}",
        at(file, plugin.where),
        seen("search path", f"no file {plugin.type}", f"ls {' '.join(path)}"),
        *(seen("other directory", f"{found} is not searched") for found in elsewhere),
        *(seen("same directory", f"{found} looks like a copy of it") for found in copies),
        remedy=_remedy_for_missing(plugin.type, path, elsewhere, copies),
    )


def _remedy_for_missing(type_: str, path: Sequence[str], elsewhere: list[str], copies: list[str]) -> Remedy:
    if type_ == SELF_TYPE:  # its launcher contains its path: a copy elsewhere fails after an upgrade
        return fix("install Genie where the runtime looks", ["genie", "install", "--bin-dir", path[0]])
    if copies:
        return fix("give the file its name back", ["mv", copies[0], f"{path[0]}/{type_}"])
    if elsewhere:
        return fix(
            "put the plugin where the runtime looks, or name its directory in the runtime's configuration",
            ["install", "-D", "-m", "0755", elsewhere[0], f"{path[0]}/{type_}"],
        )
    near = get_close_matches(
        type_, [name for plugin in PLUGINS.values() for name in plugin.names], n=1, cutoff=0.75
    )
    if near and of_type(type_) is None:
        return fix(f'did you mean "{near[0]}"? Then correct the type')
    known = of_type(type_)
    if known and known.docs:
        return fix(f"install the plugin into {path[0]}: {known.docs}")
    return fix(f"install the plugin into {path[0]}")


GN1112 = Code("GN1112", "a file or a daemon that a plugin needs is missing",
    cause="the plugin's agent is not running, or has not written its file: every ADD fails",
    confirm="ls -l the path in the finding",
    fix="start the agent (flanneld, the DHCP daemon), or correct the path")  # fmt: skip
_AGENTS = {
    "dhcp": "start the DHCP daemon (`dhcp daemon`, a systemd unit or a DaemonSet)",
    "flannel": "look at flanneld on this node, which writes the file when it has its subnet",
}


@check(
    "plugin-needs", GN1112, title="plugins find the files and daemons that they need", needs=("conf", "bin")
)
def lacking(facts: Facts) -> Iterator[Finding]:
    used, files = in_use(facts), {file.path: file for file in facts.conf_files}
    for one in facts.opened:
        file = files.get(one.conf)
        if not one.problem or file is None:
            continue
        yield GN1112.found(
            Severity.FATAL if one.conf in used else Severity.ERROR,
            f"{file.file}: {one.kind} {one.path}, which {one.type} opens ({one.where}), {one.problem}: every ADD fails",
            at(file, one.where),
            seen(one.path, one.problem, f"ls -l {one.path}"),
            remedy=fix(_AGENTS.get(one.type, f"correct {one.where}, or make the file")),
        )


GN1111 = Code("GN1111", "a plugin directory is mounted noexec",
    cause="a hardened mount, or a volume: the kernel refuses to execute any file on it",
    confirm="findmnt -T DIRECTORY", fix="mount -o remount,exec MOUNTPOINT, and in fstab")  # fmt: skip


@check("plugin-noexec", GN1111, title="plugin directories are not mounted noexec", needs=("bin",))
def not_executed(facts: Facts) -> Iterator[Finding]:
    wanted = _users(facts)
    for directory, binaries in facts.binaries.items():
        held = [b for b in binaries if b.noexec and b.form in ("elf", "script")]
        if not held:
            continue
        users = sorted({user for b in held for user in wanted.get(b.type, ())})
        called = f"; {', '.join(users)} calls them" if users else ""
        mount = held[0].noexec
        yield GN1111.found(
            Severity.ERROR if users else Severity.WARNING,
            f"{directory} is on {mount}, which is mounted noexec: "
            f"none of its {len(held)} plugins can run{called}",
            Subject(kind="directory", name=directory, file=directory),
            seen(mount, "mount option noexec", f"findmnt -T {directory}"),
            *(seen(b.path, f"mode {b.mode:04o}, {b.form}") for b in held[:3]),
            remedy=fix("mount it without noexec, also in fstab", ["mount", "-o", "remount,exec", mount]),
            affects=tuple(users),
        )


GN1102 = Code("GN1102", "a plugin cannot be executed",
    cause="its mode has no x",
    confirm="ls -l PLUGIN", fix="chmod 0755")  # fmt: skip
GN1103 = Code("GN1103", "a plugin is for another machine",
    cause="its ELF header names another architecture",
    confirm="file PLUGIN", fix="install the right one")  # fmt: skip
GN1107 = Code("GN1107", "a plugin is a dangling link",
    cause="its target does not exist",
    confirm="ls -l PLUGIN", fix="install it again")  # fmt: skip


@check("plugin-file", GN1102, GN1103, GN1107, title="plugin files can be executed", needs=("bin",))
def unusable(facts: Facts) -> Iterator[Finding]:
    yield from (_as_cause_of_lo(finding, facts) for finding in _unusable(facts))


def _unusable(facts: Facts) -> Iterator[Finding]:
    wanted = _users(facts)
    for binary in _all(facts):
        users = wanted.get(binary.type, [])
        if binary.form == "link":
            yield _about(
                binary, GN1107, f"is a link to {binary.link}, which does not exist", users, "install it again"
            )
        elif binary.form in ("elf", "script") and not binary.executable:
            finding = _about(binary, GN1102, f"is not executable (mode {binary.mode:04o})", users, "")
            yield replace(finding, remedy=fix("make it executable", ["chmod", "0755", binary.path]))
        elif binary.form == "elf" and facts.machine and not _runs_on(binary.machine, facts.machine):
            text = f"is built for {binary.machine}, this node is {facts.machine}"
            yield _about(binary, GN1103, text, users, "install the build for this machine")
        elif binary.form == "text" and (users or binary.type == LOOPBACK) and not binary.size:
            yield _about(binary, GN1102, "is empty", users, "install it again")
        elif binary.form == "text" and (users or binary.type == LOOPBACK):
            yield _about(binary, GN1103, "is neither a program nor a script", users, "install it again")


def _runs_on(machine: str, node: str) -> bool:
    compatible = {"x86_64": ("x86_64", "i686"), "aarch64": ("aarch64", "arm")}
    return machine in compatible.get(node, (node,))


def _all(facts: Facts) -> Iterator[Binary]:
    for binaries in facts.binaries.values():
        yield from binaries


def _users(facts: Facts) -> dict[str, list[str]]:
    """Plugin type -> the configurations that call it."""
    users: dict[str, list[str]] = {}
    for file in facts.conf_files:
        for plugin in needed(file) if not file.ignored else ():
            users.setdefault(plugin.type, []).append(file.file)
    return users


def _about(binary: Binary, code: Code, text: str, users: Sequence[str], remedy: str) -> Finding:
    called = f"; {', '.join(dict.fromkeys(users))} calls it" if users else ""
    return code.found(
        Severity.ERROR if users else Severity.WARNING,
        f"{binary.path} {text}{called}",
        Subject(kind="plugin", name=binary.type, file=binary.path),
        seen(
            binary.path,
            f"mode {binary.mode:04o}, {binary.size} bytes, {binary.form}"
            + (f", {binary.machine}" if binary.machine else ""),
            f"ls -l {binary.path}",
        ),
        remedy=fix(remedy),
        affects=tuple(dict.fromkeys(users)),
    )


GN1104 = Code("GN1104", "a plugin hangs",
    cause="it did not answer VERSION in time",
    confirm="CNI_COMMAND=VERSION PLUGIN", fix="find out what it waits for")  # fmt: skip
GN1105 = Code("GN1105", "a plugin fails",
    cause="it crashed or refused VERSION",
    confirm="CNI_COMMAND=VERSION PLUGIN", fix="install it again")  # fmt: skip
GN1106 = Code("GN1106", "a plugin's answer is not CNI",
    cause="its answer to VERSION is not as the specification defines it",
    confirm="CNI_COMMAND=VERSION PLUGIN", fix="check that it is a CNI plugin; install it again")  # fmt: skip
# Why a plugin did not answer VERSION -> (code, remedy).
_SILENT = {
    "hang": (GN1104, "find out why it hangs: every ADD that uses it waits until the runtime times out"),
    "crash": (GN1105, "install it again; if it still crashes, report it to its maintainers"),
    "execute": (GN1105, "install it again"),
    "answer": (GN1106, "if it is no CNI plugin, move it out of the directory; else install it again"),
}


@check("plugin-answer", GN1104, GN1105, GN1106, title="plugins answer VERSION", needs=("bin", "probe"))
def bad_version_answers(facts: Facts) -> Iterator[Finding]:
    users = _users(facts)
    for binary in _all(facts):
        reported = bool(binary.noexec) or not _runs_on(binary.machine or facts.machine, facts.machine)
        if not binary.problem or (binary.problem == "execute" and reported):
            continue
        code, remedy = _SILENT[binary.problem]
        called = users.get(binary.type, [])
        finding = code.found(
            Severity.ERROR if called else Severity.WARNING,
            f"{binary.path}: {binary.reason}"
            + (f" ({binary.interpreter})" if binary.problem == "execute" and binary.interpreter else ""),
            Subject(kind="plugin", name=binary.type, file=binary.path),
            seen(binary.path, binary.reason, f"CNI_COMMAND=VERSION {binary.path}"),
            remedy=fix(remedy),
            confidence=Confidence.MEDIUM if binary.problem == "hang" else Confidence.HIGH,
            affects=tuple(dict.fromkeys(called)),
        )
        yield _as_cause_of_lo(finding, facts)


GN1108 = Code("GN1108", "other users can replace a plugin",
    cause="it runs as root, and other users may write to it",
    confirm="ls -l PLUGIN", fix="chown root; chmod go-w")  # fmt: skip


@check("plugin-writable", GN1108, title="only their owner can change plugins", needs=("bin",))
def writable(facts: Facts) -> Iterator[Finding]:
    for binary in _all(facts):
        if binary.form in ("elf", "script") and binary.mode & _OTHERS_WRITE:
            yield GN1108.warning(
                f"{binary.path} can be changed by others than its owner (mode {binary.mode:04o}) "
                "and runs as root",
                Subject(kind="plugin", name=binary.type, file=binary.path),
                seen(binary.path, f"mode {binary.mode:04o}", f"ls -l {binary.path}"),
                remedy=fix("remove the write permission of others", ["chmod", "go-w", binary.path]),
            )


GN1110 = Code("GN1110", "a plugin reports that it is not ready",
    cause="STATUS returned an error",
    confirm="CNI_COMMAND=STATUS PLUGIN", fix="follow the plugin's message")  # fmt: skip


@check("plugin-status", GN1110, title="plugins are ready", needs=("conf", "bin", "probe"))
def not_ready(facts: Facts) -> Iterator[Finding]:
    used = in_use(facts)
    files = {file.network.name: file for file in facts.conf_files if file.network}
    for state in facts.statuses:
        if state.status != "not ready":
            continue
        file = files.get(state.network)
        yield GN1110.found(
            Severity.FATAL if file and file.path in used else Severity.ERROR,
            f'network "{state.network}": plugin {state.type} is not ready: {state.detail}',
            Subject(kind="network", name=state.network, file=file.path if file else ""),
            seen("STATUS", state.detail),
            remedy=fix(
                "look at the plugin's agent on this node: the plugin reports that it cannot serve pods"
            ),
        )

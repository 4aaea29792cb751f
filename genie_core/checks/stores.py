"""What stops the next ADD: directories that take nothing, a lock that is kept, a kernel without a module."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, on_node, seen
from genie_core.fields import counted
from genie_core.findings import Code, Finding, Severity, Subject
from genie_core.survey.drivers import needed_module
from genie_core.survey.facts import Facts
from genie_core.survey.held import SECONDS, XTABLES
from genie_core.survey.obstacles import HeldLock
from genie_core.survey.selection import in_use

GN1113 = Code("GN1113", "a directory that ADD writes to takes nothing",
    cause="its file system is full or read-only, or something else has its name: no pod gets an address",
    confirm="df DIRECTORY; df -i DIRECTORY; findmnt -T DIRECTORY",
    fix="make room, or have it mounted writable again")  # fmt: skip


@check("stores", GN1113, title="the directories that ADD writes to can be written", needs=("conf",))
def unwritable(facts: Facts) -> Iterator[Finding]:
    for store in facts.files.stores:
        yield GN1113.error(
            f"nothing can be written to {store.path} ({store.use}): {store.problem}; the next ADD fails",
            Subject(kind="directory", name=store.path, file=store.path),
            seen(store.path, store.problem, f"df {store.path}; findmnt -T {store.path}"),
            remedy=fix(_advice(store.problem)),
        )


def _advice(problem: str) -> str:
    if "read-only" in problem:
        return "find why (an error of the disk makes the kernel do it: dmesg), and mount it writable again"
    if "file system" in problem:
        return "make room there: old images, logs and files of pods that are gone (`genie gc`)"
    return "remove what has that name; the plugin makes the directory or file again"


GN1114 = Code("GN1114", "the kernel lacks what a plugin needs",
    cause="a kernel without the module of the plugin's interface, or one that was replaced: every ADD fails",
    confirm="modinfo MODULE; uname -r; ls /lib/modules",
    fix="install the kernel's further modules (linux-modules-extra), or restart the node")  # fmt: skip


@check("plugin-driver", GN1114, title="the kernel has what plugins make interfaces of", needs=("conf",))
def without_driver(facts: Facts) -> Iterator[Finding]:
    problems = {driver.module: driver.problem for driver in facts.files.drivers}
    used = in_use(facts) if problems else ()
    for file in facts.conf_files:
        for index, entry in enumerate(() if file.ignored else file.chain):
            type_, where = str(entry.get("type", "")), file.where(index)
            module = needed_module(type_)
            if module not in problems:
                continue
            yield GN1114.found(
                Severity.FATAL if file.path in used else Severity.ERROR,
                f'{file.file}: plugin "{type_}" ({where}) needs the kernel module {module}: {problems[module]}; '
                "every ADD fails",
                at(file, where),
                seen("kernel", problems[module], f"modinfo {module}"),
                remedy=fix(_of_module(problems[module])),
            )


def _of_module(problem: str) -> str:
    if "keeps it" in problem:
        return "delete that line, or use a plugin of another kind"
    if "not restarted" in problem:
        return "drain and restart the node: the running kernel's modules are gone"
    return (
        "install the kernel's further modules (linux-modules-extra, kernel-modules-extra), or another kernel"
    )


GN1115 = Code("GN1115", "a process keeps a lock that ADD and DEL need",
    cause="host-local takes that of a network's leases, iptables-legacy that of its rules; a process that hangs, or a "
    "backup, has it",
    confirm="grep FLOCK /proc/locks; ls -i DIRECTORY/lock /run/xtables.lock", fix="end the process")  # fmt: skip


@check("stores-lock", GN1115, title="no process keeps a lock that ADD and DEL need", needs=("conf",))
def kept(facts: Facts) -> Iterator[Finding]:
    for lock in facts.files.locks:
        sleeps = lock.state == "D"
        severity, name, waiter = _wanted(facts, lock)
        yield GN1115.found(
            severity,
            f"process {lock.pid} ({lock.program or 'unknown'}) keeps {name} for more than {SECONDS:.0f} s: {waiter}"
            + (f", {counted(lock.waiting, 'process', 'processes')} now" if lock.waiting else ""),
            Subject(kind="file", name=lock.path, file=lock.path),
            seen("/proc/locks", f"FLOCK of process {lock.pid} on {lock.path}", "cat /proc/locks"),
            seen("procfs", f"{lock.program}, state {lock.state}", f"cat /proc/{lock.pid}/stack"),
            remedy=fix(
                "it waits for a disk or a network file system: mend that, no signal ends it"
                if sleeps
                else "look what it does; where it hangs, end it",
                *(() if sleeps else (on_node("kill", lock.pid),)),
                risk=""
                if sleeps
                else "a plugin that is ended leaves its pod half attached until the runtime's DEL",
            ),
        )


def _wanted(facts: Facts, lock: HeldLock) -> tuple[Severity, str, str]:
    """(how bad it is, the lock's name, who waits for it)."""
    if lock.path != XTABLES:
        name = f"the lock of {lock.path.rpartition('/')[0]}"
        return Severity.ERROR, name, "each ADD and DEL of the network waits for it"
    legacy = lock.waiting or any(family.endswith("legacy") for family in facts.node.firewall.iptables)
    users = "iptables-legacy waits for it, and so does each ADD and DEL that changes rules with it, and kube-proxy"
    return Severity.ERROR if legacy else Severity.WARNING, f"the lock of iptables ({XTABLES})", users

"""Removing one thing of each kind. Each function checks first that it is still the thing that was found.

Each returns why it could not remove it, "" where it could; a thing that is gone already counts as removed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from genie_core.edges.bridges import remove_unused
from genie_core.edges.routes import interface_exists
from genie_core.errors import GenieError
from genie_core.sandbox.host_node_inside import hold
from genie_core.settings import PROGRAM_PATH
from genie_core.survey.facts import Cached, Lease
from genie_core.survey.kernel import Namespace
from genie_core.tasks.abandoned import undo
from genie_core.tasks.atomic import has_lock
from genie_core.tasks.gc.nft_rules import OwnedRule
from genie_core.tasks.gc.report import Kind, Leftover
from genie_core.tasks.node_state import forget, release
from genie_core.verbs.context import Context

_SECONDS = 10
_NO_SUCH_RULE = (
    "No chain/target/match by that name",
    "Bad rule (does a matching rule exist",
    "does not exist",
)
_ENV = {"PATH": PROGRAM_PATH, "LC_ALL": "C"}


def remove(leftover: Leftover, context: Context, *, give_up: bool) -> Leftover:
    """The leftover with the outcome. `give_up`: the record of what a plugin refuses to release is removed."""
    pending = leftover.kind == "pending"
    try:
        problem = _release(leftover, context, give_up) if pending else _remove(leftover, context)
    except GenieError as error:
        problem = error.msg
    except OSError as error:
        problem = f"{error.filename or leftover.name}: {error.strerror}"
    except subprocess.TimeoutExpired as error:
        problem = str(error)
    if problem and pending and give_up:
        return _given_up(leftover, context, problem)
    return replace(leftover, removed=not problem, problem=problem)


def _remove(leftover: Leftover, context: Context) -> str:
    if leftover.kind != "bridge":
        return _REMOVERS[leftover.kind](leftover)
    context.store.prepare()  # makes the lock
    in_use = not remove_unused(context.store.lock_file, leftover.name) and interface_exists(leftover.name)
    return f"{leftover.name} is in use again" if in_use else ""


def _release(leftover: Leftover, context: Context, give_up: bool) -> str:
    """A DEL of what Genie recorded, by the plugins that attached it; with `give_up` past plugins that fail."""
    return "; ".join(failure.msg for failure in release(leftover.handle, context, thorough=give_up))


def _given_up(leftover: Leftover, context: Context, problem: str) -> Leftover:
    try:
        forget(leftover.handle, context)
    except GenieError as error:
        return replace(leftover, problem=f"{problem}; nor can its record be removed: {error.msg}")
    said = f"its plugin refused, so only Genie's record of it is gone: {problem}"
    return replace(leftover, removed=True, evidence=(*leftover.evidence, said))


def _free(leftover: Leftover) -> str:
    """Under host-local's lock, remove the file if it still names the same container."""
    lease: Lease = leftover.handle
    folder = os.path.dirname(lease.file)
    with open(f"{folder}/lock", "a", encoding="ascii") as lock:
        give_up = time.monotonic() + _SECONDS
        while not has_lock(lock.fileno(), lock.name):
            if time.monotonic() >= give_up:
                return f"host-local's lock {lock.name} is held for more than {_SECONDS} s"
            time.sleep(0.02)
        with suppress(FileNotFoundError):
            with open(lease.file, encoding="utf-8", errors="surrogateescape") as file:
                holder = file.readline().strip()
            if holder != lease.container:
                return f"{lease.file} has been given to another container meanwhile"
            os.unlink(lease.file)
    return ""


def _forget(leftover: Leftover) -> str:
    entry: Cached = leftover.handle
    with suppress(FileNotFoundError):
        os.unlink(entry.file)
    return ""


def _delete_chain(leftover: Leftover) -> str:
    """Delete the rules that lead to the chain, its own rules, then the chain."""
    if isinstance(leftover.handle, list):
        return _delete_rules(leftover.handle)
    chain, jumps = leftover.handle
    orders = [["-D", name, *shlex.split(spec)] for name, spec in jumps]
    for order in (*orders, ["-F", chain.name], ["-X", chain.name]):
        problem = _run([chain.tool, "-w", "5", "-t", "nat", *order], *_NO_SUCH_RULE)
        if problem:
            return problem
    return ""


def _delete_rules(rules: list[OwnedRule]) -> str:
    """Delete each rule by its handle, which no other rule of its table ever gets."""
    for rule in rules:
        words = ["nft", "delete", "rule", rule.family, rule.table, rule.chain, "handle", str(rule.handle)]
        problem = _run(words, "No such file or directory")
        if problem:
            return problem
    return ""


def _delete_link(leftover: Leftover) -> str:
    return _run(["ip", "link", "delete", "dev", leftover.name, "type", "veth"], "Cannot find device")


def _delete_namespace(leftover: Leftover) -> str:
    """Unmount and unlink, as runtimes do; `ip netns` knows only its own directory."""
    space: Namespace = leftover.handle
    problem = _run(["umount", "--lazy", space.path], "not mounted")
    if not problem:
        with suppress(FileNotFoundError):
            os.unlink(space.path)
    return problem


def _run(argv: list[str], *gone: str) -> str:
    """Why a command failed, "" where it did not, or printed one of the texts `gone`."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, env=_ENV, check=False)
    words = done.stderr.strip()
    return (
        "" if done.returncode == 0 or any(said in words for said in gone) else f"{shlex.join(argv)}: {words}"
    )


def _undo(leftover: Leftover) -> str:
    """Clean up a dry run as the next one would: release its pods, remove its namespaces."""
    with hold(leftover.name):
        return "; ".join(undo(leftover.name))


_REMOVERS: dict[Kind, Callable[[Leftover], str]] = {
    "dry-run": _undo,
    "lease": _free,
    "cache": _forget,
    "chain": _delete_chain,
    "veth": _delete_link,
    "namespace": _delete_namespace,
}

"""Load the rules of policies, pods and this node's journals into the kernel.

ADD waits for none of it. It records its pod, then reads what policies select, and closes the pod's interface. Here what
policies select is written first, then the journals are read: so a pod that saw the earlier list is among them. Loading
takes no guard away; that is done for the interfaces whose rules have been loaded.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from genie_core.edges import policy_dir
from genie_core.edges.files import is_private_directory, make_private_directory
from genie_core.edges.netns import inside
from genie_core.errors import GenieError, InvalidNetns
from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import Gate, Policies, PolicyRuleset, compile_node
from genie_core.policy.documents import PolicyDocuments
from genie_core.policy.evaluate import Packet
from genie_core.policy.places import POD
from genie_core.tasks.node_state import open_context
from genie_core.tasks.policy.connections import Connection, cut
from genie_core.tasks.policy.kernel import Kernel
from genie_core.tasks.policy.kernel import remove as remove_rules
from genie_core.tasks.policy.sources import Recorded, journal
from genie_core.tasks.this_node import own_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was applied. `problems` says what could not be; `cut` counts connections that were forgotten.

    `changed` are the namespaces whose rules have changed.
    """

    ruleset: PolicyRuleset
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    cut: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Enforcer:
    """One node's enforcement, in the namespaces of this process. `config` is Genie's own."""

    config: Mapping[str, Any]
    node: str
    kernel: Kernel = field(default_factory=Kernel)
    _earlier: Cluster | None = None
    _recorded: Recorded = field(default_factory=Recorded)
    _sysctls: dict[str, str] = field(default_factory=dict)
    # Namespaces whose rules have changed, and whose connections are not cut yet.
    _uncut: set[str] = field(default_factory=set)

    def apply(
        self, objects: Sequence[Mapping[str, Any]], before: Callable[[], None] = lambda: None
    ) -> Applied:
        """Make the kernel's rules those of the objects. Raises GenieError where nothing could be changed.

        `before` is called before anything is loaded: a table that is replaced loses its counters.
        """
        started = time.perf_counter()
        if not is_private_directory(policy_dir.DIRECTORY):
            make_private_directory(policy_dir.DIRECTORY)
        with policy_dir.Held(name=policy_dir.ENGINE_LOCK):
            read = PolicyDocuments(objects)
            problems = announce(read.selected_networks())
            attached = journal(self.config, self.node, self._recorded)
            problems += self._recorded.problems
            self._earlier = cluster = Cluster([*objects, attached], self._earlier)
            ruleset = compile_node(cluster, self.node, Policies(cluster, read))
            before()
            problems += set_sysctls(ruleset.sysctls)
            self._sysctls = {name: value for name, value in ruleset.sysctls.items() if _is_set(name, value)}
            changed = self._load_all(ruleset, problems)
        self._uncut |= set(changed)
        count = self._cut(ruleset, problems)
        return Applied(
            ruleset=ruleset,
            changed=tuple(changed),
            problems=tuple(problems),
            cut=count,
            seconds=time.perf_counter() - started,
        )

    def foreign(self) -> list[str]:
        """What another program has changed: namespaces with our tables, and sysctls. Raises GenieError."""
        return [
            *self.kernel.foreign(),
            *(name for name, value in self._sysctls.items() if not _is_set(name, value)),
        ]

    def _load_all(self, ruleset: PolicyRuleset, problems: list[str]) -> list[str]:
        """Load each pod's tables and the node's; the namespaces in which something has changed.

        The node's come last: they take the guards of new pods away, whose own rules may be in the pod.
        """
        wanted = {one.attached.netns: one.tables for one in ruleset.pods}
        living = ruleset.namespaces - {""}
        for netns in set(self.kernel.namespaces()) - living - {""}:
            with suppress(GenieError):  # the pod has gone, or has lost the network
                self.kernel.load((), netns)
                self.kernel.release((), netns)
            self.kernel.forget(netns)
        changed, store = [], open_context(dict(self.config)).store
        for netns, tables in {**dict.fromkeys(sorted(living), ()), **wanted, "": ruleset.host}.items():
            try:
                if self.kernel.load(tables, netns):
                    changed.append(netns)
                still = partial(self._recorded.unchanged, store, netns)
                self.kernel.release(ruleset.covered.get(netns, ()), netns, still if netns else lambda: None)
            except InvalidNetns:
                self.kernel.forget(netns)  # the pod has gone
            except GenieError as error:
                problems.append(f"{netns or 'the node'}: {error}")
        return changed

    def _cut(self, ruleset: PolicyRuleset, problems: list[str]) -> int:
        """Cut what is not allowed any more; a namespace where that fails is tried again at the next application."""
        count = 0
        for netns in sorted(self._uncut):
            gates = [one for one in ruleset.gates if _namespace_of(one) == netns]
            try:
                count += _cut_by(gates, netns, ruleset.node_addresses) if gates else 0
                self._uncut.discard(netns)
            except InvalidNetns:
                self._uncut.discard(netns)  # the pod has gone
            except (OSError, GenieError) as error:
                problems.append(f"{netns or 'the node'}: open connections are not cut: {error}")
        return count


def _cut_by(gates: Sequence[Gate], netns: str, node: Sequence[str]) -> int:
    judge = Judge(gates, set(node if netns else own_addresses()))
    return inside(netns, partial(cut, judge.denies)) if netns else cut(judge.denies)


def announce(selected: policy_dir.Selected) -> list[str]:
    """Write what policies select for the plugin; the problems. Where it fails, ADD does not rely on the old one."""
    try:
        policy_dir.write(selected)
        return []
    except GenieError as error:
        problems = [str(error)]
    try:
        policy_dir.withdraw()
    except GenieError as error:
        problems.append(str(error))
    return problems


def remove(config: Mapping[str, Any]) -> None:
    """Remove our tables from this node and its pods, and what the plugin reads. Raises GenieError."""
    attached = journal(config, "")
    for netns in sorted({item["netns"] for item in attached["items"] if item["netns"]}):
        with suppress(InvalidNetns):
            remove_rules(netns)
    remove_from_node()


def remove_from_node() -> None:
    """Remove our tables from the node's own namespace, and what the plugin reads. Raises GenieError."""
    remove_rules()
    shutil.rmtree(policy_dir.DIRECTORY, ignore_errors=True)


def _namespace_of(gate: Gate) -> str:
    return gate.attached.netns if gate.guarded.place.kind == POD else ""


class Judge:
    """Which open connections the gates deny. `spared` are the node's own addresses: what it opened passes."""

    def __init__(self, gates: Sequence[Gate], spared: set[str]) -> None:
        self._by_end: dict[tuple[str, str], list[Gate]] = {}
        self._spared = spared
        for gate in gates:
            for address in gate.guarded.own:
                self._by_end.setdefault((gate.guarded.direction, address), []).append(gate)

    def denies(self, connection: Connection) -> bool:
        """Whether a policy at one of its ends denies it now."""
        if connection.source in self._spared or connection.source == connection.target:
            return False
        gates = [
            *self._by_end.get(("Egress", connection.source), ()),
            *self._by_end.get(("Ingress", connection.target), ()),
        ]
        packet = Packet(
            saddr=connection.source,
            daddr=connection.target,
            protocol=connection.protocol,
            sport=connection.sport,
            dport=connection.dport,
        )
        return any(gate.denies(packet) for gate in gates)


def _path(name: str) -> Path:
    return Path("/proc/sys", *name.split("."))


def _is_set(name: str, value: str) -> bool:
    try:
        return _path(name).read_text(encoding="ascii").strip() == value
    except OSError:
        return False


def set_sysctls(wanted: Mapping[str, str]) -> list[str]:
    """Set the sysctls that differ; the reasons why some cannot be set."""
    problems = []
    for name, value in wanted.items():
        path = _path(name)
        if not path.exists():
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(["modprobe", "br_netfilter"], capture_output=True, timeout=10, check=False)
        try:
            if not _is_set(name, value):
                path.write_text(f"{value}\n", encoding="ascii")
        except OSError as error:
            problems.append(
                f"{name} cannot be set to {value}: {error.strerror}: policies on bridges are not enforced "
                + ("for packets with a VLAN tag" if "vlan" in name else "between pods of this node")
            )
    return problems

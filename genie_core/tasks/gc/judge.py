"""Which things of a scene belong to no container any more, and why. Pure.

A container is gone where the runtime, if it answered, has no sandbox of it, and no record names a namespace of it that
still exists. Where the runtime itself answered, a namespace without a process does not keep a container alive; where
only its directories could be read, it does. Addresses that are in use in any namespace are never freed, whatever the
records contain: other tools (nerdctl, podman) run containers that kubelet's runtime does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from genie_core.checks.leftovers import is_runtimes_own
from genie_core.fields import counted
from genie_core.model import Plan
from genie_core.net.firewall.owned import owned_chains
from genie_core.select.underlay import is_own_bridge, own_bridge_of
from genie_core.survey.facts import Cached
from genie_core.survey.kernel import Namespace
from genie_core.survey.sandboxes import by_name, namespace_state
from genie_core.tasks.gc.look import Scene
from genie_core.tasks.gc.nft_rules import OwnedRule
from genie_core.tasks.gc.report import Leftover

_TELLING = 12  # digits that identify a container, as docker and crictl print them


def leftovers(scene: Scene, min_age: float) -> list[Leftover]:
    """Everything without an owner that is at least `min_age` seconds old, in the order of removal."""
    owners = _Owners(scene, min_age)
    found = [
        *_dry_runs(scene),
        *_pending(scene, owners),
        *_leases(scene, owners, min_age),
        *_cache(scene, owners),
        *_chains(scene, owners),
        *_nft_rules(scene, owners),
    ]
    spaces = list(_namespaces(scene, owners, min_age))
    found += [*_veths(scene, spaces), *_bridges(scene), *spaces]
    return [leftover for leftover in found if leftover.kind not in scene.skipped]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Whether a container is gone, and the evidence."""

    gone: bool
    evidence: tuple[str, ...] = ()


# It writes the container's ID at once, under its lock, which is taken again before the file is removed.
_CUT_OFF = _Verdict(True, ("it is empty: host-local was ended before it wrote the container's ID",))


def _may_be_starting(plan: Plan, age: float, min_age: float) -> bool:
    """Whether its pod may be starting. A failed DEL also changes the journal's time: then it is not young."""
    return age < min_age and not any(item.releasing or item.released for item in plan.attachments)


class _Owners:
    """Which containers are alive, by container ID and by namespace."""

    def __init__(self, scene: Scene, min_age: float) -> None:
        facts = scene.facts
        self._scene, self._sandboxes, self._named = scene, facts.sandbox_ids, by_name(facts)
        ages = {record.container: record.age for record in facts.genie.records}
        self.plans = {
            plan.container_id: self._of_plan(
                plan, is_young=_may_be_starting(plan, ages[plan.container_id], min_age)
            )
            for plan in facts.genie.plans
        }
        # of two entries the one that names a namespace counts: it comes last
        by_knowledge = sorted(facts.cache, key=lambda entry: bool(entry.netns))
        self._cache = {entry.container: entry for entry in by_knowledge if entry.container}
        self._young = {lease.container for lease in facts.files.leases if lease.age < min_age}
        self._young |= {entry.container for entry in facts.cache if entry.age < min_age}

    def _of_plan(self, plan: Plan, *, is_young: bool) -> _Verdict:
        if is_young:
            return _Verdict(False)
        if plan.boot_id != self._scene.boot and not self._is_listed(plan.container_id):
            return _Verdict(True, ("the node has been rebooted since it was attached",))
        if plan.container_id in self._scene.taken and not self._is_listed(plan.container_id):
            return _Verdict(True, (f"at {plan.netns} is another namespace by now",))
        return self._of_record(plan.container_id, plan.netns)

    def _is_listed(self, container: str) -> bool:
        return container in (self._sandboxes or ())

    def _of_record(self, container: str, netns: str) -> _Verdict:
        """The verdict on a container that a record connects with a namespace."""
        if self._is_listed(container):
            return _Verdict(False)
        missing = [] if self._sandboxes is None else [f"{self._scene.source} has no such sandbox"]
        state = namespace_state(self._named, netns, exists=netns in self._scene.existing)
        if state == "in use" or (state != "gone" and not self._scene.answered):
            return _Verdict(False)
        detail = "does not exist" if state == "gone" else "has no process"
        return _Verdict(
            True, (*missing, f"its namespace {netns} {detail}" if netns else "it has no namespace")
        )

    def of_container(self, container: str) -> _Verdict:
        """The verdict on a container ID of a lease, a rule or a cached result."""
        known = self.plans.get(container)
        if known is not None:
            return known
        if container in self._young:  # its pod may be starting
            return _Verdict(False)
        entry = self._cache.get(container)
        if entry is not None and entry.netns:
            return self._of_record(container, entry.netns)
        if self._is_listed(container):
            return _Verdict(False)
        where = "its cached result names no namespace" if entry else "no record has its container"
        if self._sandboxes is None:
            return _Verdict(True, (where,))
        return _Verdict(True, (f"{self._scene.source} has no such sandbox", where))

    def of_rule(self, rule: OwnedRule) -> str:
        """The container that a rule is for, also where the rule has only the beginning of its ID; "" if unsure."""
        if not rule.is_cut:
            return rule.container
        known = {*self.plans, *self._cache, *(self._sandboxes or ())}
        found = [container for container in known if container.startswith(rule.container)]
        if found:
            return found[0] if len(found) == 1 else ""
        return rule.container if len(rule.container) >= _TELLING else ""

    def living_netns(self) -> set[str]:
        """Names of the namespaces of containers that are not gone."""
        facts = self._scene.facts
        records = [(plan.container_id, plan.netns) for plan in facts.genie.plans]
        records += [(entry.container, entry.netns) for entry in facts.cache]
        living = {netns for container, netns in records if not self.of_container(container).gone}
        return {path.rpartition("/")[2] for path in (*living, *self._scene.sandbox_netns)}


def _dry_runs(scene: Scene) -> Iterator[Leftover]:
    for folder in scene.dry_runs:
        yield Leftover(kind="dry-run", name=folder, evidence=("no process holds its lock",))


def _pending(scene: Scene, owners: _Owners) -> Iterator[Leftover]:
    for plan in scene.facts.genie.plans:
        verdict = owners.plans[plan.container_id]
        held = [item for item in plan.attachments if not item.released]
        if not verdict.gone:
            continue
        failed = (
            [f"{counted(plan.failed_releases, 'DEL has', 'DELs have')} failed"]
            if plan.failed_releases
            else []
        )
        if any(item.refused for item in held):
            failed.append("its ADD never succeeded, and its plugin refuses the configuration in DEL too")
        yield Leftover(
            kind="pending",
            name=", ".join(f"{item.network.name}@{item.ifname}" for item in held) or "no network",
            container=plan.container_id,
            network=held[0].network.name if held else "",
            evidence=(*verdict.evidence, *failed, *([f"it was pod {plan.pod}"] if plan.pod else [])),
            handle=plan,
        )


def _leases(scene: Scene, owners: _Owners, min_age: float) -> Iterator[Leftover]:
    """Leases of containers that are gone, but for those of Genie's own: their DEL gives them back."""
    for lease in scene.facts.files.leases:
        verdict = owners.of_container(lease.container) if lease.container else _CUT_OFF
        if lease.age < min_age or not verdict.gone or lease.container in owners.plans:
            continue
        if lease.ip in scene.in_use:
            continue
        yield Leftover(
            kind="lease",
            name=lease.file,
            container=lease.container,
            network=lease.network,
            evidence=(*verdict.evidence, f"no namespace has the address {lease.ip}"),
            handle=lease,
        )


def _cache(scene: Scene, owners: _Owners) -> Iterator[Leftover]:
    for entry in scene.facts.cache:
        verdict = owners.of_container(entry.container)
        if not entry.container or not verdict.gone or _used(entry, scene.in_use):
            continue
        if scene.facts.sandboxes is None and not (entry.netns or entry.addresses):
            continue  # there is no evidence that it is gone
        yield Leftover(
            kind="cache",
            name=entry.file,
            container=entry.container,
            network=entry.network,
            evidence=(
                *verdict.evidence,
                *(f"no namespace has the address {address}" for address in entry.addresses),
            ),
            handle=entry,
        )


def _used(entry: Cached, in_use: Mapping[str, str]) -> bool:
    return any(address in in_use for address in entry.addresses)


def _chains(scene: Scene, owners: _Owners) -> Iterator[Leftover]:
    """NAT chains that the reference plugins made for one container each, which their rules' comments name.

    Also those of Genie's own containers: without its namespace, a DEL of bridge or ptp does not find them.
    """
    for owned in owned_chains(scene.chains):
        verdict = owners.of_container(owned.container)
        if not verdict.gone or any(address in scene.in_use for address in owned.addresses):
            continue
        unused = [f"no namespace has the address {address}" for address in owned.addresses]
        yield Leftover(
            kind="chain",
            name=f"{owned.chain.tool} nat {owned.chain.name}",
            container=owned.container,
            network=owned.network,
            evidence=(*verdict.evidence, *unused),
            handle=(owned.chain, [(other.name, rule.text) for other, rule in owned.jumps]),
        )


def _nft_rules(scene: Scene, owners: _Owners) -> Iterator[Leftover]:
    """The same for plugins that use nftables: the rules of each container in each of their tables."""
    groups: dict[tuple[str, str, str], list[OwnedRule]] = {}
    for rule in scene.nft_rules:
        if container := owners.of_rule(rule):
            groups.setdefault((rule.family, rule.table, container), []).append(rule)
    for (family, table, container), rules in groups.items():
        verdict = owners.of_container(container)
        addresses = sorted({address for rule in rules for address in rule.addresses})
        if not verdict.gone or any(address in scene.in_use for address in addresses):
            continue
        unused = [f"no namespace has the address {address}" for address in addresses]
        yield Leftover(
            kind="chain",
            name=f"nft {family} {table} {', '.join(str(rule.handle) for rule in rules)}",
            container=container,
            network=rules[0].network,
            evidence=(*verdict.evidence, *unused),
            handle=rules,
        )


def _namespaces(scene: Scene, owners: _Owners, min_age: float) -> Iterator[Leftover]:
    """Empty namespaces that a runtime named, or that records of gone containers name."""
    living = owners.living_netns()
    gone = {
        plan.netns.rpartition("/")[2]: plan.container_id
        for plan in scene.facts.genie.plans
        if owners.plans[plan.container_id].gone
    }
    for space in scene.facts.namespaces:
        name = space.path.rpartition("/")[2]
        old = space.age >= min_age
        if space.processes != 0 or name in living or not old or not (is_runtimes_own(name) or name in gone):
            continue
        yield Leftover(
            kind="namespace",
            name=space.path,
            container=gone.get(name, ""),
            evidence=("no process is in it", "no container that is there has it"),
            handle=space,
        )


def _veths(scene: Scene, abandoned: list[Leftover]) -> Iterator[Leftover]:
    for leftover in abandoned:
        space: Namespace = leftover.handle
        number = scene.facts.namespace_numbers.get(space.path, -1)
        for link in scene.facts.node.links:
            if number < 0 or link.peer_nsid != number or link.kind != "veth":
                continue
            where = [f"it is on {scene.facts.node.name_of(link.master)}"] if link.master else []
            yield Leftover(
                kind="veth",
                name=link.name,
                container=leftover.container,
                evidence=(f"its other end is in {space.path}, in which no process is", *where),
                handle=link,
            )


def _bridges(scene: Scene) -> Iterator[Leftover]:
    """Genie's own bridges: the DEL of the last pod removes one, unless it is killed."""
    node, plans = scene.facts.node, scene.facts.genie.plans
    used = {own_bridge_of(item.network) for plan in plans for item in plan.attachments if not item.released}
    used |= {node.name_of(link.master) for link in node.links}
    for link in node.links:
        if link.kind == "bridge" and is_own_bridge(link.name) and link.name not in used:
            yield Leftover(
                kind="bridge",
                name=link.name,
                evidence=("no interface is on it", "no container in Genie's state has it"),
            )

"""One look at the node: which containers there are, and everything that networks leave behind for containers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from genie_core.edges.store import boot_id, file_name, is_taken
from genie_core.errors import GenieError
from genie_core.model import Plan
from genie_core.net.firewall.load import TOOLS, load
from genie_core.net.firewall.rules import Chain
from genie_core.sandbox.host_node_inside import abandoned, is_held
from genie_core.settings import CONF_DIR
from genie_core.survey.facts import Firewall
from genie_core.survey.nodenet import Link, namespace_number, read_node
from genie_core.survey.records import (
    CACHE_DIR,
    IPAM_DIR,
    NETNS_DIRS,
    CachedResult,
    Lease,
    Namespace,
    age_of,
    read_cache,
    read_leases,
    read_namespaces,
)
from genie_core.survey.rootfs import Root
from genie_core.survey.rulesets import firewall
from genie_core.survey.sandboxes import NoSocket, Sandboxes, find_sandboxes
from genie_core.survey.tenants import addresses_in_use
from genie_core.tasks.conflist import CONFLIST
from genie_core.tasks.gc.nft_rules import OwnedRule, owned_rules
from genie_core.tasks.node_state import open_context, plans, read_conflist
from genie_core.verbs.context import Context

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GCOptions:
    """Where to look. `state_dir` "" means: as Genie's configuration says; `cri_socket` "": found.

    What is younger than `min_age` seconds may belong to a pod that is just being made; `timeout` in seconds is for
    each question to the runtime. `forget` gives up networks that their plugins refuse to release.
    """

    conf_dir: str = CONF_DIR
    state_dir: str = ""
    ipam_dir: str = IPAM_DIR
    cache_dir: str = CACHE_DIR
    netns_dirs: tuple[str, ...] = NETNS_DIRS
    cri_socket: str = ""
    min_age: float = 60
    timeout: float = 5
    forget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one look saw. Times are seconds since the epoch; `ages` maps files and namespaces to seconds.

    `dry_runs` are folders of those that nobody carries out any more.
    `sandboxes` are the container IDs that a runtime has, None where none could be asked; `asked_runtime` is true
    where the runtime itself answered, and not only its directories; `sandbox_netns` are those sandboxes' namespaces.
    `in_use` maps addresses to a namespace that has them. `numbers` maps namespaces to the kernel's numbers of them,
    `existing` are the namespaces' paths in records that are there, `taken` the container IDs whose path is another
    namespace's by now, `boot` is this boot's identity.
    """

    source: str
    asked_runtime: bool
    sandboxes: frozenset[str] | None
    sandbox_netns: frozenset[str] = frozenset()
    dry_runs: Sequence[str] = ()
    problem: str = ""
    plans: Sequence[Plan] = ()
    leases: Mapping[str, Sequence[Lease]] = field(default_factory=dict)
    cache: Sequence[CachedResult] = ()
    namespaces: Sequence[Namespace] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    links: Sequence[Link] = ()
    chains: Sequence[Chain] = ()
    nft_rules: Sequence[OwnedRule] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    existing: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    boot: str = ""
    ages: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


def open_genie(options: GCOptions) -> Context:
    """Genie's node, to release what its state holds. Raises InvalidConfig where its conflist cannot be read."""
    config = read_conflist(Path(options.conf_dir) / CONFLIST) or {}
    if options.state_dir:
        config = {**config, "state_dir": options.state_dir}
    return open_context(config)


def look(options: GCOptions, context: Context) -> Scene:
    """See everything once. What this user may not see is in `skipped`."""
    root = Root()
    skipped: dict[str, str] = {}

    def read(kind: str, reader: Callable[[], T], nothing: T) -> T:
        try:
            return reader()
        except FileNotFoundError:
            return nothing
        except GenieError as error:
            skipped[kind] = error.msg
        except OSError as error:
            skipped[kind] = f"{error.filename or kind}: {error.strerror}"
        return nothing

    found = _sandboxes(options, root)
    namespaces = read_namespaces(root, options.netns_dirs)
    net = read("veth", read_node, None)
    if net is None:
        skipped["bridge"] = skipped["veth"]
    chains, nft_rules = _nat(skipped)
    scene = Scene(
        source=_source(found),
        problem=_problem(found),
        asked_runtime=found.listed is not None,
        sandboxes=found.ids,
        sandbox_netns=frozenset(os.path.realpath(one.netns) for one in found.listed or () if one.netns),
        dry_runs=[folder for folder in abandoned() if not is_held(folder)],
        plans=read("pending", lambda: list(_plans(context)), []),
        leases=read("lease", lambda: read_leases(options.ipam_dir, root, time.time()), {}),
        cache=read("cache", lambda: read_cache(options.cache_dir, root), []),
        namespaces=namespaces,
        numbers={space.path: namespace_number(space.path) for space in namespaces if space.processes == 0},
        links=list(net.links.values()) if net else [],
        chains=chains,
        nft_rules=nft_rules,
        in_use=addresses_in_use([space.path for space in namespaces]),
        skipped=skipped,
    )
    if "pending" in skipped:
        skipped["bridge"] = skipped["pending"]
    if os.geteuid() != 0:
        skipped.update(
            dict.fromkeys(("lease", "chain", "veth", "bridge", "namespace"), "seeing who uses it needs root")
        )
    return _with_ages(scene, context)


def _plans(context: Context) -> list[Plan]:
    if not os.access(context.store.directory, os.R_OK | os.X_OK) and os.path.exists(context.store.directory):
        raise PermissionError(13, "needs root", context.store.directory)
    return list(plans(context))


def _sandboxes(options: GCOptions, root: Root) -> Sandboxes:
    """The node's sandboxes. Raises GenieError where a runtime that was named does not answer: nothing is sure then."""
    found = find_sandboxes(root, options.cri_socket, timeout=options.timeout)
    if found.problem is not None and options.cri_socket:
        raise found.problem
    return found


def _source(found: Sandboxes) -> str:
    """What told which containers there are; why the runtime itself did not, where one was found."""
    source, problem = found.source or "the network namespaces that exist", _problem(found)
    return f"{source} ({problem})" if problem else source


def _problem(found: Sandboxes) -> str:
    """Why the runtime gave no answer; "" where it did, or where none was found."""
    return "" if found.problem is None or isinstance(found.problem, NoSocket) else found.problem.msg


def _nat(skipped: dict[str, str]) -> tuple[list[Chain], list[OwnedRule]]:
    """iptables' NAT chains, and the plugins' own nftables rules. A program that is not installed made none."""
    seen = firewall()
    if reason := _unseen(seen):
        skipped["chain"] = reason
    chains = [chain for chain in load(seen).chains if chain.table == "nat" and chain.tool in TOOLS.values()]
    return chains, list(owned_rules(seen.nft or ()))


def _unseen(seen: Firewall) -> str:
    """Why rules may be there that were not seen."""
    problems = [
        reason for reason in seen.reason.split("; ") if reason and not reason.endswith("is not installed")
    ]
    nothing = seen.nft is None and not seen.iptables
    return "; ".join(problems) or (seen.reason if nothing else "")


def _with_ages(scene: Scene, context: Context) -> Scene:
    """Add how long things have been there, and which of the recorded namespaces still are."""
    files = {
        plan.container_id: f"{context.store.directory}/containers/{file_name(*plan.key)}"
        for plan in scene.plans
    }
    files |= {entry.file: entry.file for entry in scene.cache}
    files |= {space.path: space.path for space in scene.namespaces}
    ages = {}
    for key, path in files.items():
        try:
            ages[key] = age_of(path, time.time())
        except OSError:
            continue
    recorded = {plan.netns for plan in scene.plans} | {entry.netns for entry in scene.cache}
    existing = frozenset(path for path in recorded if path and os.path.exists(path))
    taken = frozenset(plan.container_id for plan in scene.plans if is_taken(plan, plan.netns))
    return replace(scene, ages=ages, existing=existing, taken=taken, boot=boot_id())

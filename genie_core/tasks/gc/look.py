"""One look at the node: its facts, and what only `genie gc` needs to know."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genie_core.edges.store import boot_id, is_taken
from genie_core.net.firewall.load import TOOLS, ruleset_of
from genie_core.net.firewall.rules import Chain
from genie_core.sandbox.host_node_inside import abandoned, is_held
from genie_core.settings import CONF_DIR
from genie_core.survey.collection import Collection
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Firewall
from genie_core.survey.namespaces import addresses_in_use
from genie_core.survey.places import Places
from genie_core.survey.sandboxes import NoSocket, Sandboxes
from genie_core.survey.survey import GC, Survey
from genie_core.tasks.gc.nft_rules import OwnedRule, owned_rules
from genie_core.tasks.gc.report import Kind
from genie_core.tasks.install.conflist import CONFLIST
from genie_core.tasks.node_state import open_context, read_conflist
from genie_core.verbs.context import Context

# The source that each kind of leftover is read from.
_SOURCES: dict[Kind, str] = {"pending": "state", "lease": "leases", "cache": "cache", "veth": "node"}
_NEED_ROOT: tuple[Kind, ...] = ("lease", "chain", "veth", "bridge", "namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class GCOptions(Places):
    """Where to look; Genie's own configuration is in `conf_dir`.

    What is younger than `min_age` seconds may belong to a pod that is just being made. `timeout` in seconds is for each
    question to the runtime. `forget` gives up networks that their plugins refuse to release.
    """

    conf_dir: str = CONF_DIR
    min_age: float = 60
    timeout: float = 5
    forget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The facts of one look, and what only `genie gc` looks at.

    `source` says where the containers are known from; `problem` why the runtime did not answer, `answered` whether it
    did. `sandbox_netns` are the sandboxes' namespaces, `dry_runs` the folders of dry runs that ended without cleaning
    up. `in_use` maps addresses to a namespace that has them; `existing` are the namespaces' paths in records that are
    there, `taken` the container IDs whose path is another namespace's by now; `boot` is this boot's identity.
    `skipped` maps kinds of leftovers to why they were not looked for.
    """

    facts: Facts
    source: str
    problem: str = ""
    answered: bool = False
    sandbox_netns: frozenset[str] = frozenset()
    dry_runs: Sequence[str] = ()
    chains: Sequence[Chain] = ()
    nft_rules: Sequence[OwnedRule] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    existing: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    boot: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)


def open_genie(options: GCOptions) -> Context:
    """Genie's node, to release what its state holds. Raises InvalidConfig where its conflist cannot be read."""
    config = read_conflist(Path(options.conf_dir) / CONFLIST) or {}
    if options.state_dir:
        config = {**config, "state_dir": options.state_dir}
    return open_context(config)


def look(options: GCOptions, context: Context) -> Scene:
    """Look once. `skipped` has what this user may not see.

    Raises GenieError where a runtime that was named does not answer: then it is not known which containers there are.
    """
    places = replace(options, state_dir=str(context.store.directory))
    survey = Survey(places, GC, Collection(), runtime_seconds=options.timeout)
    found = survey.sandboxes
    if found.problem is not None and places.cri_socket:
        raise found.problem
    facts = survey.facts()
    firewall, plans = facts.node.firewall, facts.genie.plans
    recorded = {plan.netns for plan in plans} | {entry.netns for entry in facts.cache}
    return Scene(
        facts=facts,
        source=_source(found),
        problem=_problem(found),
        answered=found.answered,
        sandbox_netns=frozenset(os.path.realpath(one.netns) for one in found.found or () if one.netns),
        dry_runs=[folder for folder in abandoned() if not is_held(folder)],
        chains=[c for c in ruleset_of(firewall).chains if c.table == "nat" and c.tool in TOOLS.values()],
        nft_rules=list(owned_rules(firewall.nft or ())),
        in_use=addresses_in_use([space.path for space in facts.namespaces]),
        existing=frozenset(path for path in recorded if path and os.path.exists(path)),
        taken=frozenset(plan.container_id for plan in plans if is_taken(plan, plan.netns)),
        boot=boot_id(),
        skipped=_skipped(facts),
    )


def _skipped(facts: Facts) -> dict[str, str]:
    skipped = {str(kind): reason for kind, source in _SOURCES.items() if (reason := facts.unread(source))}
    if problem := _unread_rules(facts.node.firewall):
        skipped["chain"] = problem
    if unread := skipped.get("pending") or skipped.get("veth"):
        skipped["bridge"] = unread
    if os.geteuid() != 0:
        skipped |= dict.fromkeys(_NEED_ROOT, "seeing who uses it needs root")
    return skipped


def _source(found: Sandboxes) -> str:
    """Where the containers are known from, and why the runtime itself did not answer, where there is one."""
    source, problem = found.source or "the network namespaces that exist", _problem(found)
    return f"{source} ({problem})" if problem else source


def _problem(found: Sandboxes) -> str:
    """Why the runtime gave no answer; "" where it did, or where none was found."""
    return "" if found.problem is None or isinstance(found.problem, NoSocket) else found.problem.msg


def _unread_rules(firewall: Firewall) -> str:
    """Why there may be rules that were not read. A program that is not installed has made none."""
    problems = [
        reason for reason in firewall.reason.split("; ") if reason and not reason.endswith("is not installed")
    ]
    nothing = firewall.nft is None and not firewall.iptables
    return "; ".join(problems) or (firewall.reason if nothing else "")

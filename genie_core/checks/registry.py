"""All checks, run: which ran, which were skipped and why, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf

from genie_core.checks import (
    addresses,
    announced,
    asked,
    gateway,
    host,
    interfaces,
    kernel,
    leases,
    links,
    masquerade,
    native,
    overlay,
    path_mtu,
    pod_filters,
    policies,
    policy_routing,
    prefixes,
    probes,
    reported,
    resolved,
    resolver,
    routes,
    runner,
    services,
    serving,
    tracking,
    traffic,
    underlay,
    unseen,
    virtual_servers,
)
from genie_core.checks.check import PodCheck
from genie_core.checks.runner import EVERYTHING, Selection
from genie_core.findings import Check, Finding
from genie_core.net.case import Case

ALL: tuple[PodCheck, ...] = (
    *links.CHECKS,
    *addresses.CHECKS,
    *prefixes.CHECKS,
    *routes.CHECKS,
    *gateway.CHECKS,
    *host.CHECKS,
    *traffic.CHECKS,
    *policy_routing.CHECKS,
    *tracking.CHECKS,
    *pod_filters.CHECKS,
    *services.CHECKS,
    *serving.CHECKS,
    *virtual_servers.CHECKS,
    *masquerade.CHECKS,
    *resolver.CHECKS,
    *overlay.CHECKS,
    *announced.CHECKS,
    *native.CHECKS,
    *underlay.CHECKS,
    *path_mtu.CHECKS,
    *interfaces.CHECKS,
    *kernel.CHECKS,
    *leases.CHECKS,
    *policies.CHECKS,
    *unseen.CHECKS,
    *resolved.CHECKS,
    *probes.CHECKS,
    *reported.CHECKS,
    *asked.CHECKS,
)

# Those that need no look into the pod.
OF_NODE = tuple(
    check for check in ALL if not {"pod", "pod firewall", "probes", "resolv.conf"} & set(check.needs)
)


def lacking(model: Case, check: PodCheck) -> str:
    """Why a check cannot run, "" where it can."""
    return next((reason for need in check.needs if (reason := _lacks(model, need))), "")


def _lacks(model: Case, need: str) -> str:
    """Why a source is not there, "" where it is. "objects: KIND" is one kind of API objects."""
    facts = model.facts
    if need in ("pod firewall", "node firewall"):
        return _firewall(model, need.partition(" ")[0]) or ""
    there = {
        "pod": facts.pod is not None,
        "node": bool(facts.node.links),
        "objects": bool(facts.objects),
        "pod object": bool(facts.pod_object),
        "events": bool(facts.events) or "events" not in facts.missing,
        "state": bool(facts.files.state_dir) and "state" not in facts.missing,
        "conntrack": "netfilter/nf_conntrack_max" in facts.node.sysctls,
        "probes": bool(facts.probes),
        "resolv.conf": facts.resolv_conf is not None,
    }
    source, _, kind = need.partition(": ")
    if kind and need in facts.missing:
        return facts.missing[need]
    return "" if there[source] else facts.missing.get(source, _ABSENT[source])


_ABSENT = {
    "pod": "the pod's network namespace is not known",
    "node": "the node's interfaces could not be read",
    "objects": "the API server knows of none",
    "pod object": "the Pod is not known",
    "events": "no events are known",
    "state": "Genie's state directory is not known",
    "conntrack": "the kernel tracks no connections here: nf_conntrack is not loaded, or /proc/sys is not the node's",
    "probes": "no probe was sent",
    "resolv.conf": "no process of the pod shows its resolv.conf, and /etc/netns has none",
}


def _firewall(model: Case, place: str) -> str | None:
    stack = model.node if place == "node" else model.pod
    if stack is None:
        return "the pod's network namespace is not known"
    if stack.rules.known:
        return None
    return model.facts.missing.get(f"{place} firewall") or "nft and iptables-save gave nothing: run as root"


def run(
    model: Case, checks: Sequence[PodCheck], until: float = inf, chosen: Selection = EVERYTHING
) -> tuple[list[Finding], list[Check]]:
    """The findings, in the checks' order, and what became of each check; `until` as for `runner.run`."""
    jobs = ((check, lacking(model, check), partial(check.run, model)) for check in checks)
    return runner.run(jobs, chosen, until)

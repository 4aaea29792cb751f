"""The sources that checks need, and why one is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from genie_core.net.case import Case
from genie_core.survey.facts import Facts

_NO_RULES = "nft and iptables-save gave nothing: run as root"
_NO_CONNTRACK = (
    "the kernel tracks no connections here: nf_conntrack is not loaded, or /proc/sys is not the node's"
)
_NO_RESOLV_CONF = "no process of the pod shows its resolv.conf, and /etc/netns has none"
_NO_TRANSLATIONS = (
    "services are translated by programs (eBPF, Open vSwitch), or by IPVS whose table cannot be read"
)


def _translates(case: Case) -> bool:
    """Whether the rules that translate services on this node are among the facts."""
    return not case.datapath and (bool(case.facts.node.ipvs) or "kube-ipvs0" not in case.node.by_name)


# The sources of a pod's network: whether one is there, and the reason where `missing` has none.
# "objects: Service" is one kind of API objects.
_SOURCES: dict[str, tuple[Callable[[Case], bool], str]] = {
    "pod": (lambda case: case.pod is not None, "the pod's network namespace is not known"),
    "node": (lambda case: bool(case.facts.node.links), "the node's interfaces could not be read"),
    "pod firewall": (lambda case: case.pod is not None and case.pod.rules.known, _NO_RULES),
    "node firewall": (lambda case: case.node.rules.known, _NO_RULES),
    "service rules": (_translates, _NO_TRANSLATIONS),
    "objects": (lambda case: bool(case.facts.objects), "the API server has none"),
    "pod object": (lambda case: bool(case.facts.pod_object), "the Pod is not known"),
    "events": (
        lambda case: bool(case.facts.events) or "events" not in case.facts.missing,
        "no events are known",
    ),
    "state": (lambda case: bool(case.facts.files.state_dir), "Genie's state directory is not known"),
    "conntrack": (lambda case: "netfilter/nf_conntrack_max" in case.facts.node.sysctls, _NO_CONNTRACK),
    "namespace numbers": (
        lambda case: "namespace numbers" not in case.facts.missing,
        "they could not be read",
    ),
    "tenants": (lambda _: True, ""),
    "tracked": (lambda case: "tracked" not in case.facts.missing, "conntrack gave nothing"),
    "probes": (lambda case: bool(case.facts.probes), "no probe was sent"),
    "resolv.conf": (lambda case: case.facts.resolv_conf is not None, _NO_RESOLV_CONF),
}
OF_POD = {"pod", "pod firewall", "probes", "resolv.conf"}
# The sources of a node's files: one is there unless `missing` has it.
_OF_FILES = (
    "api", "bin", "cache", "conf", "leases", "networks", "node", "probe", "processes", "runtimes", "sandboxes", "state",
)  # fmt: skip


def unknown(needs: Iterable[str]) -> list[str]:
    """Those of the names that are no sources."""
    return [need for need in needs if need.partition(": ")[0] not in (*_SOURCES, *_OF_FILES)]


def lacking(facts: Case | Facts, needs: Iterable[str]) -> str:
    """Why a check with these needs cannot run, "" where it can."""
    if isinstance(facts, Facts):
        return "; ".join(reason for need in needs if (reason := facts.unread(need)))
    return next((reason for need in needs if (reason := _lacks(facts, need))), "")


def partly(facts: Case | Facts, needs: Iterable[str]) -> str:
    """Why a check with these needs has not seen everything, "" where it has. Else it must not pass."""
    if isinstance(facts, Facts):
        return ""
    known, missing = facts.facts, facts.facts.missing
    unread = {
        "node firewall": not known.node.firewall.is_whole and known.node.firewall.reason,
        "pod firewall": known.pod is not None
        and not known.pod.firewall.is_whole
        and known.pod.firewall.reason,
        "tenants": missing.get("tenants") or missing.get("namespace numbers"),
    }
    return next((f"not everything was read: {unread[need]}" for need in needs if unread.get(need)), "")


def _lacks(case: Case, need: str) -> str:
    """Why a source is missing, "" where it is there."""
    source, _, kind = need.partition(": ")
    missing = case.facts.missing
    if (kind or need == "state") and need in missing:
        return missing[need]
    if need == "pod firewall" and case.pod is None:
        source = "pod"
    is_there, absent = _SOURCES[source]
    return "" if is_there(case) else missing.get(source) or absent

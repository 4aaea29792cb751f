"""The checks of a node by name, what each needs, and the walk that runs them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from ..findings import Check, Finding, Status
from . import configuration, credentials, genie, leases, leftovers, plugins, runtime, subnets
from .facts import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCheck:
    """One check: its id, what it looks for, and the sources without which it says nothing (keys of `missing`)."""

    id: str
    title: str
    run: Callable[[NodeFacts], Iterator[Finding]]
    needs: tuple[str, ...] = ()


def _check(id_: str, title: str, run: Callable[[NodeFacts], Iterator[Finding]], *needs: str) -> NodeCheck:
    return NodeCheck(id=id_, title=title, run=run, needs=needs)


CHECKS = (
    _check("conf-readable", "every configuration file can be read", configuration.unreadable_files, "conf"),
    _check("conf-ignored", "no configuration is put aside", configuration.ignored_files, "conf"),
    _check("conf-names", "network names are used once", configuration.duplicate_networks, "conf"),
    _check("conf-keys", "no key is there twice", configuration.repeated_keys, "conf"),
    _check("conf-first", "no foreign file sorts first", configuration.foreign_first, "conf", "runtime"),
    _check("conf-self", "nothing leads Genie back to itself", configuration.self_delegation, "conf"),
    _check("conf-dispatcher", "one dispatcher only", configuration.two_dispatchers, "conf"),
    _check("conf-plugin", "plugins get what they understand", configuration.plugin_problems, "conf"),
    _check(
        "conf-version",
        "plugins speak the configuration's version",
        configuration.versions_refused,
        "conf",
        "bin",
        "probe",
    ),
    _check("conf-cniversion", "every configuration has a version", configuration.versions_missing, "conf"),
    _check("subnet-networks", "networks do not overlap", subnets.overlapping_networks, "conf"),
    _check(
        "subnet-node", "networks do not overlap the node's own", subnets.overlapping_node, "conf", "netlink"
    ),
    _check("bridge-shared", "every network has a bridge of its own", subnets.shared_bridge, "conf"),
    _check(
        "bridge-address", "bridges have their network's address", subnets.bridge_address, "conf", "netlink"
    ),
    _check("plugin-missing", "every plugin is installed", plugins.missing, "conf", "bin"),
    _check("plugin-file", "plugin files can be executed", plugins.unusable, "bin"),
    _check("plugin-noexec", "plugin directories are not mounted noexec", plugins.not_executed, "bin"),
    _check("plugin-answer", "plugins answer VERSION", plugins.silent, "bin", "probe"),
    _check("plugin-writable", "only their owner can change plugins", plugins.writable, "bin"),
    _check("plugin-status", "plugins are ready", plugins.not_ready, "conf", "bin", "probe"),
    _check("runtime-config", "the runtimes' configuration can be read", runtime.unreadable_config, "runtime"),
    _check(
        "runtime-directory",
        "configurations lie where runtimes look",
        runtime.other_directory,
        "conf",
        "runtime",
    ),
    _check("runtime-network", "every runtime has a network", runtime.no_network, "conf", "runtime"),
    _check("runtime-two", "runtimes do not share a directory", runtime.two_runtimes, "conf", "runtime"),
    _check("runtime-several", "one network by default", runtime.several_networks, "conf", "runtime"),
    _check("leases-leaked", "leases belong to sandboxes", leases.leaked, "leases", "sandboxes"),
    _check("leases-free", "addresses are left", leases.exhausted, "conf", "leases"),
    _check("leases-outside", "leases are within their subnets", leases.outside, "conf", "leases"),
    _check("leases-unconfigured", "leases have a configuration", leases.unconfigured, "conf", "leases"),
    _check("cache-stale", "cached results belong to sandboxes", leftovers.stale_cache, "cache"),
    _check("cache-readable", "cached results can be read", leftovers.damaged_cache, "cache"),
    _check("netns-stale", "namespaces belong to sandboxes", leftovers.stale_namespaces, "processes"),
    _check("credential-mode", "credentials are private", credentials.open_to_others),
    _check("credential-inline", "no credential in a configuration", credentials.secrets_in_files, "conf"),
    _check("credential-valid", "credentials are valid", credentials.expired),
    _check("credential-usable", "kubeconfigs can be used", credentials.unusable),
    _check("genie-installed", "Genie is installed whole", genie.half_installed, "conf", "bin"),
    _check("genie-python", "Genie's interpreter is there", genie.interpreter, "bin"),
    _check("genie-default", "Genie has a default network", genie.no_default, "conf"),
    _check("genie-state", "nothing is left undone", genie.state, "state"),
    _check("genie-api", "the API server answers", genie.api, "api"),
)


def run_checks(facts: NodeFacts, checks: Sequence[NodeCheck] = CHECKS) -> tuple[list[Finding], list[Check]]:
    """All findings, in the checks' order, and what became of each check."""
    findings: list[Finding] = []
    outcomes: list[Check] = []
    for check in checks:
        reason = "; ".join(facts.missing[need] for need in check.needs if need in facts.missing)
        if reason:
            outcomes.append(Check(id=check.id, status=Status.SKIP, reason=reason))
            continue
        started = perf_counter()
        found = list(check.run(facts))
        findings += found
        status = Status.FAIL if found else Status.PASS
        outcomes.append(Check(id=check.id, status=status, ms=(perf_counter() - started) * 1000))
    return findings, outcomes

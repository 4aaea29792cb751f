"""The checks of a node by name, the codes that each can report, and the sources that each needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from genie_core.checks import (
    configuration,
    credentials,
    genie,
    leftovers,
    logical,
    node_leases,
    plugins,
    runner,
    runtime,
    subnets,
)
from genie_core.checks.runner import EVERYTHING, Selection
from genie_core.findings import Check, Finding
from genie_core.survey.node_facts import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCheck:
    """One check: its id, the findings that it can report, what holds where it finds none.

    `needs` are the sources (keys of `NodeFacts.missing`) without which it is skipped.
    """

    id: str
    codes: tuple[str, ...]
    title: str
    run: Callable[[NodeFacts], Iterator[Finding]]
    needs: tuple[str, ...] = ()


def _check(
    id_: str, codes: str, title: str, run: Callable[[NodeFacts], Iterator[Finding]], *needs: str
) -> NodeCheck:
    return NodeCheck(id=id_, codes=tuple(codes.split()), title=title, run=run, needs=needs)


CHECKS = (
    _check(
        "conf-readable",
        "GN1001 GN1002",
        "every configuration file can be read",
        configuration.unreadable_files,
        "conf",
    ),
    _check("conf-ignored", "GN1005", "no configuration is put aside", configuration.ignored_files, "conf"),
    _check("conf-names", "GN1003", "network names are used once", configuration.duplicate_networks, "conf"),
    _check("conf-keys", "GN1004", "no key is there twice", configuration.repeated_keys, "conf"),
    _check(
        "conf-first", "GN1006", "no foreign file sorts first", configuration.foreign_first, "conf", "runtime"
    ),
    _check(
        "conf-self", "GN1007", "nothing leads Genie back to itself", configuration.self_delegation, "conf"
    ),
    _check("conf-dispatcher", "GN1008", "one dispatcher only", configuration.two_dispatchers, "conf"),
    _check(
        "conf-plugin",
        "GN1010 GN1011 GN1012 GN1020 GN1021 GN1022 GN1023 GN1030 GN1031 GN1032 GN1033 GN1034 GN1502 GN1602",
        "plugins get what they understand",
        configuration.plugin_problems,
        "conf",
    ),
    _check(
        "conf-version",
        "GN1040",
        "plugins speak the configuration's version",
        configuration.versions_refused,
        "conf",
        "bin",
        "probe",
    ),
    _check("conf-check", "GN1042", "CHECK can succeed where it is called", configuration.check_fails, "conf"),
    _check(
        "conf-cniversion",
        "GN1041",
        "every configuration has a version",
        configuration.versions_missing,
        "conf",
    ),
    _check(
        "conf-spoken",
        "GN1043",
        "the runtime speaks the configuration's version",
        runtime.versions_not_spoken,
        "conf",
        "runtime",
        "probe",
    ),
    _check("subnet-networks", "GN1035", "networks do not overlap", subnets.overlapping_networks, "conf"),
    _check(
        "subnet-node",
        "GN1036",
        "networks do not overlap the node's own",
        subnets.overlapping_node,
        "conf",
        "netlink",
    ),
    _check("bridge-shared", "GN1037", "every network has a bridge of its own", subnets.shared_bridge, "conf"),
    _check(
        "bridge-address",
        "GN1024",
        "bridges have their network's address",
        subnets.bridge_address,
        "conf",
        "netlink",
    ),
    _check("plugin-missing", "GN1101", "every plugin is installed", plugins.missing, "conf", "bin"),
    _check("plugin-file", "GN1102 GN1103 GN1107", "plugin files can be executed", plugins.unusable, "bin"),
    _check(
        "plugin-noexec", "GN1111", "plugin directories are not mounted noexec", plugins.not_executed, "bin"
    ),
    _check("plugin-answer", "GN1104 GN1105 GN1106", "plugins answer VERSION", plugins.silent, "bin", "probe"),
    _check("plugin-writable", "GN1108", "only their owner can change plugins", plugins.writable, "bin"),
    _check("plugin-status", "GN1110", "plugins are ready", plugins.not_ready, "conf", "bin", "probe"),
    _check(
        "runtime-config",
        "GN1202",
        "the runtimes' configuration can be read",
        runtime.unreadable_config,
        "runtime",
    ),
    _check(
        "runtime-directory",
        "GN1201",
        "configurations lie where runtimes look",
        runtime.other_directory,
        "conf",
        "runtime",
    ),
    _check(
        "runtime-network",
        "GN1203 GN1206",
        "every runtime has a network",
        runtime.no_network,
        "conf",
        "runtime",
    ),
    _check(
        "runtime-two", "GN1204", "runtimes do not share a directory", runtime.two_runtimes, "conf", "runtime"
    ),
    _check(
        "runtime-several", "GN1205", "one network by default", runtime.several_networks, "conf", "runtime"
    ),
    _check(
        "runtime-garbage",
        "GN1207",
        "the runtime's GC leaves living pods alone",
        runtime.garbage_of_others,
        "conf",
        "runtime",
        "cache",
    ),
    _check(
        "leases-leaked", "GN1301", "leases belong to sandboxes", node_leases.leaked, "leases", "sandboxes"
    ),
    _check("leases-free", "GN1302 GN1303", "addresses are left", node_leases.exhausted, "conf", "leases"),
    _check(
        "leases-outside", "GN1304", "leases are within their subnets", node_leases.outside, "conf", "leases"
    ),
    _check(
        "leases-unconfigured",
        "GN1305",
        "leases have a configuration",
        node_leases.unconfigured,
        "conf",
        "leases",
    ),
    _check("cache-stale", "GN1401", "cached results belong to sandboxes", leftovers.stale_cache, "cache"),
    _check("cache-readable", "GN1403", "cached results can be read", leftovers.damaged_cache, "cache"),
    _check(
        "netns-stale", "GN1402", "namespaces belong to sandboxes", leftovers.stale_namespaces, "processes"
    ),
    _check("credential-mode", "GN1501", "credentials are private", credentials.open_to_others),
    _check(
        "credential-inline",
        "GN1502 GN1507",
        "no credential in a configuration",
        credentials.secrets_in_files,
        "conf",
    ),
    _check("credential-valid", "GN1503 GN1504", "credentials are valid", credentials.expired),
    _check("credential-usable", "GN1505", "kubeconfigs can be used", credentials.unusable),
    _check("genie-installed", "GN1601", "Genie is installed whole", genie.half_installed, "conf", "bin"),
    _check("genie-python", "GN1610", "Genie's interpreter is there", genie.interpreter, "bin"),
    _check("genie-default", "GN1607 GN1609", "Genie has a default network", genie.no_default, "conf"),
    _check("genie-allowed", "GN1611 GN1612", "allowed networks can be had", genie.allowed, "conf"),
    _check("genie-state", "GN1603 GN1604 GN1608", "nothing is left undone", genie.state, "state"),
    _check(
        "genie-records",
        "GN1613",
        "containers in Genie's state have sandboxes",
        genie.abandoned,
        "state",
        "sandboxes",
    ),
    _check("genie-api", "GN1605 GN1606", "the API server answers", genie.api, "api"),
    _check(
        "logical-nics",
        "GN1620",
        "physical networks have their interface here",
        logical.missing_nics,
        "networks",
        "netlink",
    ),
    _check(
        "logical-addresses",
        "GN1621",
        "no logical network repeats its addresses on every node",
        logical.repeated_addresses,
        "conf",
        "networks",
    ),
)


def run_checks(
    facts: NodeFacts, checks: Sequence[NodeCheck] = CHECKS, chosen: Selection = EVERYTHING
) -> tuple[list[Finding], list[Check]]:
    """The findings, in the checks' order, and what became of each check."""

    def lacking(check: NodeCheck) -> str:
        return "; ".join(facts.missing[need] for need in check.needs if need in facts.missing)

    return runner.run(((check, lacking(check), partial(check.run, facts)) for check in checks), chosen)

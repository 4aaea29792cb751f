"""The layout of `genie discover`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genie_cli.render import Block, Cell, Fields, Heading, Pair, Table, Text, Tone
from genie_cli.views.findings import findings_alone, summary_view
from genie_core.catalog import of_type
from genie_core.checks.node_leases import Pool
from genie_core.dialects import WORDS
from genie_core.fields import counted
from genie_core.findings import Severity
from genie_core.survey.binaries import Binary
from genie_core.survey.facts import GenieState
from genie_core.survey.selection import RuntimeChoice, candidates
from genie_core.tasks.discover import NodeReport

_VERDICTS: dict[str, Tone] = {
    "ok": "good",
    "warning": "warn",
    "error": "bad",
    "fatal": "bad",
    "ignored": "dim",
}


def view(report: NodeReport, wide: bool) -> Iterator[Block]:
    """What is wrong; runtimes, configurations, plugins, networks, Genie itself; what is good to know; the summary."""
    infos = [finding for finding in report.findings if finding.severity is Severity.INFO]
    yield from findings_alone([one for one in report.findings if one not in infos], wide=wide)
    yield from _runtimes(report.choices, wide=wide)
    yield from _configurations(report, wide=wide)
    yield from _plugins(report, wide=wide)
    yield from _networks(report, wide=wide)
    yield from _genie(report)
    yield from (Heading("Good to know"),) if infos else ()
    yield from findings_alone(infos, wide=wide)
    yield Text("")
    yield from summary_view(report.findings, report.checks, wide=wide)


def _runtimes(choices: Sequence[RuntimeChoice], *, wide: bool) -> Iterator[Block]:
    yield Heading("Container runtimes")
    if not choices:
        yield Text("none found: --runtime-config names the configuration of one", indent=2)
        return
    rows: list[list[str | Cell]] = []
    for choice in choices:
        runtime = choice.runtime
        uses = Cell(choice.first.file, "good") if choice.first else Cell("nothing", "bad")
        more = [", ".join(runtime.bin_dirs), ", ".join(runtime.config_files) or "defaults"] if wide else []
        runs = "yes" if runtime.running else "no"
        rows.append([runtime.name, runs, runtime.conf_dir, uses, choice.reason, *more])
    extra = ("PLUGINS FROM", "ITS CONFIGURATION") if wide else ()
    yield Table(("RUNTIME", "RUNS", "READS", "USES", "WHY", *extra), rows, fold=("WHY", "READS"))


def _configurations(report: NodeReport, *, wide: bool) -> Iterator[Block]:
    for directory, files in report.facts.directories.items():
        yield Heading(f"Configurations in {directory}")
        read = candidates(files)
        rows = []
        for file in [*read, *(file for file in files if file.ignored)]:
            verdict = report.verdict(file)
            network = file.network.name if file.network else ""
            chain = " + ".join(str(entry.get("type", "?")) for entry in file.chain)
            order = str(read.index(file) + 1) if file in read else "-"
            used = ", ".join(report.used_by(file))
            row: list[str | Cell] = [
                order,
                file.file,
                network,
                chain,
                Cell(verdict, _VERDICTS[verdict]),
                used,
            ]
            version = file.network.version if file.network else ""
            rows.append([*row, version, file.kind, f"{file.mode:04o}"] if wide else row)
        if rows:
            extra = ("VERSION", "KIND", "MODE") if wide else ()
            yield Table(
                ("#", "FILE", "NETWORK", "PLUGINS", "VERDICT", "USED BY", *extra),
                rows,
                fold=("PLUGINS", "FILE"),
            )
        else:
            yield Text("none", "dim", indent=2)


def _plugins(report: NodeReport, *, wide: bool) -> Iterator[Block]:
    for directory, binaries in report.facts.binaries.items():
        yield Heading(f"Plugins in {directory}")
        rows = [_plugin(report, binary, wide=wide) for binary in binaries]
        if rows:
            extra = ("SIZE", "MODE", "FORM", "SHA-256") if wide else ()
            columns = ("TYPE", "ROLE", "VERSIONS", "STATUS", "CONFIGURED", *extra)
            yield Table(columns, rows, fold=("VERSIONS", "STATUS"), right=("SIZE",))
        else:
            yield Text("none", "dim", indent=2)


def _plugin(report: NodeReport, binary: Binary, *, wide: bool) -> list[str | Cell]:
    known = of_type(binary.type)
    if binary.problem:
        versions, status = Cell(binary.problem, "bad"), Cell(binary.reason, "bad")
    else:
        versions = Cell(
            _span(binary.versions) if binary.asked else "not asked", "" if binary.asked else "dim"
        )
        text = report.status(binary)
        status = Cell(text, "bad" if text == "not ready" else "")
    configured = "yes" if report.configured(binary) else ""
    row: list[str | Cell] = [
        binary.type,
        known.role.value if known else "unknown",
        versions,
        status,
        configured,
    ]
    form = f"{binary.form} {binary.machine}".strip()
    return [*row, str(binary.size), f"{binary.mode:04o}", form, binary.sha256[:12]] if wide else row


def _span(versions: Sequence[str]) -> str:
    return f"{versions[0]} - {versions[-1]}" if len(versions) > 1 else "".join(versions)


def _networks(report: NodeReport, *, wide: bool) -> Iterator[Block]:
    pools = report.pools
    if not pools:
        return
    yield Heading("Addresses of networks with host-local")
    rows = [_network(pool) for pool in pools]
    yield Table(("NETWORK", "RANGES", "LEASED", "FREE", "LEAKED"), rows, right=("LEASED", "FREE", "LEAKED"))
    if wide:
        leases = [
            (
                pool.network,
                lease.ip,
                lease.ifname,
                report.pods.get(lease.container, ""),
                lease.container[:13],
            )
            for pool in pools
            for lease in pool.leases
        ]
        if leases:
            yield Table(("NETWORK", "ADDRESS", "INTERFACE", "POD", "CONTAINER"), leases)


def _network(pool: Pool) -> list[str | Cell]:
    ranges = ", ".join(str(span.subnet) for span in pool.spans) or "no configuration"
    free = Cell("?", "dim")
    if pool.spans:  # one number for each set: a pod needs an address of each
        free = Cell(", ".join(str(item.free) for item in pool.sets), "" if pool.free else "bad")
    leaked = (
        Cell("?", "dim")
        if pool.leaked is None
        else Cell(str(len(pool.leaked)), "warn" if pool.leaked else "")
    )
    return [pool.network, ranges, str(len(pool.leases)), free, leaked]


def _limits(limits: Mapping[str, Any]) -> Iterator[Pair]:
    """What pods can take, where something is limited."""
    if limits.get("namespaceIsolation"):
        shared = ", ".join(limits["globalNamespaces"])
        yield "isolation", f"on: definitions of the pod's own namespace{shared and f' and of {shared}'}"
    rules = limits.get("allowedNetworks")
    if rules is not None or limits.get("namespaceIsolation"):
        pods = [f"{who}: {', '.join(networks) or 'nothing'}" for who, networks in (rules or {}).items()]
        yield "pods can take", "; ".join(["all: the default network", *pods])
    if len(limits.get("annotationDialects", WORDS)) < len(WORDS):
        yield "asked for with", ", ".join(limits["annotationDialects"]) or "no annotation"
    if limits.get("allowCniArgs", ["*"]) != ["*"]:
        yield "cni-args can set", ", ".join(limits["allowCniArgs"]) or "nothing"


_OTHERS = {  # names of server/counters.py, but for "served"
    "noServer": "no server",
    "otherBuild": "another build",
    "otherNamespace": "another namespace",
    "otherRights": "other rights",
    "noAnswer": "no answer in time",
}


def _calls(genie: GenieState) -> Cell:
    """Which way calls go, and how many went which way since the boot."""
    calls = genie.calls or {}
    others = {words: calls[name] for name, words in _OTHERS.items() if calls.get(name)}
    way = "by genie serve" if genie.served else "each starts Python: genie serve does not run"
    started = f"{sum(others.values())} started Python"
    why = f" ({', '.join(f'{number} {words}' for words, number in others.items())})" if others else ""
    lost = f", {calls['lost']} lost" if calls.get("lost") else ""
    numbers = "" if genie.calls is None else f": {calls.get('served', 0)} served, {started}{why}{lost}"
    return Cell(way + numbers, "" if genie.served else "warn")


def _genie(report: NodeReport) -> Iterator[Block]:
    genie = report.facts.genie
    yield Heading("Genie")
    if not genie.binary and not genie.conf:
        yield Text("not installed on this node", "dim", indent=2)
        return
    default = genie.default_network or f"first file by name, now {genie.default_file or 'none'}"
    counts = (
        f"{counted(genie.entries, 'container')}, {counted(genie.pending, 'pending delete')}, "
        f"{counted(len(genie.damaged), 'damaged file')}"
    )
    unread = report.facts.missing.get("state", "")
    pairs: list[Pair] = [
        ("plugin", f"{genie.binary or 'missing'}{f', version {genie.version}' if genie.version else ''}"),
        ("configuration", genie.conf or "missing"),
        *([("calls", _calls(genie))] if genie.native else []),
        ("default network", default),
        *_limits(genie.limits),
        ("state", Cell(f"not read: {unread}", "warn") if unread else f"{genie.state_dir}: {counts}"),
        ("API server", Cell(genie.api or "not asked", "good" if genie.api == "ok" else "")),
    ]
    for credential in report.facts.credentials:
        left = (credential.expires - report.facts.time) / 86400
        until = f", {left:.1f} days left" if credential.expires else ""
        pairs.append(("credential", f"{credential.path}: {credential.error or credential.kind}{until}"))
    yield Fields(pairs)

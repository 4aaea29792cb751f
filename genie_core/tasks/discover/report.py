"""NodeReport: the answer of `genie discover`, and its published form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from genie_core import __version__
from genie_core.catalog import of_type
from genie_core.checks.node_leases import Pool, pools
from genie_core.findings import CheckResult, Finding, Severity, summary
from genie_core.published import JSON, timestamp
from genie_core.survey.binaries import Binary
from genie_core.survey.facts import ConfFile, Credential, Facts
from genie_core.survey.selection import RuntimeChoice, candidates, choices
from genie_core.survey.versions import chain_binaries, common_versions, needed


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """A node's configuration files, plugins, runtimes, networks, Genie itself, and what is wrong with them.

    `ms` is how long it took. `denied` are the sources that the checks needed and this user may not read, as sentences.
    """

    kind: ClassVar[str] = "NodeReport"
    facts: Facts
    findings: Sequence[Finding]
    checks: Sequence[CheckResult]
    ms: float = 0
    denied: Sequence[str] = ()

    @property
    def pods(self) -> dict[str, str]:
        """Container ID -> pod, of the containers in Genie's state."""
        return {record.container: record.pod for record in self.facts.genie.records if record.pod}

    @property
    def choices(self) -> list[RuntimeChoice]:
        """What each runtime would use."""
        return choices(self.facts)

    @property
    def pools(self) -> list[Pool]:
        """The host-local networks."""
        return pools(self.facts)

    def severity_of(self, path: str) -> Severity | None:
        """The worst severity of the findings about a file."""
        found = [finding.severity for finding in self.findings if finding.object.file == path]
        return min(found, key=lambda severity: severity.rank, default=None)

    def as_json(self) -> JSON:
        """metadata, summary, runtimes, configurations, plugins, networks, credentials, genie, findings, checks."""
        facts = self.facts
        return {
            "metadata": {
                "node": facts.node_name,
                "time": timestamp(facts.time),
                "version": __version__,
                "durationMs": round(self.ms, 1),
            },
            "summary": summary(self.findings, self.checks),
            "runtimes": [
                {
                    "name": choice.runtime.name,
                    **choice.runtime.as_json(),
                    "uses": [file.path for file in choice.files],
                    "reason": choice.reason,
                }
                for choice in self.choices
            ],
            "configurations": [self._configuration(file, order) for file, order in self._ordered()],
            "plugins": [self._plugin(binary) for binaries in facts.binaries.values() for binary in binaries],
            "networks": [self._network(pool) for pool in self.pools],
            "credentials": [_credential(credential, facts.time) for credential in facts.credentials],
            "genie": _genie(facts),
            "findings": [finding.as_json() for finding in self.findings],
            "checks": [check.as_json() for check in self.checks],
        }

    def _ordered(self) -> list[tuple[ConfFile, int]]:
        """Every file with its place in its directory's order, 0 for those that are not read."""
        ordered = []
        for files in self.facts.directories.values():
            read = candidates(files)
            ordered += [(file, place) for place, file in enumerate(read, 1)]
            ordered += [(file, 0) for file in files if file.ignored]
        return ordered

    def used_by(self, file: ConfFile) -> list[str]:
        """The runtimes that use a file."""
        return [choice.runtime.name for choice in self.choices if file in choice.files]

    def verdict(self, file: ConfFile) -> str:
        """ignored, ok, or the worst severity of the findings."""
        if file.ignored:
            return "ignored"
        worst = self.severity_of(file.path)
        return "ok" if worst in (None, Severity.INFO) else str(worst)

    def _configuration(self, file: ConfFile, order: int) -> JSON:
        path = self.facts.search_path(file.directory)
        found: JSON = {
            "path": file.path,
            "order": order,
            "verdict": self.verdict(file),
            "kind": file.kind,
            "network": file.network.name if file.network else "",
            "cniVersion": file.network.version if file.network else "",
            "mode": f"{file.mode:04o}",
            "usedBy": self.used_by(file),
            "plugins": [
                {"type": plugin.type, "ipam": plugin.ipam, "path": binary.path if binary else ""}
                for plugin in needed(file)
                for binary in [self.facts.find_binary(plugin.type, path)]
            ],
            "commonVersions": common_versions(chain_binaries(file, self.facts, path)),
        }
        if file.ignored:
            found["ignored"] = file.ignored
        if file.problem:
            found["error"] = {"message": file.problem, "line": file.line, "column": file.column}
        return found

    def configured(self, binary: Binary) -> list[str]:
        """The configuration files that call this plugin: their runtime finds it here."""
        facts = self.facts
        files = (
            f for f in facts.conf_files if not f.ignored and any(p.type == binary.type for p in needed(f))
        )
        return [
            file.path
            for file in files
            if facts.find_binary(binary.type, facts.search_path(file.directory)) is binary
        ]

    def _plugin(self, binary: Binary) -> JSON:
        known = of_type(binary.type)
        return {
            **binary.as_json(),
            "known": known is not None,
            "role": known.role.value if known else "",
            "summary": known.summary if known else "",
            "status": self.status(binary),
            "capabilities": list(known.capabilities) if known else [],
            "configuredIn": self.configured(binary),
        }

    def status(self, binary: Binary) -> str:
        """ready, not ready, supported (no configuration to ask about), not supported, or unknown."""
        said = [state.status for state in self.facts.statuses if state.type == binary.type]
        if said:
            return "not ready" if "not ready" in said else "ready"
        if not binary.versions:
            return "unknown"
        return "supported" if "1.1.0" in binary.versions else "not supported"

    def _network(self, pool: Pool) -> JSON:
        leaked = None if pool.leaked is None else {lease.ip for lease in pool.leaked}
        return {
            "name": pool.network,
            "ranges": [
                {
                    "subnet": str(s.subnet),
                    "first": str(s.first),
                    "last": str(s.last),
                    "gateway": str(s.gateway),
                }
                for s in pool.spans
            ],
            "size": pool.size,
            "leased": len(pool.leases),
            "free": pool.free,
            "sets": [
                {
                    "subnets": [str(span.subnet) for span in item.spans],
                    "size": item.size,
                    "leased": item.held,
                    "free": item.free,
                }
                for item in pool.sets
            ],
            "leaked": None if leaked is None else len(leaked),
            "leases": [
                {
                    "address": lease.ip,
                    "container": lease.container,
                    "interface": lease.ifname,
                    "pod": self.pods.get(lease.container, ""),
                    "leaked": None if leaked is None else lease.ip in leaked,
                }
                for lease in pool.leases
            ],
        }


def _credential(credential: Credential, now: float) -> JSON:
    expires = credential.expires
    return {
        "path": credential.path,
        "usedBy": credential.used_by,
        "readable": credential.readable,
        "mode": f"{credential.mode:04o}",
        "server": credential.server,
        "kind": credential.kind,
        "file": credential.file,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "expires": timestamp(expires) if expires else "",
        "daysLeft": round((expires - now) / 86400, 2) if expires else None,
        "error": credential.error,
    }


def _genie(facts: Facts) -> JSON:
    genie = facts.genie
    entry = next(
        (e for f in facts.conf_files if f.path == genie.conf for e in f.chain if e.get("type") == "genie"), {}
    )
    declared = entry.get("capabilities")
    return {
        "installed": genie.installed,
        "version": genie.version,
        "binary": genie.binary,
        "configuration": genie.conf,
        "capabilities": sorted(k for k, on in declared.items() if on) if isinstance(declared, dict) else [],
        "defaultNetwork": genie.default_network,
        "defaultFile": genie.default_file,
        "limits": dict(genie.limits),
        "calls": {"serverRuns": genie.served, **(genie.calls or {})} if genie.native else None,
        "stateDir": genie.state_dir,
        "entries": None if "state" in facts.missing else genie.entries,
        "pendingDeletes": None if "state" in facts.missing else genie.pending,
        "damaged": list(genie.damaged),
        "api": genie.api or "not asked",
        "definitions": None if genie.definitions is None else list(genie.definitions),
    }

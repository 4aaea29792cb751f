"""The agent's page of metrics: its own families, and those that the plugin counts in `metrics_file`.

No name stands twice on the page: of the file only the plugin's families are taken. Names are those of the
documentation (docs/watch-it.md); base units. Source: prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from genie_core import __version__
from genie_core.edges.metrics_file import read
from genie_core.errors import IOFailure
from genie_core.metrics import families_of
from genie_core.tasks.gc.report import KINDS

CONTENT_TYPE = CONTENT_TYPE_LATEST
SYNC_RESULTS = ("done", "refused", "failed", "partial")
REPAIR_KINDS = ("link", "address", "route", "bridge-port", "interface", "default-route")


class Metrics:
    """All families, each from the start, so that a rate over the first count is right."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package's own omission
        own = self.registry = CollectorRegistry()
        self.sync = Counter(
            "genie_sync", "Changes of running pods' networks.", ["action", "result"], registry=own
        )
        self.repairs = Counter(
            "genie_repairs", "Faults of attached networks, by result.", ["kind", "result"],
            registry=own,
        )  # fmt: skip
        self.collected = Counter(
            "genie_collected", "Things that were removed since no pod owned them.", ["kind"], registry=own
        )
        self.watch_restarts = Counter(
            "genie_watch_restarts", "Watches of the API server that were restarted.", registry=own
        )
        self.attachments = Gauge(
            "genie_attachments", "Attachments that are recorded on this node.", ["network"], registry=own
        )
        self.addresses = Gauge(
            "genie_addresses", "Addresses of the scarcest range of a network on this node.",
            ["network", "state"], registry=own,
        )  # fmt: skip
        self.findings = Gauge(
            "genie_findings", "What genie debug node finds.", ["code", "severity"], registry=own
        )
        self.depth = Gauge(
            "genie_queue_depth", "Pods that wait for a change of their networks.", registry=own
        )
        self.oldest = Gauge(
            "genie_queue_oldest_seconds", "For how long the first of them has been waiting.", registry=own
        )
        build = Gauge("genie_build_info", "1; the label is the agent's version.", ["version"], registry=own)
        build.labels(__version__).set(1)
        self._begin_with_zeros()

    def _begin_with_zeros(self) -> None:
        for action, result in product(("attach", "detach", "replace"), SYNC_RESULTS):
            self.sync.labels(action, result)
        for kind, result in product(REPAIR_KINDS, ("found", "mended", "failed", "left")):
            self.repairs.labels(kind, result)
        for kind in KINDS:
            self.collected.labels(kind)

    def set_attachments(
        self, attachments: Mapping[str, int], addresses: Mapping[str, tuple[int, int]]
    ) -> None:
        """Replace the numbers of networks; a network without pods is removed."""
        _replace(self.attachments, {(network,): count for network, count in attachments.items()})
        states: dict[tuple[str, ...], float] = {}
        for network, (used, size) in addresses.items():
            states |= {(network, "used"): used, (network, "free"): size - used}
        _replace(self.addresses, states)

    def set_findings(self, found: Mapping[tuple[str, ...], float]) -> None:
        """Replace the findings: (code, severity) -> how many."""
        _replace(self.findings, found)

    def page(self, metrics_file: str) -> bytes:
        """The whole page, in the text format. `metrics_file` "" means that the plugin counts nothing."""
        own = generate_latest(self.registry)
        if not metrics_file:
            return own
        try:
            return own + families_of(read(metrics_file)).encode()
        except IOFailure:  # the plugin's log says it
            return own


def _replace(gauge: Gauge, samples: Mapping[tuple[str, ...], float]) -> None:
    """Set these, and remove the others; a reader in the meantime misses none."""
    before = {tuple(sample.labels.values()) for family in gauge.collect() for sample in family.samples}
    for labels, value in samples.items():
        gauge.labels(*labels).set(value)
    for labels in before - set(samples):
        gauge.remove(*labels)

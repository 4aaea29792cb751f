"""The policy engine's process, which the agent starts again when it ends, and its report."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from genie_core.edges.log import JSONLog
from genie_core.edges.policy_dir import STATUS
from genie_core.errors import GenieError
from genie_core.settings import Settings
from genie_core.tasks.agent.child import NICE_IN_TIME
from genie_core.tasks.agent.children import Children, Ended
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.policy.buckets import BUCKETS

MODULE = "genie_core.tasks.policy"
AGAIN_SECONDS = 5.0


class PolicyEngine:
    """The child of one agent, where policies are switched on."""

    def __init__(self, options: AgentOptions, children: Children, log: JSONLog) -> None:
        self._options = options
        self._children = children
        self._log = log
        self._stop: Callable[[], None] | None = None  # of the process that runs
        self._due = 0.0
        self._began_with: object = None  # what the process that runs has read of the settings
        self._earlier = 0  # when the last report was written that is not this process's
        self._last_code = 0
        self.failed = False

    def is_wanted(self, settings: Settings) -> bool:
        """Whether a flag or the configuration switches policies on."""
        return self._options.policy or settings.policy_engine

    @property
    def is_idle(self) -> bool:
        """Whether it does not run."""
        return self._stop is None

    def keep(self, settings: Settings, *, once: bool = False) -> None:
        """Start it where it should run and does not, and end it where policies or what it goes by were changed."""
        if self._stop is not None and not (
            self.is_wanted(settings) and self._began_with == _read_by(settings)
        ):
            self._stop()
        if self._stop is not None or time.monotonic() < self._due:
            return
        more = ["--once"] if once else []
        if not self.is_wanted(settings) and not self._report()[0]:
            return
        self._due = time.monotonic() + AGAIN_SECONDS
        if not self.is_wanted(settings):
            if not self._options.switches_policies_off():
                return  # the configuration has gone, or has an error: the rules stay
            more = ["--remove"]
        words = [*self._options.policy_words(), "--parent", str(os.getpid()), *more]
        try:
            self._earlier = self._report()[1]
            stop = self._children.start(
                MODULE, words, self._ended, seconds=math.inf, nice=NICE_IN_TIME, stays=True
            )
            self._stop = stop if self.is_wanted(settings) else _finishes
            self._began_with = _read_by(settings)
        except GenieError as error:
            self._log.warning("not started", what="policies", problem=error.msg)

    def _ended(self, ended: Ended) -> None:
        self._stop = None
        self.failed = self.failed or ended.code != 0
        self._last_code = ended.code
        if ended.code:
            self._log.warning("the policy engine has ended", code=ended.code)

    # --- its report ------------------------------------------------------------------------------------

    def _report(self) -> tuple[dict[str, Any], int]:
        """Its last report and when it was written, ({}, 0) without one; the file is in the node's mount namespace."""
        root = f"/proc/{self._options.host_pid}/root" if self._options.host_pid else ""
        try:
            with open(f"{root}{STATUS}", encoding="utf-8") as file:
                found = json.load(file)
                written = os.fstat(file.fileno()).st_mtime_ns
        except (OSError, ValueError):
            return {}, 0
        return (found, written) if isinstance(found, dict) else ({}, 0)

    def readiness(self, settings: Settings) -> tuple[list[str], Mapping[str, object]]:
        """Problems, and facts beside them."""
        if not self.is_wanted(settings):
            return [], {}
        status, written = self._report()
        if written == self._earlier:
            status = {}
        problems = [f"policies: {problem}" for problem in status.get("problems", ())]
        if self.is_idle or not status:
            ended = f"the engine has ended with code {self._last_code}; its log is the agent's"
            problems.append(f"policies: {ended if self._last_code else 'they have not been applied yet'}")
        return problems, {"policies": status.get("policies", 0)}

    def page(self, settings: Settings) -> bytes:
        """Its families of metrics."""
        if not self.is_wanted(settings):
            return b""
        registry = CollectorRegistry()
        registry.register(_Families(self._report()[0]))
        return generate_latest(registry)


def _read_by(settings: Settings) -> object:
    """What the engine reads once: where the journals are, and the network of pods that ask for none."""
    return settings.state_dir, settings.conf_dirs, settings.default_plugin, settings.default_networks


def _finishes() -> None:
    """What removes the rules ends by itself."""


class _Families(Collector):
    def __init__(self, status: Mapping[str, Any]) -> None:
        self._status = status

    def collect(self) -> list[Metric]:
        """policies, drops, seconds, and what is not enforced."""
        status = self._status
        policies = GaugeMetricFamily("genie_policies", "Policies between networks.")
        policies.add_metric([], status.get("policies", 0))
        drops = CounterMetricFamily(
            "genie_policy_drops", "Packets that a policy has dropped on this node.", labels=["policy"]
        )
        for name, count in (status.get("drops") or {}).items():
            drops.add_metric([name], count)
        missing = GaugeMetricFamily(
            "genie_policy_not_enforced",
            "Attachments that policies select and nothing here can enforce them on.",
        )
        missing.add_metric([], len(status.get("notEnforced") or ()))
        return [policies, drops, missing, _seconds(status.get("applied") or {})]


def _seconds(applied: Mapping[str, Any]) -> HistogramMetricFamily:
    family = HistogramMetricFamily("genie_policy_apply_seconds", "Time from the objects to the kernel.")
    counts = [*(applied.get("buckets") or ()), *[0] * (len(BUCKETS) + 1)][: len(BUCKETS) + 1]
    sums = [sum(counts[: index + 1]) for index in range(len(counts))]
    names = [*(str(most) for most in BUCKETS), "+Inf"]
    family.add_metric([], list(zip(names, map(float, sums), strict=True)), applied.get("sum", 0.0))
    return family

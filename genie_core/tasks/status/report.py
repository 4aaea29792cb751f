"""The reports of `genie status` and `genie networks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from genie_core.errors import EXIT_FAILURE, EXIT_INCOMPLETE
from genie_core.published import plain
from genie_core.survey.whole_cluster import DaemonSetRow
from genie_core.tasks.status.judge import PodProblem, Problem
from genie_core.tasks.status.nodes import NodeStatus
from genie_core.tasks.status.usage import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """The cluster: Genie's DaemonSets, nodes, networks, pods without the networks that they ask for, and the verdict.

    `missing` maps a kind of object to why it was not read: what depends on it is not judged. `scope` names the part
    of the cluster whose pods were read (" of namespace shop"), "" for all.
    """

    kind: ClassVar[str] = "ClusterStatus"
    daemon_sets: tuple[DaemonSetRow, ...]
    nodes: tuple[NodeStatus, ...]
    networks: tuple[Network, ...]
    pods: int
    asking: int
    pod_problems: tuple[PodProblem, ...]
    problems: tuple[Problem, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    milliseconds: float = field(default=0, compare=False)

    @property
    def exit_code(self) -> int:
        """1 where there is an error, 5 where something was not read, else 0."""
        if any(one.severity == "error" for one in self.problems):
            return EXIT_FAILURE
        return EXIT_INCOMPLETE if self.missing else 0

    def as_json(self) -> dict[str, Any]:
        """daemonSets, nodes, networks, pods, problems, missing, durationMs."""
        states = Counter(one.state for one in self.pod_problems)
        return {
            "daemonSets": plain(self.daemon_sets),
            "nodes": plain(self.nodes),
            "networks": [network.as_json() for network in self.networks],
            "pods": {
                "total": self.pods,
                "asking": self.asking,
                "waiting": states["waiting"],
                "different": states["different"],
                "lost": states["lost"],
                "items": plain(self.pod_problems),
            },
            "problems": plain(self.problems),
            "missing": dict(self.missing),
            "durationMs": round(self.milliseconds, 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkList:
    """The cluster's networks; with `detailed` each names its pods. `scope` and `missing` are as in ClusterStatus."""

    kind: ClassVar[str] = "NetworkList"
    networks: tuple[Network, ...]
    detailed: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""

    @property
    def exit_code(self) -> int:
        """5 where something was not read, else 0."""
        return EXIT_INCOMPLETE if self.missing else 0

    def as_json(self) -> dict[str, Any]:
        """networks, missing."""
        return {
            "networks": [network.as_json(users=self.detailed) for network in self.networks],
            "missing": dict(self.missing),
        }

"""The options of the `genie debug` commands."""

from __future__ import annotations

from dataclasses import dataclass, field

from genie_core.survey.places import Places
from genie_core.survey.user_cluster import Access

SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugOptions(Places):
    """Which pod, and where everything is; "" means: find out, or do without.

    `node_explicit`: a flag named the node. `timeout` is for everything, in seconds.
    """

    namespace: str
    name: str
    netns: str = ""
    pod_file: str = ""
    objects_file: str = ""
    access: Access = field(default_factory=Access)
    node_explicit: bool = False
    to: str = ""
    probes: bool = True
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = SECONDS

    @property
    def pod(self) -> str:
        """NS/NAME, "" where no pod is asked about."""
        return f"{self.namespace}/{self.name}" if self.name else ""

"""The options of a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from genie_core.survey.runtimes import Runtime
from genie_core.tasks.dry_run.configuration import Samples

# The last verb of the run: ADD; CHECK; DEL; or a whole cycle, with a second DEL and a GC.
Verb = Literal["add", "check", "del", "cycle"]
MOST_PODS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunOptions:
    """The pod to try: its annotations, on which configuration, with which plugins; `timeout` in seconds.

    `conf_files` are tried in addition to the directories: file name -> text. `objects` are API objects by their
    URL path; where there are any, the node has an API server with just these. `pods` are attached side by side.
    `policies` are tried between two of them. `record` keeps the input and output of each plugin. `runtime` is the
    node's, to report where its search differs.
    """

    annotations: Mapping[str, str]
    conf_dirs: Sequence[str] = ()
    conf_files: Mapping[str, str]
    bin_dirs: Sequence[str]
    samples: Samples = "auto"
    verb: Verb = "cycle"
    objects: Mapping[str, Mapping[str, Any]] | None = None
    pods: int = 1
    policies: Sequence[Mapping[str, Any]] = ()
    record: bool = False
    namespace: str = "default"
    pod: str = "dry-run"
    timeout: float = 60
    runtime: Runtime | None = None

"""Recent repairs and reports, in the state directory, so that a restart and `--once` know them.

    repairs/<container>@<interface>    {"tries": [[interface, kind, time], ...],
                                        "reported": [[interface, kind, result], ...]}

Written under the container's lock. A file that cannot be read counts as none: then something is repaired or reported
once more. Files of containers that are gone are removed by the next look at all of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.edges.files import make_private_directory
from genie_core.edges.store import REPAIRS, Store, file_name
from genie_core.errors import IOFailure
from genie_core.model import Plan
from genie_core.tasks.atomic import write_file
from genie_core.tasks.repair.report import MENDED, Repair

WINDOW_SECONDS = 600.0
TRIES = 2  # in the window; what comes back after that is left alone


@dataclass(slots=True, kw_only=True)
class Counts:
    """Of one container: (interface, kind, time of the try), and (interface, kind, result) that was reported."""

    path: Path
    tries: list[tuple[str, str, float]] = field(default_factory=list)
    reported: set[tuple[str, str, str]] = field(default_factory=set)

    @classmethod
    def load(cls, store: Store, plan: Plan) -> Counts:
        """Those of the plan's container, without tries that are too old to count."""
        path = Path(store.directory, REPAIRS, file_name(*plan.key))
        found = cls(path=path)
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found.tries = [(str(name), str(kind), float(at)) for name, kind, at in data["tries"]]
            reported = data.get("reported", data.get("told", ()))  # the second is an earlier version's
            found.reported = {(str(name), str(kind), str(result)) for name, kind, result in reported}
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path=path)
        now = time.time()
        found.tries = [one for one in found.tries if now - WINDOW_SECONDS < one[2] <= now]
        return found

    def is_used_up(self, ifname: str, kind: str) -> bool:
        """Whether the fault has come back too often."""
        return sum(one[:2] == (ifname, kind) for one in self.tries) >= TRIES

    def note_try(self, ifname: str, kinds: Collection[str]) -> None:
        """Count a repair that begins. Raises IOFailure: what cannot be counted is not begun."""
        now = time.time()
        self.tries += [(ifname, kind, now) for kind in kinds]
        self.save()

    def is_news(self, repair: Repair) -> bool:
        """Whether that was not reported yet; each success is."""
        return repair.result == MENDED or (repair.interface, repair.kind, repair.result) not in self.reported

    def note_reported(self, done: Sequence[Repair]) -> None:
        """Note that these were reported, once they were. What was repaired is reported again when it returns.

        A process that is killed in between leaves the report to the next look.
        """
        lasting = [item for item in done if item.result != MENDED]
        faults = {(item.interface, item.kind) for item in lasting}
        reported = {one for one in self.reported if one[:2] in faults}
        reported |= {(item.interface, item.kind, item.result) for item in lasting}
        if reported != self.reported:
            self.reported = reported
            self.save()

    def forget_reports(self) -> None:
        """Forget all reports: these faults are gone, and are reported again when they return."""
        self.reported.clear()
        self.save()

    def save(self) -> None:
        """Write the file, or remove it where there is nothing to record. Raises IOFailure."""
        try:
            if not (self.tries or self.reported):
                self.path.unlink(missing_ok=True)
                return
            make_private_directory(str(self.path.parent))
            text = json.dumps({"tries": self.tries, "reported": sorted(self.reported)})
            write_file(self.path, text + "\n", 0o600)
        except OSError as error:
            raise IOFailure(f"cannot write {error.filename}: {error.strerror}") from None


def sweep(store: Store) -> None:
    """Remove the files of containers that this node does not have any more."""
    folder = Path(store.directory, REPAIRS)
    if not folder.is_dir():
        return
    known = set(store.names())
    for path in folder.iterdir():
        if path.name not in known:
            path.unlink(missing_ok=True)

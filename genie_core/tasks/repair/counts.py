"""Recent repairs and reports, in the state directory, so that a restart and `--once` know them.

    repairs/<container>@<interface>    {"tries": [[interface, kind, time], ...],
                                        "reported": [[interface, kind, result], ...],
                                        "reports": [[interface, kind, result, time], ...]}

Written under the container's lock. A file that cannot be read counts as none: then something is repaired or reported
once more. Files of containers that are gone are removed by the next look at all of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.edges.files import make_private_directory, remove
from genie_core.edges.store import REPAIRS, Store, file_name
from genie_core.errors import GenieError, IOFailure, TryAgain
from genie_core.model import Plan
from genie_core.tasks.atomic import remove_temporaries, write_file
from genie_core.tasks.repair.report import MENDED, Repair
from genie_core.verbs.context import Context

WINDOW_SECONDS = 600.0
TRIES = 2  # in the window; what comes back after that is left alone
REPORTS = 3  # in the window, of a fault that comes and goes


@dataclass(slots=True, kw_only=True)
class Counts:
    """Of one container: (interface, kind, time) of each try, and (interface, kind, result) of what was reported.

    `reported` is of the faults that there are now, `reports` has each of the window with its time.
    """

    path: Path
    tries: list[tuple[str, str, float]] = field(default_factory=list)
    reported: set[tuple[str, str, str]] = field(default_factory=set)
    reports: list[tuple[str, str, str, float]] = field(default_factory=list)

    @classmethod
    def load(cls, store: Store, plan: Plan) -> Counts:
        """Those of the plan's container, without tries and reports that are too old to count."""
        path = Path(store.directory, REPAIRS, file_name(*plan.key))
        found = cls(path=path)
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found.tries = [(str(name), str(kind), at) for name, kind, at in data["tries"] if _is_recent(at)]
            reported = data.get("reported", data.get("told", ()))  # the second is an earlier version's
            found.reported = {(str(name), str(kind), str(result)) for name, kind, result in reported}
            found.reports = [
                (str(name), str(kind), str(result), at)
                for name, kind, result, at in data.get("reports", ())
                if _is_recent(at)
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path=path)
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
        """Whether that is to be reported: each success is, and a fault when it comes, unless it has often done so."""
        what = (repair.interface, repair.kind, repair.result)
        is_new = what not in self.reported and sum(one[:3] == what for one in self.reports) < REPORTS
        return repair.result == MENDED or is_new

    def note_reported(self, done: Sequence[Repair]) -> None:
        """Note that these were reported, once they were. What was repaired is reported again when it returns.

        A process that is killed in between leaves the report to the next look.
        """
        lasting = [item for item in done if item.result != MENDED]
        faults = {(item.interface, item.kind) for item in lasting}
        reported = {one for one in self.reported if one[:2] in faults}
        reported |= {(item.interface, item.kind, item.result) for item in lasting}
        if reported != self.reported:
            now = time.time()
            self.reports += [(one.interface, one.kind, one.result, now) for one in lasting if one.news]
            self.reported = reported
            self.save()

    def forget_reports(self) -> None:
        """Forget all reports: these faults are gone, and are reported again when they return."""
        self.reported.clear()
        self.save()

    def can_be_saved(self) -> bool:
        """Whether the file can be written now."""
        try:
            self.save()
        except IOFailure:
            return False
        return True

    def save(self) -> None:
        """Write the file. Raises IOFailure."""
        make_private_directory(str(self.path.parent))
        content = {"tries": self.tries, "reported": sorted(self.reported), "reports": self.reports}
        try:
            remove_temporaries(self.path)
            write_file(self.path, json.dumps(content) + "\n", 0o600)
        except OSError as error:
            raise IOFailure(f"cannot write {error.filename}: {error.strerror}") from None


def _is_recent(at: float) -> bool:
    now = time.time()
    return now - WINDOW_SECONDS < at <= now


def note(plan: Plan, context: Context, change: Callable[[Counts], None], seconds: float) -> None:
    """Change the container's counts under its lock, for which it waits so long. Otherwise the next look does it."""
    store, until = context.store, time.monotonic() + seconds
    try:
        with (
            store.lock_node(exclusive=False, deadline=until),
            store.lock(*plan.key, until, urgent=False),
        ):
            counts = Counts.load(store, plan)
            if store.load(*plan.key) is None:  # a DEL has removed it; taking the lock has made its file again
                remove(str(counts.path))
                store.drop_lock(*plan.key)
            else:
                change(counts)
    except TryAgain:
        return
    except GenieError as error:
        context.log.warning("reports not noted", container=plan.container_id, problem=error.msg)


def forget_reports(plan: Plan, context: Context) -> None:
    """Forget what was reported of a container in which nothing is missing."""
    if Counts.load(context.store, plan).reported:
        note(plan, context, Counts.forget_reports, 0.0)

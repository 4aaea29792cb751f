"""The pods in this node's journals; a file is read again only when it has changed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from genie_core.edges.meter import address_use
from genie_core.edges.store import Store, boot_id
from genie_core.errors import GenieError
from genie_core.model import NetConf
from genie_core.tasks.agent.pods import Key, PodView
from genie_core.tasks.node_state import is_whole
from genie_core.tasks.written_journals import Stamp, WrittenJournals

# An ADD that is under way has this long; then its journal counts as cut off, and a sync waits for its lock.
_UNDER_WAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One container. `is_whole` is false while something of it is attached or released, and after a kill.

    `request` is the hash of what the last sync has brought it in line with, "" before the first one.
    """

    container: str
    pod: Key | None
    uid: str
    networks: tuple[str, ...]
    is_whole: bool
    written: float
    request: str = ""

    def is_of(self, pod: PodView) -> bool:
        """Whether it may be this very pod's, as far as both say."""
        return not pod.uids or not self.uid or self.uid in pod.uids

    @property
    def is_cut_off(self) -> bool:
        """Whether a change is unfinished, judged by the file's age: in the future where the clock was set back."""
        return not self.is_whole and abs(time.time() - self.written) > _UNDER_WAY_SECONDS


class Journals:
    """The journals of a state directory. `refresh` looks for what has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = WrittenJournals(store)
        self._known: dict[str, Journal] = {}
        self._networks: dict[str, NetConf] = {}
        self._boot = boot_id()

    def follow(self, store: Store) -> None:
        """Take up another state directory, where it is another one: the next refresh reads all of it."""
        if store.directory != self._store.directory:
            self._store, self._written = store, WrittenJournals(store)
            self._known, self._networks = {}, {}

    def refresh(self) -> set[Key]:
        """The pods whose journals have changed since the last call. Cheap where nothing was written."""
        try:
            written, gone = self._written.look()
        except (GenieError, OSError):  # no descriptor is free, for one: what was known stays
            return set()
        changed: set[Key] = set()
        for name in gone:
            changed |= _pods(self._known.pop(name, None))
        for name, stamp in written.items():
            changed |= self._take_up(name, stamp)
        if written or gone:
            kept = self.attachments()
            self._networks = {label: network for label, network in self._networks.items() if label in kept}
        return changed

    def _take_up(self, name: str, stamp: Stamp) -> set[Key]:
        """Read one. Where it cannot be read, what was known of it stays, and the next look reads it again."""
        try:
            journal = self._journal(name, stamp)
        except GenieError:
            return set()
        self._written.note(name, stamp, is_whole=journal is None or journal.is_whole)
        if journal is None:
            self._known.pop(name, None)
        else:
            self._known[name] = journal
        return _pods(journal)

    def _journal(self, name: str, stamp: Stamp) -> Journal | None:
        """None for another boot's, and for one that has gone. Raises GenieError for what cannot be read."""
        plan = self._store.load_file(name)
        if plan is None or plan.boot_id != self._boot:
            return None
        self._networks |= {item.label: item.network for item in plan.attachments}
        return Journal(
            container=plan.container_id,
            pod=(plan.pod.namespace, plan.pod.name) if plan.pod else None,
            uid=plan.pod.uid if plan.pod else "",
            networks=tuple(item.label for item in plan.attachments if item.result and not item.released),
            is_whole=is_whole(plan),
            written=stamp[2] / 1e9,
            request=plan.request,
        )

    def of(self, pod: PodView) -> Journal | None:
        """The newest journal of a pod; that of an earlier pod of its name is not its own."""
        found = [journal for journal in self._known.values() if journal.pod == pod.key and journal.is_of(pod)]
        return max(found, key=lambda journal: journal.written, default=None)

    def torn(self) -> set[Key]:
        """The pods of journals that are not whole."""
        return {journal.pod for journal in self._known.values() if journal.pod and not journal.is_whole}

    def attachments(self) -> dict[str, int]:
        """Network -> how many attachments of it are recorded."""
        return dict(Counter(label for journal in self._known.values() for label in journal.networks))

    def addresses(self) -> dict[str, tuple[int, int]]:
        """Network -> addresses in use, and in all, of its scarcest range set; those without host-local are left out."""
        found = {label: address_use(self._networks[label]) for label in self.attachments()}
        return {label: (used, size) for label, (used, size) in found.items() if size}


def _pods(journal: Journal | None) -> set[Key]:
    return {journal.pod} if journal and journal.pod else set()

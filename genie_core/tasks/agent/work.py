"""Which pods need a sync: decided from the pods, the namespaces that opt out, the journals, and how earlier ones ended.

No I/O but the journals' own; everything is called from the agent's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from genie_core.tasks.agent.journals import Journal, Journals
from genie_core.tasks.agent.pods import Key, PodView
from genie_core.tasks.agent.queue import Queue, RunOutcome


class Work:
    """The node's pods and the queue. `is_live` says whether running pods may be changed at all.

    `needs_names`: whether policies of other nodes have to find the networks' whole names in each pod's status.
    """

    def __init__(
        self,
        journals: Journals,
        queue: Queue[Key],
        clock: Callable[[], float],
        is_live: Callable[[], bool] = lambda: True,
        needs_names: Callable[[], bool] = lambda: False,
    ) -> None:
        self.pods: dict[Key, PodView] = {}
        self.queue = queue
        self._journals = journals
        self._clock = clock
        self._is_live = is_live
        self._needs_names = needs_names
        self._opted_out: set[str] = set()
        # What was asked for, and all that was known, when a pod came into the queue: once is enough until that changes.
        self._asked: dict[Key, tuple[str, ...]] = {}
        self._seen: dict[Key, tuple[str, ...]] = {}
        self._waiting: set[Key] = set()  # parked since something that they name does not exist
        # Parked since the account may not write their status; one of these pods, the probe, is tried for all of them.
        self._untold: set[Key] = set()
        self._probe: Key | None = None
        # Their journals were read again, and they were not considered since.
        self._rewritten: set[Key] = set()

    # --- changes from watches ----------------------------------------------------------------------------

    def listed(self, views: Iterable[PodView]) -> None:
        """The list of all pods of the node."""
        found = {view.key: view for view in views}
        for key in set(self.pods) - set(found):
            self.forget(key)
        for view in found.values():
            self.update(view)

    def update(self, view: PodView) -> None:
        """A pod is new or has changed."""
        self.pods[view.key] = view
        journal = self._journals.of(view)
        if journal and not journal.is_whole:  # as it was seen last: the change may have ended since
            self._read_journals()
        self.consider(view.key)

    def forget(self, key: Key) -> None:
        """The pod is gone, or on another node."""
        self.pods.pop(key, None)
        self._drop(key)

    def opt_outs(self, namespaces: set[str]) -> None:
        """The namespaces that opt out."""
        other = namespaces ^ self._opted_out
        self._opted_out = namespaces
        for key in [key for key in self.pods if key[0] in other]:
            self.consider(key)

    def appeared(self, definition: Key) -> None:
        """A definition was created or edited: pods that were refused or failed with it are tried again."""
        for key, view in self.pods.items():
            if definition in view.definitions and key in self.queue:
                self.queue.add(key, self._clock())

    def existing(self, definitions: set[Key]) -> None:
        """The definitions at the start of a watch: pods that were refused because of one are tried again."""
        for key in self.queue.parked():
            view = self.pods.get(key)
            if view and view.definitions & definitions:
                self.queue.add(key, self._clock())

    def named_namespaces(self, *, held_up: bool) -> set[str]:
        """The namespaces of the definitions of pods that are not in line, or whose last sync did not succeed."""
        is_meant = self.queue.is_held_up if held_up else self.queue.__contains__
        return {
            namespace
            for key, view in self.pods.items()
            if is_meant(key) and key not in self._untold
            for namespace, _ in view.definitions
        }

    # --- changes on the node ------------------------------------------------------------------------------

    def journals_changed(self) -> None:
        """Look for journals that have been written since."""
        self._read_journals()
        changed, self._rewritten = self._rewritten, set()
        for key in {*changed, *self._journals.torn()}:
            self.consider(key)

    def _read_journals(self) -> None:
        self._rewritten |= self._journals.refresh()

    def configuration_changed(self) -> None:
        """The node's networks have changed: parked pods are tried again. Policies may have been switched on.

        So are those whose sync runs: it may have read the configuration as it was before.
        """
        for key in {*self.queue.parked(), *self.queue.running()} - self._untold:
            self.queue.add(key, self._clock())
        for key in list(self.pods):
            self.consider(key)

    # --- decisions ---------------------------------------------------------------------------------------

    def consider(self, key: Key) -> None:
        """Put the pod into the queue where it seems not to have the networks that it asks for now."""
        view, journal = self._subject(key)
        if view is None or journal is None:
            self._drop(key)
            return
        asked = (view.uid, view.request, journal.container)
        if key in self.queue:
            self._seen.pop(key, None)  # it may look the same again after this, and be another change
            if self._asked.get(key) != asked:
                self._add(key, asked)
            return
        seen = (*asked, view.observed, view.ready, journal.request, str(journal.is_whole))
        if self._needs_sync(view, journal) and self._seen.get(key) != seen:
            self._seen[key] = seen
            self._add(key, asked)

    def _add(self, key: Key, asked: tuple[str, ...]) -> None:
        self._asked[key] = asked
        self.queue.add(key, self._clock())

    def resync(self) -> None:
        """Look at every pod again, and try those that wait: in case a change was missed."""
        for key in list(self.pods):
            view, journal = self._subject(key)
            if view is None or journal is None:
                self._drop(key)
            elif key in self._waiting or (key not in self.queue and self._needs_sync(view, journal)):
                self.queue.add(key, self._clock())

    def candidates(self) -> Sequence[Key]:
        """Every pod that may be changed, and that Genie has attached."""
        return [key for key in self.pods if all(self._subject(key))]

    def ended(
        self, key: Key, outcome: RunOutcome, *, is_waiting: bool = False, is_forbidden: bool = False
    ) -> float:
        """A sync of the pod has ended; seconds until the next one, 0 for none.

        `is_waiting`: something that the pod names does not exist. `is_forbidden`: its status may not be written.
        """
        self._read_journals()
        if is_forbidden and self._probe not in (None, key):
            outcome = RunOutcome.PARK
        pause = self.queue.finish(key, outcome, self._clock())
        self._waiting.discard(key)
        self._untold.discard(key)
        if not all(self._subject(key)):  # it went meanwhile
            self._drop(key)
            return 0
        if key in self.queue.parked():
            self._hand_over(key)
            if is_waiting:
                self._waiting.add(key)
            elif is_forbidden:
                self._untold.add(key)
        elif is_forbidden and outcome is RunOutcome.RETRY:
            self._probe = key
        elif key == self._probe and outcome is RunOutcome.DONE:
            self._probe = None
            for other in self._untold:
                self.queue.add(other, self._clock())
        return pause

    def _subject(self, key: Key) -> tuple[PodView | None, Journal | None]:
        """The pod and its journal; None where there is none, or nothing may be changed."""
        view = self.pods.get(key)
        if view is None or not view.is_live or view.namespace in self._opted_out or not self._is_live():
            return None, None
        return view, self._journals.of(view)

    def _needs_sync(self, view: PodView, journal: Journal) -> bool:
        """Whether a sync would find something to do, or to write.

        Not while the pod's ADD, or a change by hand, is under way: it is considered again when that has ended.
        """
        if not journal.is_whole:
            return journal.is_cut_off
        if journal.request not in ("", view.request):
            return True
        if self._needs_names() and view.asks and not view.is_named:
            return True
        return not (view.is_answered or (view.is_silent and len(journal.networks) <= 1))

    def _drop(self, key: Key) -> None:
        self.queue.drop(key)
        self._asked.pop(key, None)
        self._seen.pop(key, None)
        self._waiting.discard(key)
        self._untold.discard(key)
        self._hand_over(key)

    def _hand_over(self, key: Key) -> None:
        """Try another pod for all those whose status may not be written, where this one was the probe."""
        if key == self._probe:
            self._probe = next(iter(self._untold), None)
            if self._probe:
                self.queue.add(self._probe, self._clock())

"""Which policies are about an attachment: found by labels, so that each pod does not ask every policy."""

from __future__ import annotations

from collections.abc import Iterable

from genie_core.policy.cluster import Attached, Pod
from genie_core.policy.rules import Policy
from genie_core.policy.selectors import ALL

Covered = tuple[str, str, bool]  # namespace, network, whether it is the pod's primary


class Covering:
    """An index of policies, which are in order. Attachments of the same policies get the same tuple."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._order: dict[int, int] = {}
        self._of_all: dict[str, list[Policy]] = {}  # by namespace: those that select every pod
        self._by_label: dict[
            tuple[str, tuple[str, str] | None], list[Policy]
        ] = {}  # the others, by their first label
        self._every: dict[str, list[Policy]] = {}
        self._known: dict[tuple[bool, Covered], tuple[Policy, ...]] = {}
        self._same: dict[tuple[int, ...], tuple[Policy, ...]] = {}
        for number, policy in enumerate(policies):
            space = policy.name.namespace
            self._order[id(policy)] = number
            self._every.setdefault(space, []).append(policy)
            if policy.pods == ALL:
                self._of_all.setdefault(space, []).append(policy)
            else:
                label = next(iter(policy.pods.labels), None)
                self._by_label.setdefault((space, label), []).append(policy)

    def of(self, attached: Attached, pod: Pod | None) -> tuple[Policy, ...]:
        """The policies that select it, in order; where its pod is not known, those of its namespace and network."""
        about = attached.namespace, attached.network, attached.primary
        always = self._always(about, is_known=pod is not None)
        own = self._selecting(about, pod) if pod else []
        if not own:
            return always
        found = sorted([*always, *own], key=lambda policy: self._order[id(policy)])
        return self._same.setdefault(tuple(map(id, found)), tuple(found))

    def _always(self, about: Covered, *, is_known: bool) -> tuple[Policy, ...]:
        key = is_known, about
        if key not in self._known:
            found = (self._of_all if is_known else self._every).get(about[0], ())
            self._known[key] = tuple(_about(found, about))
        return self._known[key]

    def _selecting(self, about: Covered, pod: Pod) -> list[Policy]:
        found = [
            policy
            for label in (None, *pod.labels.items())
            for policy in self._by_label.get((about[0], label), ())
            if policy.pods.selects(pod.labels)
        ]
        return _about(found, about)


def _about(policies: Iterable[Policy], about: Covered) -> list[Policy]:
    return [policy for policy in policies if policy.covers(about[1], primary=about[2])]

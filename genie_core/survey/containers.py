"""Which containers are known on a node, and what knows them."""

from __future__ import annotations

from genie_core.survey.facts import Facts, Recorded

YOUNG_SECONDS = 60


def known_containers(facts: Facts) -> dict[str, str] | None:
    """Container ID -> the record that has it; None where there is no record to compare with.

    A container of Genie's state counts unless it `is_abandoned`.
    """
    known: dict[str, str] = {}
    sandboxes = facts.sandbox_ids
    asked = sandboxes is not None
    alive = {namespace.path.rpartition("/")[2] for namespace in facts.namespaces}
    for entry in facts.cache:
        if entry.container and (entry.netns.rpartition("/")[2] in alive or entry.netns.startswith("/proc/")):
            known[entry.container] = "libcni's cache"
    asked = asked or bool(known)
    recorded = [record.container for record in facts.genie.records if not is_abandoned(record, facts)]
    known |= dict.fromkeys(recorded, "Genie's state")
    known |= dict.fromkeys(sandboxes or (), "the runtime")
    return known if asked or facts.genie.records else None


def is_abandoned(record: Recorded, facts: Facts) -> bool:
    """Whether the container of a record is gone: no runtime has it, and its namespace is gone or has no process.

    As `genie gc` judges it. Where no runtime answered, a namespace without a process may still be a pod's.
    """
    if record.age < YOUNG_SECONDS or record.container in (facts.sandbox_ids or ()):
        return False
    if record.earlier or not record.exists:
        return True
    space = next((space for space in facts.namespaces if space.path == record.netns), None)
    return facts.sandboxes is not None and space is not None and space.processes == 0

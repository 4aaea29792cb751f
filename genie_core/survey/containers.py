"""Which containers are known on a node, and to whom."""

from __future__ import annotations

from genie_core.survey.node_facts import NodeFacts, Recorded

YOUNG_SECONDS = 60


def known_containers(facts: NodeFacts) -> dict[str, str] | None:
    """Container ID -> what knows it; None where nothing could be asked.

    A container of Genie's state counts while something says that it is there: see `is_abandoned`.
    """
    known: dict[str, str] = {}
    asked = facts.sandboxes is not None
    alive = {namespace.path.rpartition("/")[2] for namespace in facts.namespaces}
    for entry in facts.cache or ():
        if entry.container and (entry.netns.rpartition("/")[2] in alive or entry.netns.startswith("/proc/")):
            known[entry.container] = "libcni's cache"
    asked = asked or bool(known)
    recorded = [record.container for record in facts.genie.records if not is_abandoned(record, facts)]
    known |= dict.fromkeys(recorded, "Genie's state")
    known |= dict.fromkeys(facts.sandboxes or (), "the runtime")
    return known if asked or facts.genie.records else None


def is_abandoned(record: Recorded, facts: NodeFacts) -> bool:
    """Whether the container of a record is gone: no runtime has it, and its namespace is gone or has no process.

    As `genie gc` judges it. Where no runtime could be asked, a namespace without a process may be a pod's all the same.
    """
    if record.age < YOUNG_SECONDS or record.container in (facts.sandboxes or ()):
        return False
    if record.earlier or not record.exists:
        return True
    space = next((space for space in facts.namespaces if space.path == record.netns), None)
    return facts.sandboxes is not None and space is not None and space.processes == 0

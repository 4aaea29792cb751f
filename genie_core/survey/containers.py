"""Which containers are known on a node, and to whom."""

from __future__ import annotations

from genie_core.survey.node_facts import NodeFacts


def known_containers(facts: NodeFacts) -> dict[str, str] | None:
    """Container ID -> who knows it; None where nobody could be asked."""
    known: dict[str, str] = {}
    asked = facts.sandboxes is not None
    alive = {namespace.path.rpartition("/")[2] for namespace in facts.namespaces}
    for entry in facts.cache or ():
        if entry.container and (entry.netns.rpartition("/")[2] in alive or entry.netns.startswith("/proc/")):
            known[entry.container] = "libcni's cache"
    asked = asked or bool(known)
    known |= dict.fromkeys(facts.genie.containers, "Genie's state")
    known |= dict.fromkeys(facts.sandboxes or (), "the runtime")
    return known if asked or facts.genie.containers else None

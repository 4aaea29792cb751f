"""What the policies' documents say, apart from any pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genie_core.policy.genie_form import Pairing, Pairs, is_genie_form, read_pairs
from genie_core.policy.networks import EVERY, LOGICAL
from genie_core.policy.rules import MULTI, NETWORK, Finding, Policy, PolicyName, name_of, read_policy
from genie_core.policy.selectors import Selector


class PolicyDocuments:
    """The policies among documents, and what cannot be read of them."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self.findings: list[Finding] = []
        self.multi: list[Policy] = []
        self.forms: list[PolicyName] = []
        entries: list[Pairs] = []
        for document in map(dict, documents):
            if document.get("kind") == MULTI:
                policy, found = read_policy(document)
                self.multi.append(policy)
                self.findings += found
            elif document.get("kind") == NETWORK and is_genie_form(document):
                pairs, found = read_pairs(document)
                self.forms.append(name_of(document))
                entries += pairs
                self.findings += found
        self.multi.sort(key=lambda policy: policy.name)
        self.pairing = Pairing(entries)

    def selected_networks(self) -> dict[str, list[dict[str, Any]]]:
        """The networks and pods that policies select, for the plugin: see edges/policy_dir.py."""
        different: dict[str, dict[tuple[str, Selector], None]] = {}
        for policy in self.multi:
            for network in (EVERY,) if policy.networks is None else policy.networks:
                different.setdefault(network, {})[policy.name.namespace, policy.pods] = None
        found: dict[str, list[dict[str, Any]]] = {
            network: [{"namespace": space, "podSelector": pods.as_json()} for space, pods in selectors]
            for network, selectors in different.items()
        }
        if self.pairing.selected:
            found[f"{LOGICAL}/{EVERY}"] = [{"namespace": EVERY, "podSelector": {}}]
        return found

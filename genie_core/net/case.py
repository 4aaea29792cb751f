"""The input of checks: the model, and the conversations of the pod traced through it."""

from __future__ import annotations

from copy import copy
from functools import cached_property

from genie_core.net.flows import Flow, mentioned_ports, served_ports, standard
from genie_core.net.model import Model
from genie_core.net.path import all_walks
from genie_core.net.secondary_flows import secondary_flows
from genie_core.net.traces import Walk
from genie_core.survey.facts import Facts


class Case(Model):
    """A model with its traffic: the standard conversations, or `flows` where one target was asked about."""

    def __init__(self, facts: Facts, flows: list[Flow] | None = None) -> None:
        super().__init__(facts)
        self._flows = flows

    def narrow(self, flows: list[Flow]) -> Case:
        """The same case with these conversations instead of the standard ones."""
        return Case(self.facts, flows)

    def probed(self, facts: Facts) -> Case:
        """The same case with the outcomes of probes; `facts` differ in nothing else."""
        case = copy(self)
        case.facts = facts
        return case

    @property
    def narrowed(self) -> bool:
        """Whether one target was asked about."""
        return self._flows is not None

    @cached_property
    def served(self) -> frozenset[tuple[str, int]]:
        """(protocol, port) that this pod serves."""
        return frozenset(served_ports(self))

    @cached_property
    def serving(self) -> frozenset[tuple[str, int]]:
        """(protocol, port) of every service, endpoint and container."""
        ports = [
            (f.protocol, port) for f in self.frontends for port in (f.port, *(p for _, p in f.endpoints))
        ]
        return frozenset([*ports, *(port for pod in self.pods for port in pod.ports), *self.pod_object.ports])

    @cached_property
    def walks(self) -> list[Walk]:
        """The conversations, traced through the model."""
        flows = standard(self, mentioned_ports(self)) if self._flows is None else self._flows
        return all_walks(self, flows)

    @cached_property
    def further(self) -> list[Walk]:
        """Those of the secondary interfaces with their own links; none where one target was asked about."""
        return all_walks(self, secondary_flows(self, mentioned_ports(self)) if self._flows is None else [])

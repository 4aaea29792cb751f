"""`cni: ""` alone: the least loaded of the node's networks (conformance D13, D16, D17, X29).

Whatever stands in the way, within a second the pod gets the default network instead, with a warning.
"""

from genie_core.errors import GenieError
from genie_core.model import Choice, Selection
from genie_core.select.annotations import CNI
from genie_core.select.files import derived_name
from genie_core.select.load.score import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from genie_core.model import NetConf
    from genie_core.select.choose import Chooser
    from genie_core.select.load import Measures

    class Meter(Protocol):
        """What tells how busy networks are."""

        def usable(self, network: NetConf) -> bool:
            """Whether the network's plugins are installed."""

        def is_full(self, network: NetConf) -> bool:
            """Whether the network has no address left for a pod."""

        def measure(self, networks: Mapping[str, NetConf]) -> Mapping[str, Measures]:
            """The measures by candidate. Raises GenieError where they cannot be had in time."""


ORIGIN = "annotation cni is blank"


def choose(chooser: "Chooser", meter: "Meter") -> list[Choice]:
    """One network, the least loaded."""
    try:
        return [_choose(chooser, meter)]
    except GenieError as error:
        chooser.log.warning("no choice by load, default network used", problem=str(error))
        return [
            choice.replace(selection=_selection(choice.selection.name, "default network"))
            for choice in chooser.defaults()
        ]


def _choose(chooser: "Chooser", meter: "Meter") -> Choice:
    found: dict[str, NetConf] = {}
    for name, network in _candidates(chooser):
        if meter.usable(network) and chooser.may_take(network):
            found.setdefault(name, network)  # of two files of one name the first is meant
    if not found:
        raise GenieError("no candidate network is installed, valid and allowed")
    candidates = {name: network for name, network in found.items() if not meter.is_full(network)}
    if full := found.keys() - candidates:
        chooser.log.warning("networks without a free address left out", networks=sorted(full))
    if not candidates:
        raise GenieError("no candidate network has a free address")
    measures = meter.measure(candidates) if len(candidates) > 1 else _alone(candidates)
    if not chooser.settings.smart_selection.candidates:  # listed networks count, measured or not
        measures = {name: measure for name, measure in measures.items() if measure.seen}
    if not measures:
        raise GenieError("cAdvisor knows no interface of any candidate")
    verdict = judge(measures, _weights(chooser))
    chooser.log.info("chosen by load", network=verdict.name, loads=dict(verdict.loads))
    # written back so that whoever reads the pod next finds the choice, as with CNI-Genie
    return Choice(
        _selection(verdict.name, str(verdict)), candidates[verdict.name], annotations={CNI: verdict.name}
    )


def _selection(name: str, reason: str) -> Selection:
    return Selection(name, "", f"{ORIGIN}: {reason}")


def _alone(candidates: "Mapping[str, NetConf]") -> "dict[str, Measures]":
    """A single candidate needs no measuring."""
    from genie_core.select.load import Measures

    return {name: Measures() for name in candidates}


def _weights(chooser: "Chooser") -> "Mapping[str, float]":
    return chooser.settings.smart_selection.weights


def _candidates(chooser: "Chooser") -> "list[tuple[str, NetConf]]":
    """(name, network): those that the configuration lists, else every valid one, as `cni` would name them."""
    names = chooser.settings.smart_selection.candidates
    if not names:
        return [(derived_name(network.source), network) for network in chooser.finder.valid()]
    found = []
    for index, name in enumerate(names, 1):
        try:
            found.append(
                (name, chooser.finder.find(Selection(name, "", f"smart_selection.candidates, item {index}")))
            )
        except GenieError as error:
            chooser.log.warning("candidate left out", network=name, problem=error.msg)
    return found

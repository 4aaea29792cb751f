"""`cni: ""` alone: the least loaded of the node's networks (conformance D13, D16, D17, X29).

After any failure, or after one second, the pod gets the default network instead, with a warning.
"""

from genie_core.dialects import CNI
from genie_core.errors import Cancelled, GenieError
from genie_core.indicators import Measures, judge
from genie_core.model import Choice, Selection
from genie_core.select.files import derived_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.model import NetConf
    from genie_core.ports import Meter
    from genie_core.select.chooser import Chooser
ORIGIN = "annotation cni is blank"


def choose(chooser: "Chooser", _annotations: "Mapping[str, str]") -> tuple[list[Choice], list[Choice]]:
    """One network, the least loaded; none where a plugin before Genie has made the pod's first interface."""
    if chooser.has_primary:
        return [], []
    try:
        return [_choose(chooser, chooser.world.meter())], []
    except Cancelled:
        raise
    except GenieError as error:
        chooser.log.warning("no choice by load, default network used", problem=str(error))
        return [
            choice.replace(selection=_selection(choice.selection.name, "default network"))
            for choice in chooser.defaults()
        ], []


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
    measures = meter.measure(candidates) if len(candidates) > 1 else dict.fromkeys(candidates, Measures())
    if not chooser.settings.smart_selection.candidates:  # listed networks count, measured or not
        measures = {name: measure for name, measure in measures.items() if measure.seen}
    if not measures:
        raise GenieError("cAdvisor knows no interface of any candidate")
    verdict = judge(measures, chooser.settings.smart_selection.weights)
    chooser.log.info("chosen by load", network=verdict.name, loads=dict(verdict.loads))
    # the annotation then has the choice, as with CNI-Genie
    return Choice(
        _selection(verdict.name, str(verdict)), candidates[verdict.name], annotations={CNI: verdict.name}
    )


def _selection(name: str, reason: str) -> Selection:
    return Selection(name, "", f"{ORIGIN}: {reason}")


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

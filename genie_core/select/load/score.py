"""Indicators and their weights -> the least loaded network.

load = sum of weight x indicator; the least wins. The weights are `smart_selection.weights` in Genie's
configuration. An indicator of the node's own (`smart_selection.indicators`) counts where every candidate has a number
of it. Among equals CNI-Genie's order decides (flannel, calico, weave), then the name.
"""

from genie_core.model import Value
from genie_core.select.load import address_use, attachments, received_rate, sent_rate, shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genie_core.select.load import Measures

INDICATORS: "dict[str, Callable[[Mapping[str, Measures]], dict[str, float]]]" = {
    "received_rate": received_rate.indicate,
    "sent_rate": sent_rate.indicate,
    "address_use": address_use.indicate,
    "attachments": attachments.indicate,
}
WEIGHTS = {"received_rate": 1.0, "sent_rate": 1.0, "address_use": 1.0, "attachments": 0.5}
OWN_WEIGHT = 1.0
_TIES = ("flannel", "calico", "weave")
_DIGITS = 6  # loads that differ less are equal: a rounding error must not decide


class Verdict(Value):
    """The chosen candidate, and every candidate's load."""

    __slots__ = ("loads", "name")

    def __init__(self, name: str, loads: "Mapping[str, float]") -> None:
        self.name = name
        self.loads = loads

    def __str__(self) -> str:
        told = ", ".join(
            f"{name} {load:.3f}" for name, load in sorted(self.loads.items(), key=lambda item: item[1])
        )
        return f"least load of {told}"


def judge(measures: "Mapping[str, Measures]", weights: "Mapping[str, float]") -> Verdict:
    """The least loaded of at least one candidate; the same for the same numbers, always."""
    loads = dict.fromkeys(measures, 0.0)
    for indicator, indicate in INDICATORS.items():
        weight = weights.get(indicator, WEIGHTS[indicator])
        for name, value in indicate(measures).items():
            loads[name] += weight * value
    for indicator in _of_all(measures):
        weight = weights.get(indicator, OWN_WEIGHT)
        numbers = {name: measure.others[indicator] for name, measure in measures.items()}
        for name, value in shares(numbers).items():
            loads[name] += weight * value
    loads = {name: round(load, _DIGITS) for name, load in loads.items()}
    return Verdict(min(loads, key=lambda name: (loads[name], _tie(name), name)), loads)


def _of_all(measures: "Mapping[str, Measures]") -> list[str]:
    """The indicators of the node's own of which every candidate has a number."""
    first, *rest = measures.values()
    return sorted(name for name in first.others if all(name in other.others for other in rest))


def _tie(name: str) -> int:
    return _TIES.index(name) if name in _TIES else len(_TIES)

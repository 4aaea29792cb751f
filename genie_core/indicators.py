"""The indicators of smart selection, a row each: what a blank `cni` annotation chooses by (conformance D16, D17).

An indicator is a number of what was measured of a candidate; the larger, the busier. The load of a candidate is the sum
of its indicators, each weighted; the candidate with the least load wins. `smart_selection.weights` in Genie's
configuration changes weights, `smart_selection.indicators` adds programs of the node's own. `edges.meter` measures.
Pure; docs/networks.md has the table.
"""

from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

OWN_WEIGHT = 1.0
_TIES = ("flannel", "calico", "weave")
_DIGITS = 6  # loads that differ less are equal: a rounding error must not decide


class Measures(Value):
    """What was measured of one candidate.

    `received` and `sent` are bytes per second over its interfaces on this node; `attachments` counts the
    recorded ones; `addresses_used` and `addresses` describe the range set of its IPAM with the fewest free addresses,
    0 of 0 where that is not known. `others` are the numbers of the node's own indicators.
    `seen` is false where none of its interfaces was measured: its rates mean nothing then.
    """

    __slots__ = ("addresses", "addresses_used", "attachments", "others", "received", "seen", "sent")

    def __init__(
        self,
        received: float = 0.0,
        sent: float = 0.0,
        attachments: int = 0,
        addresses_used: int = 0,
        addresses: int = 0,
        seen: bool = True,
        others: "Mapping[str, float] | None" = None,
    ) -> None:
        self.others: Final = others or {}
        self.received: Final = received
        self.sent: Final = sent
        self.attachments: Final = attachments
        self.addresses_used: Final = addresses_used
        self.addresses: Final = addresses
        self.seen: Final = seen


class Indicator(Value):
    """One indicator: its usual weight, and its number of one candidate's measures.

    With `shared` the number counts as a share of all candidates' numbers; otherwise it is a share already.
    """

    __slots__ = ("number", "shared", "weight")

    def __init__(self, weight: float, number: "Callable[[Measures], float]", *, shared: bool = True) -> None:
        self.weight: Final = weight
        self.number: Final = number
        self.shared: Final = shared

    def of(self, measures: "Mapping[str, Measures]") -> dict[str, float]:
        """Each candidate's number, from 0 to 1."""
        numbers = {name: self.number(one) for name, one in measures.items()}
        total = sum(numbers.values()) if self.shared else 1.0
        return {name: number / total if total > 0 else 0.0 for name, number in numbers.items()}


INDICATORS = {
    "received_rate": Indicator(1.0, lambda one: one.received),
    "sent_rate": Indicator(1.0, lambda one: one.sent),
    # not compared with the others' use: 0.9 is nearly full anywhere
    "address_use": Indicator(
        1.0,
        lambda one: min(one.addresses_used / one.addresses, 1.0) if one.addresses else 0.0,
        shared=False,
    ),
    "attachments": Indicator(0.5, lambda one: one.attachments),
}


class Verdict(Value):
    """The chosen candidate, and every candidate's load."""

    __slots__ = ("loads", "name")

    def __init__(self, name: str, loads: "Mapping[str, float]") -> None:
        self.name: Final = name
        self.loads: Final = loads

    def __str__(self) -> str:
        loads = sorted(self.loads.items(), key=lambda item: item[1])
        return f"least load of {', '.join(f'{name} {load:.3f}' for name, load in loads)}"


def judge(measures: "Mapping[str, Measures]", weights: "Mapping[str, float]") -> Verdict:
    """The least loaded of at least one candidate; the same for the same numbers, always.

    Among equals CNI-Genie's order decides, then the name.
    """
    loads = dict.fromkeys(measures, 0.0)
    for indicator, one in (INDICATORS | _of_all(measures)).items():
        weight = weights.get(indicator, one.weight)
        for name, value in one.of(measures).items():
            loads[name] += weight * value
    loads = {name: round(load, _DIGITS) for name, load in loads.items()}
    return Verdict(min(loads, key=lambda name: (loads[name], _tie(name), name)), loads)


def _of_all(measures: "Mapping[str, Measures]") -> "dict[str, Indicator]":
    """The indicators of the node's own of which every candidate has a number."""
    first, *rest = measures.values()
    names = sorted(name for name in first.others if all(name in other.others for other in rest))
    return {name: Indicator(OWN_WEIGHT, lambda one, name=name: one.others[name]) for name in names}  # type: ignore[misc]  # a default binds the name


def _tie(name: str) -> int:
    return _TIES.index(name) if name in _TIES else len(_TIES)

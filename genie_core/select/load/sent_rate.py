"""Bytes per second that the node sends on the network's interfaces, as a share of all candidates'."""

from genie_core.select.load import shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.select.load import Measures


def indicate(measures: "Mapping[str, Measures]") -> dict[str, float]:
    """The share of each candidate."""
    return shares({name: measure.sent for name, measure in measures.items()})

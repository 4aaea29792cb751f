"""How much of the network's own address range is in use. Not compared with others: 0.9 is nearly full anywhere."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.select.load import Measures


def indicate(measures: "Mapping[str, Measures]") -> dict[str, float]:
    """The used part of each candidate's scarcest range set; 0 where the ranges are unknown."""
    return {
        name: min(measure.addresses_used / measure.addresses, 1.0) if measure.addresses else 0.0
        for name, measure in measures.items()
    }

"""How busy each network of this node is: what a blank `cni` annotation chooses by (conformance D16, D17).

One module per indicator: it turns what was measured for every candidate into a share from 0 to 1. `score`
weighs them. All pure; `edges.load` measures.
"""

from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Measures(Value):
    """What was measured for one candidate.

    `received` and `sent` are bytes per second over its interfaces on this node; `attachments` counts the
    recorded ones; `addresses_used` and `addresses` describe the range set of its IPAM with the fewest free addresses,
    0 of 0 where that is not known. `others` are the numbers of the node's own indicators.
    `seen` is false where none of its interfaces was measured: its rates say nothing then.
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
        others: "dict[str, float] | None" = None,
    ) -> None:
        self.others = others or {}
        self.received = received
        self.sent = sent
        self.attachments = attachments
        self.addresses_used = addresses_used
        self.addresses = addresses
        self.seen = seen


def shares(values: "Mapping[str, float]") -> dict[str, float]:
    """Each value as its part of the total; all 0 where there is nothing to share."""
    total = sum(values.values())
    return {name: value / total if total > 0 else 0.0 for name, value in values.items()}

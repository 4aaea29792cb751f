"""The annotation `cni`: names of the node's networks, `name` or `name@interface` (conformance D03-D06). Pure."""

from genie_core.dialects import CNI
from genie_core.select.annotations import parse_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.model import Choice, Selection
    from genie_core.select.chooser import Chooser


def choose(chooser: "Chooser", annotations: "Mapping[str, str]") -> "tuple[list[Choice], list[Choice]]":
    """The network of each name, in order. Raises GenieError naming the item."""
    return [chooser.by_name(selection) for selection in selections(annotations[CNI], "")], []


def selections(text: str, _namespace: str) -> "list[Selection]":
    """What the annotation names. Raises InvalidConfig naming the item."""
    return parse_names(text, f"annotation {CNI}")

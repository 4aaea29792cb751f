"""The annotation `k8s.v1.cni.cncf.io/networks`: the default network, then each of its entries (NPWG 6.2; C11). Pure."""

from genie_core.dialects import NPWG_NETWORKS
from genie_core.select.npwg import parse_selections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.model import Choice
    from genie_core.select.chooser import Chooser
    from genie_core.select.npwg import DefinitionSelection


def choose(chooser: "Chooser", annotations: "Mapping[str, str]") -> "tuple[list[Choice], list[Choice]]":
    """The networks in front of `default_networks` and those behind. Raises GenieError naming the entry."""
    found = selections(annotations[NPWG_NETWORKS], chooser.namespace)
    for selection in found:
        chooser.require_definition(selection)
    defaults = chooser.pods_default(annotations)
    return defaults, [chooser.by_attachment(selection) for selection in found]


def selections(text: str, namespace: str) -> "list[DefinitionSelection]":
    """What the annotation names; `namespace` is the pod's. Raises InvalidConfig naming the entry."""
    return parse_selections(text, namespace, f"annotation {NPWG_NETWORKS}")

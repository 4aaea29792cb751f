"""Annotations + configuration -> the networks of a pod, looked up (design, section 3). Pure but for its ports."""

from ..errors import NetworkNotFound
from ..model import Wish
from .annotations import parse_names, wishes_of
from .files import Finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import NetConf
    from ..settings import Settings

    # A network that CNI-Genie would have generated a configuration for, or None (conformance D10)
    Generate = Callable[[str], NetConf | None]
    Chosen = list[tuple[Wish, NetConf]]


def choose(
    annotations: "Mapping[str, str]", settings: "Settings", finder: Finder, generate: "Generate"
) -> "Chosen":
    """The pod's networks in order, each with the wish behind it. Raises GenieError before anything is attached."""
    wishes = wishes_of(annotations)
    if wishes is None:
        return default_networks(settings, finder, generate)
    return [(wish, _find(wish, finder, generate)) for wish in wishes]


def default_networks(settings: "Settings", finder: Finder, generate: "Generate") -> "Chosen":
    """`default_plugin`'s networks, else the first valid configuration that is not Genie's own (D11, D12)."""
    if settings.default_plugin.strip():
        wishes = parse_names(settings.default_plugin, "default_plugin")
        return [(wish, _find(wish, finder, generate)) for wish in wishes]
    network = finder.default()
    return [(Wish(network.name, "", "the node's default network"), network)]


def _find(wish: Wish, finder: Finder, generate: "Generate") -> "NetConf":
    try:
        return finder.find(wish)
    except NetworkNotFound:
        network = generate(wish.name)
        if network is None:
            raise
        return network

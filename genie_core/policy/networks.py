"""Networks by name: `NS/NAME` of a definition, `logical/NS/NAME`, `cni/NAME` (select/asked.py, identity_of)."""

from __future__ import annotations

from genie_core.errors import InvalidConfig
from genie_core.spec.names import is_label, is_subdomain
from genie_core.spec.request import is_identifier

LOGICAL, CNI = "logical", "cni"
EVERY = "*"  # in what the plugin reads: every network but a pod's primary, every namespace


def parse_networks(text: str, namespace: str, where: str) -> tuple[str, ...] | None:
    """The networks of a `policy-for`; None for a blank one. Raises InvalidConfig for what cannot be a name."""
    names = ["/".join(word.strip() for word in part.split("/")) for part in text.split(",")]
    if not any(names):
        return None
    return tuple(sorted({_parse(name, namespace, where) for name in names if name}))


def _parse(name: str, namespace: str, where: str) -> str:
    kind, slash, rest = name.partition("/")
    if slash and kind == CNI:
        if not is_identifier(rest):
            raise _refusal(name, where)
        return name
    if slash and kind == LOGICAL:
        space, slash, own = rest.rpartition("/")
        return f"{LOGICAL}/{_definition(f'{space}/{own}' if slash else own, namespace, name, where)}"
    return _definition(name, namespace, name, where)


def _definition(text: str, namespace: str, whole: str, where: str) -> str:
    space, slash, name = text.rpartition("/")
    space = space if slash else namespace
    if not is_label(space) or not is_subdomain(name):
        raise _refusal(whole, where)
    return f"{space}/{name}"


def _refusal(name: str, where: str) -> InvalidConfig:
    return InvalidConfig(
        f"{where}: {name[:80]!r} names no network",
        hint="NAME or NAMESPACE/NAME of a definition, logical/NAME, or cni/NAME",
    )


def is_logical(network: str) -> bool:
    """Whether it is one of CNI-Genie's logical networks."""
    return network.startswith(f"{LOGICAL}/")

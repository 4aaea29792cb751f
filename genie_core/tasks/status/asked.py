"""The networks that a pod asks for and those that it has, by its annotations alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from genie_core.dialects import (
    BY_ATTACHMENT,
    BY_DEFAULT,
    BY_LOAD,
    DEFAULT_NETWORK,
    NETWORK_STATUS,
    Dialect,
    dialect_of,
)
from genie_core.errors import GenieError
from genie_core.jsontext import decode
from genie_core.select import selections_of
from genie_core.select.chooser import SYSTEM_NAMESPACE
from genie_core.select.npwg import parse_selections
from genie_core.status import OBSERVED
from genie_core.survey.whole_cluster import PodRow
from genie_core.tasks.sync.observed import observed


@dataclass(frozen=True, slots=True)
class Asked:
    """The networks that the annotations name, in their order: NAMESPACE/NAME of an object, or a name of the node's."""

    dialect: Dialect
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the pod's network-status."""

    network: str
    interface: str
    addresses: tuple[str, ...]
    default: bool


def asked_of(pod: PodRow) -> Asked | str | None:
    """What the pod asks for; None where it asks for nothing; a sentence where its annotation is wrong."""
    dialect = dialect_of(pod.annotations)
    if dialect in (BY_DEFAULT, BY_LOAD):
        return None
    try:
        named = selections_of(pod.annotations, pod.namespace)
    except GenieError as error:
        return error.msg
    names = [one.name for one in named]
    if dialect.kind:
        names = [f"{getattr(one, 'namespace', pod.namespace)}/{one.name}" for one in named]
    return Asked(dialect, tuple(names))


def default_of(pod: PodRow) -> tuple[str, ...]:
    """NAMESPACE/NAME of the definition that the pod asks for as its default network; () for none."""
    try:
        named = parse_selections(pod.annotations.get(DEFAULT_NETWORK, ""), SYSTEM_NAMESPACE, DEFAULT_NETWORK)
    except GenieError:
        return ()  # the error is reported to the pod
    return tuple(f"{one.namespace}/{one.name}" for one in named)


def attached_to(pod: PodRow) -> list[Entry]:
    """The entries of network-status; of a pod without, that has one network alone, the pod's own addresses."""
    text = pod.annotations.get(NETWORK_STATUS)
    if not text:
        asked = asked_of(pod)
        if not isinstance(asked, Asked) or len(asked.networks) > 1 or asked.dialect is BY_ATTACHMENT:
            return []
        return [Entry(asked.networks[0], "eth0", pod.ips, default=True)] if pod.ips else []
    try:
        value = decode(text)
    except ValueError:
        return []
    found = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            ips = item.get("ips")
            addresses = tuple(str(ip) for ip in ips) if isinstance(ips, list) else ()
            found.append(
                Entry(
                    str(item.get("name") or ""),
                    str(item.get("interface") or ""),
                    addresses,
                    item.get("default") is True,
                )
            )
    return found


def is_stale(pod: PodRow) -> bool:
    """Whether the request has changed since it was last applied, where that was recorded on the pod."""
    recorded = pod.annotations.get(OBSERVED)
    return recorded is not None and recorded != observed(pod.annotations)

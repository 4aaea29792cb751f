"""Which network a pod's default routes lead through: the key `default-route` of the multi-network standard.

By family, because a pod that asks for an IPv4 gateway has said nothing about IPv6 (conformance C26-C30). What
is decided here is done by `edges.default_routes`, and told in the results, so that the namespace, the runtime's
result, what CHECK compares with and the status annotation agree. Pure; on the kubelet path.
"""

from .errors import InvalidConfig
from .jsontext import encode, join_members, members
from .merge import with_gateways
from .model import Result, Value
from .spec.addresses import canonical_address, is_default, is_v4
from .spec.result import encode as encode_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    # What an attachment asks for: None where the key is absent, [] to keep its own, or gateways' addresses.
    Request = Sequence[str] | None

MAIN_TABLE = 254  # RT_TABLE_MAIN, linux/rtnetlink.h


class RouteChange(Value):
    """One family's default routes: through `ifname` alone, to `gateway`; "" keeps those that it has."""

    __slots__ = ("gateway", "ifname", "v4")

    def __init__(self, ifname: str, v4: bool, gateway: str = "") -> None:
        self.ifname = ifname
        self.v4 = v4
        self.gateway = gateway


def refuse_conflicts(requests: "Iterable[tuple[str, Request]]") -> None:
    """Raise InvalidConfig where the (origin, request) pairs cannot hold together (C27). Before anything is done."""
    raise NotImplementedError


def route_changes(requests: "Mapping[str, Request]", results: "Mapping[str, Result]") -> list[RouteChange]:
    """What to change, from requests and results by interface name; [] where nobody asked (C26, C28)."""
    raise NotImplementedError


def changed_results(changes: "Sequence[RouteChange]", results: "Mapping[str, Result]") -> dict[str, Result]:
    """The results that are not true any more once the changes are made, as they then are (C30)."""
    raise NotImplementedError


def retold(text: str, version: str, result: Result) -> str:
    """A result's text, printed by a plugin in `version`, with the routes that `result` has; the rest is kept."""
    raise NotImplementedError

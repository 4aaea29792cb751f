"""The content of one network namespace that repairs are decided from."""

from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class SeenLink(Value):
    """One interface. `kind` is the kernel's (veth, bridge, macvlan, ...), "" for hardware.

    `master` is the index of the interface that it is a port of; `peer` that of its other end, or of its parent, in
    whatever namespace that is. Each is 0 for none.
    """

    __slots__ = ("index", "kind", "mac", "master", "name", "peer", "up")

    def __init__(
        self,
        name: str,
        index: int,
        kind: str = "",
        up: bool = True,
        master: int = 0,
        peer: int = 0,
        mac: str = "",
    ) -> None:
        self.name = name
        self.index = index
        self.kind = kind
        self.up = up
        self.master = master
        self.peer = peer
        self.mac = mac


class SeenRoute(Value):
    """A unicast route of any table. `gateway` and `metric` as the kernel has them, "" and 0 for none."""

    __slots__ = ("dst", "gateway", "index", "metric", "table")

    def __init__(self, dst: str, index: int, gateway: str = "", table: int = 254, metric: int = 0) -> None:
        self.dst = dst
        self.index = index
        self.gateway = gateway
        self.table = table
        self.metric = metric


class Seen:
    """One reading of a namespace. `addresses` are pairs of an interface's index and an address without length."""

    __slots__ = ("_names", "addresses", "links", "routes")

    def __init__(
        self,
        links: "Iterable[SeenLink]" = (),
        addresses: "Collection[tuple[int, str]]" = (),
        routes: "Collection[SeenRoute]" = (),
    ) -> None:
        self.links: Mapping[str, SeenLink] = {link.name: link for link in links}
        self.addresses = set(addresses)
        self.routes = routes
        self._names = {link.index: link.name for link in self.links.values()}

    def at(self, index: int) -> "SeenLink | None":
        """The interface of that index."""
        return self.links.get(self._names.get(index, ""))

    def name_of(self, index: int) -> str:
        """Its name, for messages."""
        return self._names.get(index, f"interface {index}")

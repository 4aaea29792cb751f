"""Carry out the repairs that `live.repair` has decided on, through pyroute2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EEXIST, ENOENT, ESRCH
from functools import partial
from socket import AF_INET, AF_INET6
from typing import TYPE_CHECKING, Any

from genie_core.edges.netns import inside
from genie_core.errors import KernelRefused
from genie_core.live import repair
from genie_core.live.repair import Put

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# linux/if_addr.h. No duplicate address detection: it was the pod's before, so no other host has it
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x2, 0x200
_PROTO_KERNEL, _PROTO_BOOT = 2, 3
_SCOPE_LINK = 253


def put_back(netns: str, puts: Sequence[Put]) -> None:
    """Put everything back, in the pod's namespace and in this one. Raises KernelRefused, InvalidNetns, Denied."""
    for put in sorted(puts, key=lambda one: one.what):
        if put.inside:
            inside(netns, partial(_carry_out, put))
        else:
            _carry_out(put)


def _carry_out(put: Put) -> None:
    """One thing, in the calling thread's namespace. Raises KernelRefused."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as kernel:
        try:
            index = _index(kernel, put.link)
            _WORK[put.what](kernel, put, index)
        except NetlinkError as error:
            if error.code not in _HARMLESS.get(put.what, ()):
                raise KernelRefused(f"{_what(put)}: {error.args[-1]}") from None


def _index(kernel: IPRoute, name: str) -> int:
    found = kernel.link_lookup(ifname=name)
    if not found:
        raise KernelRefused(f"interface {name} is gone")
    return int(found[0])


def _up(kernel: IPRoute, _put: Put, index: int) -> None:
    kernel.link("set", index=index, state="up")


def _master(kernel: IPRoute, put: Put, index: int) -> None:
    kernel.link("set", index=index, master=_index(kernel, put.bridge))
    if put.hairpin:
        kernel.brport("set", index=index, mode=1)


def _address(kernel: IPRoute, put: Put, index: int) -> None:
    address, _, length = put.address.partition("/")
    flags = (_IFA_F_NODAD if ":" in address else 0) | (_IFA_F_NOPREFIXROUTE if put.bare else 0)
    more: dict[str, Any] = {"flags": flags} if flags else {}
    kernel.addr("add", index=index, address=address, prefixlen=int(length), **more)


def _drop(kernel: IPRoute, put: Put, index: int) -> None:
    assert put.route
    kernel.route(
        "del", dst=put.route.dst, oif=index, proto=_PROTO_KERNEL, scope=_SCOPE_LINK, table=put.route.table
    )


def _route(kernel: IPRoute, put: Put, index: int) -> None:
    route = put.route
    assert route
    v6 = ":" in route.dst
    more: dict[str, Any] = {"gateway": route.gateway} if route.gateway else {}
    if route.metric:
        more["priority"] = route.metric
    if put.source:
        more["prefsrc"] = put.source
    if not (v6 or route.gateway):
        more["scope"] = _SCOPE_LINK
    family = AF_INET6 if v6 else AF_INET
    kernel.route("add", dst=route.dst, oif=index, table=route.table, family=family, proto=_PROTO_BOOT, **more)


def _forget(kernel: IPRoute, put: Put, index: int) -> None:
    kernel.neigh("del", dst=put.address, ifindex=index)


def _what(put: Put) -> str:
    said = put.address or (put.route.dst if put.route else "") or put.bridge
    return f"cannot put back {put.link} {said}".rstrip()


_WORK: dict[int, Callable[[IPRoute, Put, int], None]] = {
    repair.MASTER: _master,
    repair.UP: _up,
    repair.SET_ADDRESS: _address,
    repair.DROP_ROUTE: _drop,
    repair.LINK_ROUTE: _route,
    repair.GATEWAY_ROUTE: _route,
    repair.FORGET_NEIGHBOUR: _forget,
}
# It exists already: the kernel made it together with something else.
_HARMLESS = {
    repair.SET_ADDRESS: (EEXIST,),
    repair.DROP_ROUTE: (ESRCH,),
    repair.LINK_ROUTE: (EEXIST,),
    repair.GATEWAY_ROUTE: (EEXIST,),
    repair.FORGET_NEIGHBOUR: (ENOENT,),
}

"""Programs that handle packets before netfilter in the calling thread's namespace: tc filters, XDP and tcx."""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from genie_core.survey.attributes import Attributes
from genie_core.survey.kernel import Link, Program, Qdisc

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# include/uapi/linux/pkt_sched.h: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and its like
PARENTS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
INGRESS_QDISC = 0xFFFF0000
# include/uapi/linux/bpf.h: enum bpf_cmd, enum bpf_attach_type
BPF_PROG_QUERY = 16
TCX = {"ingress": 46, "egress": 47}
BPF_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_libc = ctypes.CDLL(None, use_errno=True)


def programs(netlink: IPRoute, links: Sequence[Link], hooks: Sequence[Qdisc]) -> tuple[Program, ...]:
    """All of them; `hooks` are the links' clsact and ingress qdiscs, which tc filters hang on."""
    found = [
        Program(index=link.index, hook="xdp", kind="bpf", name=f"id {link.xdp}") for link in links if link.xdp
    ]
    for hook in hooks:
        found += _filters(netlink, hook)
    for link in links:
        found += _tcx(link.index)
    return tuple(found)


def _filters(netlink: IPRoute, hook: Qdisc) -> Iterator[Program]:
    parents = PARENTS if hook.kind == "clsact" else {"ingress": INGRESS_QDISC}
    for side, parent in parents.items():
        for message in netlink.get_filters(index=hook.index, parent=parent):
            attributes = Attributes(message)
            options: Any = attributes.get("TCA_OPTIONS")
            if options is None or not _is_filter(message):
                continue
            name = _of(options, "TCA_BPF_NAME")
            yield Program(
                index=hook.index, hook=side, kind=str(attributes.get("TCA_KIND", "")), name=str(name)
            )


def _is_filter(message: Any) -> bool:
    """The kernel lists each priority once more, without a handle."""
    return bool(message["handle"])


def _of(options: Any, name: str) -> Any:
    return Attributes(options).get(name, "")


def _tcx(index: int) -> Iterator[Program]:
    """Programs that are attached by BPF links, which tc does not show; none on kernels before 6.6."""
    call = BPF_CALL.get(platform.machine())
    for side, kind in TCX.items() if call else ():
        identities = (ctypes.c_uint32 * 16)()
        attributes = struct.pack(
            "=IIIIQII", index, kind, 0, 0, ctypes.addressof(identities), len(identities), 0
        )
        buffer = ctypes.create_string_buffer(attributes + bytes(64 - len(attributes)), 64)
        if _libc.syscall(call, BPF_PROG_QUERY, buffer, 64):
            continue
        count = struct.unpack_from("=I", buffer.raw, 24)[0]
        for identity in identities[: min(count, len(identities))]:
            yield Program(index=index, hook=f"tcx {side}", kind="bpf", name=f"id {identity}")

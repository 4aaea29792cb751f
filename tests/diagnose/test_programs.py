"""Programs ahead of netfilter, attached for real in every way: the collector sees them, and the check names them."""

import ctypes
import os
import struct
from contextlib import contextmanager
from functools import partial

import pytest

from genie_core.checks import unmodelled
from genie_core.net.case import Case
from genie_core.survey import netlink
from genie_core.survey.bpf import BPF_CALL
from genie_core.survey.facts import Facts
from genie_core.survey.namespaces import inside

pytestmark = pytest.mark.root
PROG_LOAD, LINK_CREATE = 5, 28  # include/uapi/linux/bpf.h: enum bpf_cmd
SCHED_CLS, XDP = 3, 6
XDP_ATTACH, TCX_INGRESS = 37, 46
PASS = {SCHED_CLS: 0, XDP: 2}  # TC_ACT_OK, XDP_PASS
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes + bytes(128 - len(attributes)), 128)
    descriptor = _libc.syscall(BPF_CALL[os.uname().machine], command, buffer, 128)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return descriptor


@contextmanager
def attached(kind, where, index):
    """A program that lets everything pass, at one hook of a link: `r0 = verdict; exit`."""
    code = struct.pack("<BBhi", 0xB7, 0, 0, PASS[kind]) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    program = bpf(PROG_LOAD, struct.pack("=IIQQ", kind, 2, ctypes.addressof(text), ctypes.addressof(licence)))
    try:
        link = bpf(LINK_CREATE, struct.pack("=IIII", program, index, where, 0))
        try:
            yield
        finally:
            os.close(link)
    finally:
        os.close(program)


def seen(path):
    facts = Facts(node=inside(path, lambda: netlink.read_netns("")))
    return [(p.hook, p.kind) for p in facts.node.programs], [f.code for f in unmodelled.programs(Case(facts))]


def test_programs_and_filters_are_seen_wherever_they_are_attached(netns):
    space = netns()
    path = str(space.path)
    space.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    space.run("ip", "addr", "add", "192.0.2.1/24", "dev", "up0")
    index = int(space.run("cat", "/sys/class/net/up0/ifindex").stdout)
    assert seen(path) == ([], [])
    for kind, where, hook in ((XDP, XDP_ATTACH, "xdp"), (SCHED_CLS, TCX_INGRESS, "tcx ingress")):
        found = inside(path, partial(_while_attached, kind, where, index, path))
        assert found == ([(hook, "bpf")], ["GN0519"])
    space.run("tc", "qdisc", "add", "dev", "up0", "clsact")
    space.run("tc", "filter", "add", "dev", "up0", "egress", "bpf", "da", "bytecode", "1,6 0 0 0")
    assert seen(path) == ([("egress", "bpf")], ["GN0519"])


def _while_attached(kind, where, index, path):
    with attached(kind, where, index):
        return seen(path)

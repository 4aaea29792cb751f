import pytest

from genie_core.errors import InvalidConfig
from tests.desk import Desk

SHARED = {"dedicatedNet": False}  # a physical network that several logical ones share


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def node(desk):
    """Networks that a logical one may name as its plugin."""
    desk.file("weave", {"type": "weave-net", "ipam": {"type": "weave-ipam", "extra": 1}})
    desk.file("flannel", {"type": "flannel"}, {"type": "portmap"})
    desk.file("ovs", {"type": "ovs", "bridge": "br1"})
    return desk


def refusal(desk, value, kind=InvalidConfig):
    """What a pod that asks for these logical networks is refused with."""
    with pytest.raises(kind) as caught:
        desk.plan({"networks": value})
    assert str(caught.value).startswith("annotation networks, item ")
    return str(caught.value)

"""What counts as a fault, without a kernel."""

import json

from genie_core.live.repair import faults_of
from genie_core.live.seen import Seen, SeenLink
from genie_core.model import Attachment, NetConf, Plan, PluginConf


def on_parent(**more):
    """A pod with one macvlan whose parent is called eth0."""
    text = json.dumps({"type": "macvlan", "master": "eth0", **more})
    result = {"cniVersion": "1.0.0", "interfaces": [{"name": "net1", "sandbox": "/x"}]}
    network = NetConf("green", "1.0.0", [PluginConf("macvlan", text)], "")
    item = Attachment(network, "net1", "green", result=json.dumps(result))
    return Plan("c1", "eth0", "/x", [], None, "boot", [item])


def test_a_parent_in_the_pod_is_not_the_nodes_interface_of_that_name():
    pod = Seen([SeenLink("net1", 2, "macvlan")])
    node = Seen([SeenLink("eth0", 1, up=False)])
    assert [fault.kind for fault in faults_of(on_parent(), pod, node)] == ["link"]
    assert faults_of(on_parent(linkInContainer=True), pod, node) == []
    (gone,) = faults_of(on_parent(linkInContainer=True), Seen(), Seen())
    assert (gone.kind, gone.again, gone.obstacle) == ("interface", True, "")

"""The status annotations that a change of a running pod writes."""

import json
from pathlib import Path

import pytest

from genie_core.dialects import NETWORK_STATUS
from genie_core.model import Attachment, NetConf, Plan, PluginConf
from genie_core.plan import DEVICE_INFO_DIRECTORY
from genie_core.spec.conf import DEVICE_INFO
from genie_core.tasks.sync.publish import publish_networks
from genie_core.tasks.sync.target import fetch
from tests.apiserver import API, Objects
from tests.fakes_kube import memory_api
from tests.manifests import pod

RESULT = (
    '{"cniVersion": "1.0.0", "interfaces": [{"name": "%s", "sandbox": "/x"}], "ips": [{"address": "%s"}]}'
)


@pytest.fixture
def described():
    """A file in which a plugin has described a device."""
    file = Path(DEVICE_INFO_DIRECTORY) / "kept-c1_net1"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:03:02.0"}}')
    yield str(file)
    file.unlink()


def attachment(name, ifname, address, **fields):
    network = NetConf(name, "1.0.0", [PluginConf("p", "{}")], "f")
    return Attachment(network, ifname, f"ns/{name}", result=RESULT % (ifname, address), **fields)


@pytest.mark.root
def test_a_network_that_stays_keeps_its_device_in_the_status(described):
    attachments = [
        attachment("first", "eth0", "10.1.0.2/24"),
        attachment("kept", "net1", "10.2.0.2/24", capabilities={DEVICE_INFO: json.dumps(described)}),
        attachment("new", "net2", "10.3.0.2/24", plugged=True),
    ]
    plan = Plan("c1", "eth0", "/x", [], None, "boot", attachments)
    document = pod()
    document["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "kept,new"}
    objects = Objects()
    objects.add(document)
    api = memory_api(API(objects))
    place = document["metadata"]["namespace"], document["metadata"]["name"]
    publish_networks(fetch(api, *place), lambda: plan)
    status = json.loads(fetch(api, *place).annotations[NETWORK_STATUS])
    assert [entry["interface"] for entry in status] == ["eth0", "net1", "net2"]
    assert [entry.get("device-info", {}).get("type") for entry in status] == [None, "pci", None]


def test_a_status_of_before_a_change_is_not_written_after_it():
    """A repair writes without the container's lock: a change may end before it has written, or just then."""
    document = pod()
    place = document["metadata"]["namespace"], document["metadata"]["name"]
    document["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "new"}
    objects = Objects()
    objects.add(document)
    api = memory_api(API(objects))
    first = attachment("first", "eth0", "10.1.0.2/24")
    plan = Plan("c1", "eth0", "/x", [], None, "boot", [first])
    changed = plan.replace(attachments=[first, attachment("new", "net1", "10.3.0.2/24")])
    states = [plan, changed]

    def journal():
        """As it was, and then a change writes its own status."""
        found = states.pop(0)
        if states:
            publish_networks(fetch(api, *place), lambda: changed)
        return found

    publish_networks(fetch(api, *place), journal)
    status = json.loads(fetch(api, *place).annotations[NETWORK_STATUS])
    assert [entry["interface"] for entry in status] == ["eth0", "net1"]

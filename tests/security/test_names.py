"""Names with everything in them that means something to a path, a URL, a shell, a log or JSON, in every place.

Each is refused with a code of the specification before anything is attached, and reaches no URL and no file; or it
is what it claims to be: one name.
"""

import json
import os
import re

import pytest

from genie_core.edges.delegates import find_plugin
from genie_core.edges.kube_resources import POD, target
from genie_core.edges.store import file_name
from genie_core.errors import GenieError, InvalidConfig
from genie_core.spec.request import is_identifier
from tests.desk import Desk
from tests.fakes_kube import memory_api
from tests.plugin.cluster import NPWG

HOSTILE = [
    "..", ".", "../../../etc/shadow", "/etc/shadow", "a/../../b", "a/b", "a\\b", "a\nb", "a\r\nHost: evil",
    "a\tb", "a b", " ", "a\x1b[2Jb", "a\x00b", "a\x7fb", "a\x9b2Jb", "a\u202eb", "a\u2028b", "%2e%2e%2f", "a%00b",
    "a?x=1", "a#b", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "a|b", "a&&b", "a>pwned", "*", "~root",
    "-rf", "--help", "{}", '"', "'", 'a","type":"evil', "<nil>", "a@b@c", "A_B", "a" * 300, "\ud800", "é", "名",
]  # fmt: skip
CODES = {4, 6, 7}  # environment, decoding, configuration (SPEC, "Error")
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"


@pytest.fixture
def desk(tmp_path):
    """A node with one network and one definition. Afterwards: what was asked and written has plain names only."""
    desk = Desk(tmp_path)
    desk.file("a")
    desk.nad("net", {"type": "x"})
    yield desk
    for request in desk.api.requests:
        assert re.fullmatch(r"(/[a-z0-9.-]*[a-z0-9])+", request.target), request.target
    for path in tmp_path.rglob("*"):
        assert re.fullmatch(r"[\w.@-]+", path.name), path


def attempt(desk, annotations):
    """The plan, or [] where it was refused with one of the codes for bad input."""
    try:
        return desk.plan(annotations)
    except GenieError as error:
        assert error.code in CODES, error
        return []


IN_ANNOTATIONS = {
    "cni": lambda name: {"cni": name},
    "cni interface": lambda name: {"cni": f"a@{name}"},
    "networks": lambda name: {"networks": name},
    "networks interface": lambda name: {"networks": f"logical:{name}"},
    "short": lambda name: {NPWG: name},
    "short namespace": lambda name: {NPWG: f"{name}/net"},
    "short interface": lambda name: {NPWG: f"net@{name}"},
    "whole entry": lambda name: {NPWG: f"[{name}]"},
    "name": lambda name: {NPWG: json.dumps([{"name": name}])},
    "namespace": lambda name: {NPWG: json.dumps([{"name": "net", "namespace": name}])},
    "interface": lambda name: {NPWG: json.dumps([{"name": "net", "interface": name}])},
    "deviceID": lambda name: {NPWG: json.dumps([{"name": "net", "deviceID": name}])},
    "mac": lambda name: {NPWG: json.dumps([{"name": "net", "mac": name}])},
    "ips": lambda name: {NPWG: json.dumps([{"name": "net", "ips": [name]}])},
    "default-route": lambda name: {NPWG: json.dumps([{"name": "net", "default-route": [name]}])},
    "default network": lambda name: {DEFAULT_NETWORK: name},
}


@pytest.mark.parametrize("place", IN_ANNOTATIONS)
def test_annotations(desk, place):
    desk.logical("logical", plugin="a")
    for name in HOSTILE:
        for item in attempt(desk, IN_ANNOTATIONS[place](name)):
            assert item.network.source in {
                f"{desk.conf}/10-a.conflist",
                "NetworkAttachmentDefinition ns/net: spec.config",
            }
            assert item.ifname.isprintable()
            assert not set(item.ifname) & set("/: "), item.ifname
            body = json.loads(item.network.plugins[0].text)
            assert set(body) <= {"type", "name", "deviceID", "pciBusID"}
            assert not set(body.get("deviceID", "")) & set("/\\ \n%$")


IN_DEFINITIONS = {
    "type": lambda name: {"type": name},
    "chained type": lambda name: {"plugins": [{"type": "x"}, {"type": name}]},
    "name": lambda name: {"name": name, "type": "x"},
    "list name": lambda name: {"name": name, "plugins": [{"type": "x"}]},
    "version": lambda name: {"cniVersion": name, "type": "x"},
    "versions": lambda name: {"cniVersions": [name], "plugins": [{"type": "x"}]},
}


@pytest.mark.parametrize("place", IN_DEFINITIONS)
def test_definitions(desk, place):
    """A definition's author may write any configuration; but the network's name is a name, and types are file names."""
    for name in HOSTILE:
        desk.nad("bad", IN_DEFINITIONS[place](name))
        for item in attempt(desk, {NPWG: "bad"}):
            assert is_identifier(item.network.name)
            for plugin in item.network.plugins:
                assert not set(plugin.type) & set("/\\\0\n")
                assert plugin.type not in {".", ".."}


@pytest.mark.parametrize("key", ["physicalNet", "plugin", "sub_subnet"])
def test_logical_networks(desk, key):
    for name in HOSTILE:
        desk.logical("bad", **{"plugin": "a", key: name})
        for item in attempt(desk, {"networks": "bad"}):
            assert item.network.source == f"{desk.conf}/10-a.conflist"


def test_network_configurations(desk):
    """A list's plugins are in a folder that is named like its network (conformance B11)."""
    file = desk.conf / "20-bad.conflist"
    for name in HOSTILE:
        file.write_text(json.dumps({"cniVersion": "1.0.0", "name": name}))
        os.utime(file, (0, 0))  # what was written just now is read twice
        assert attempt(desk, {"cni": "bad"}) == []


def test_pods(desk):
    """Without annotations from the runtime, names of CNI_ARGS go into the URL of the pod."""
    for name in HOSTILE:
        for pod in (("ns", name), (name, "p")):
            with pytest.raises(GenieError):
                memory_api(desk.api).annotations(*pod, uid="")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_plugin_is_a_file_in_one_of_the_directories(tmp_path, name):
    (tmp_path / "bin").mkdir()
    (tmp_path / "evil").touch()
    try:
        found = find_plugin(name, [str(tmp_path / "bin"), str(tmp_path / "bin" / "none")])
    except (GenieError, ValueError):
        return
    raise AssertionError(found)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_part_of_a_url(name):
    for namespace, pod in ((name, "p"), ("ns", name)):
        try:
            path = target(POD.path(namespace, pod), {"limit": name})
        except InvalidConfig:
            continue
        assert re.fullmatch(r"/api/v1/namespaces/[a-z0-9-]+/pods/[a-z0-9.-]+\?limit=[\w%.~-]+", path)


@pytest.mark.parametrize("variable", ["CNI_CONTAINERID", "CNI_IFNAME"])
def test_variables(node, variable):
    """They become names of files and of interfaces."""
    node.networks("a")
    for name in HOSTILE:
        if (
            "\0" in name or "\ud800" in name or name == '"'
        ):  # the first two no variable holds, nor the third a printf
            continue
        reply = node.add(env={variable: name})
        if reply.status:
            reply.error(4)
            continue
        key = (name, "eth0") if variable == "CNI_CONTAINERID" else ("cid1", name)
        assert [path.name for path in node.states()] == [file_name(*key)]
        assert "/" not in file_name(*key)
        assert node.delete(env={variable: name}).is_silent_success


def test_the_output_is_one_line_of_json(node):
    """Annotations come back in errors and logs: quoted, and nothing of them steers a terminal or forges a line."""
    node.networks("a")
    for name in HOSTILE[::3]:
        reply = node.add(name, env={"CNI_ARGS": "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p\x1b[2J"})
        for line in (*reply.stdout.decode().splitlines(), *reply.stderr.splitlines()):
            assert line.isascii()
            assert line.isprintable()
            assert json.loads(line)
        assert reply.stdout.count(b"\n") == 1

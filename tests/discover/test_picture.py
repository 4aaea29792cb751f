"""`genie discover -o svg|html`: the picture of a node. Every picture has whole names, and loads nothing."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from genie_cli.app import main
from tests.cli.test_pictures import Page

SVG = "{http://www.w3.org/2000/svg}"
BRIDGE = {
    "cniVersion": "1.0.0", "name": "pods",
    "plugins": [
        {"type": "bridge", "bridge": "<b>br", "ipam": {"type": "host-local", "subnet": "10.22.0.0/24"}},
        {"type": "portmap"},
    ],
}  # fmt: skip
MACVLAN = {
    "cniVersion": "1.0.0", "name": "fast",
    "plugins": [{"type": "macvlan", "master": "lo", "ipam": {"type": "dhcp"}}],
}  # fmt: skip


@pytest.fixture
def node(tmp_path):
    """The flags of a node with two networks, one of whose plugins is missing, and a pod."""
    for name in ("net.d", "bin", "networks/pods", "cache/results", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "net.d/10-pods.conflist").write_text(json.dumps(BRIDGE))
    (tmp_path / "net.d/20-fast.conflist").write_text(json.dumps(MACVLAN))
    for plugin in ("bridge", "host-local", "portmap", "dhcp"):
        (tmp_path / "bin" / plugin).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / plugin).chmod(0o755)
    (tmp_path / "networks/pods/10.22.0.9").write_text("c1\r\neth0")
    cached = {
        "kind": "cniCacheV1", "containerId": "c1", "ifName": "eth0", "networkName": "pods",
        "cniArgs": [["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", "web-0"]],
        "result": {"cniVersion": "1.0.0", "ips": [{"address": "10.22.0.9/24"}]},
    }  # fmt: skip
    (tmp_path / "cache/results/pods-c1-eth0").write_text(json.dumps(cached))
    (tmp_path / "config.toml").write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\n'
        f'conf_dir = "{tmp_path}/net.d"\nbin_dir = "{tmp_path}/bin"\n'
    )
    return [
        "discover", "--no-probes", "--no-api", "--fail-on", "never", "--runtime-config", str(tmp_path / "config.toml"),
        "--ipam-dir", str(tmp_path / "networks"), "--cache-dir", str(tmp_path / "cache/results"),
        "--state-dir", str(tmp_path / "state"),
    ]  # fmt: skip


def drawn(capsys, flags, form):
    assert main([*flags, "-o", form]) in (0, 5)
    return capsys.readouterr().out


def test_everything_of_the_node_is_drawn_by_its_name(node, capsys):
    text = drawn(capsys, node, "svg")
    picture = ET.fromstring(text)
    shown = ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]
    for name in (
        "containerd", "10-pods.conflist", "20-fast.conflist", "bridge + portmap", "addresses by host-local", "macvlan",
        "missing: macvlan", "pods", "10.22.0.0/24, 1 lease", "<b>br", "lo", "shop/web-0", "eth0 10.22.0.9",
        "fast",
    ):  # fmt: skip
        assert name in shown, name
    words = picture.findtext(f"{SVG}desc") or ""
    assert "Pods: shop/web-0 (eth0 10.22.0.9)." in words
    assert drawn(capsys, node, "svg") == text


def boxes(text):
    picture = ET.fromstring(text)
    found = [
        tuple(float(e.get(n, "")) for n in ("x", "y", "width", "height")) for e in picture.iter(f"{SVG}rect")
    ]
    return picture, found


def test_boxes_lie_apart_and_their_texts_inside(node, capsys):
    picture, found = boxes(drawn(capsys, node, "svg"))
    size = [float(picture.get(name, "")) for name in ("width", "height")]
    for number, (x, y, width, height) in enumerate(found):
        assert x + width <= size[0]
        assert y + height <= size[1]
        for x2, y2, width2, height2 in found[number + 1 :]:
            assert x + width < x2 or x2 + width2 < x or y + height < y2 or y2 + height2 < y
    for element in picture.iter(f"{SVG}text"):
        wide = {"name": 7.3, "kind": 6.0, "head": 7.3}[element.get("class", "")]
        assert float(element.get("x", "")) + wide * len(element.text or "") <= size[0]


def test_the_page_needs_nothing_and_can_be_read_without_the_picture(node, capsys):
    text = drawn(capsys, node, "html")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "form", "a"} & set(page.seen)
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert ("svg", "role", "img") in page.attributes
    assert {"header", "main", "h1", "h2", "table", "th", "figure"} <= set(page.seen)
    for heading in ("Runtimes", "Configurations", "Plugins", "Networks", "Bridges and parents", "Pods"):
        assert page.text.count(heading) >= 2  # in the picture, and as a heading
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert "overflow-x:auto" in text  # a wide picture scrolls in its figure, not the page

"""`genie discover -o svg|html`: the picture of a node. Every picture has whole names, and loads nothing."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from genie_cli.app import main
from tests.cli.test_pictures import Page
from tests.drawn import assert_readable

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
ROUTED = {
    "cniVersion": "1.0.0", "name": "routed",
    "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.23.0.0/24"}}],
}  # fmt: skip


@pytest.fixture
def node(tmp_path):
    """The flags of a node with three networks, one of whose plugins is missing, and two pods."""
    for name in ("net.d", "bin", "networks/pods", "cache/results", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "net.d/10-pods.conflist").write_text(json.dumps(BRIDGE))
    (tmp_path / "net.d/20-fast.conflist").write_text(json.dumps(MACVLAN))
    (tmp_path / "net.d/05-routed.conflist").write_text(json.dumps(ROUTED))
    for plugin in ("bridge", "host-local", "portmap", "dhcp", "ptp"):
        (tmp_path / "bin" / plugin).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / plugin).chmod(0o755)
    (tmp_path / "networks/pods/10.22.0.9").write_text("c1\r\neth0")
    for container, pod, network in (("c1", "web-0", "pods"), ("c2", "db-0", "routed")):
        cached = {
            "kind": "cniCacheV1", "containerId": container, "ifName": "eth0", "networkName": network,
            "cniArgs": [["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", pod]],
            "result": {"cniVersion": "1.0.0", "ips": [{"address": "10.22.0.9/24"}]},
        }  # fmt: skip
        (tmp_path / f"cache/results/{network}-{container}-eth0").write_text(json.dumps(cached))
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
    assert "Pods: shop/db-0 (eth0 10.22.0.9); shop/web-0 (eth0 10.22.0.9)." in words
    assert drawn(capsys, node, "svg") == text


def test_nothing_is_cut_off_or_lies_on_a_name(node, capsys):
    """A pod whose network has no bridge: its line went behind the bridges of others."""
    text = drawn(capsys, node, "svg")
    assert "db-0" in text
    assert_readable(text)


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

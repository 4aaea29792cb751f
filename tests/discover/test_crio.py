"""`genie discover` on a CRI-O that does not use Genie, or that collects networks' garbage; and the remedy."""

import json
import os
import re
import subprocess

import pytest

from genie_core.catalog.genie import CAPABILITIES
from genie_core.checks.registry import FILES
from genie_core.checks.runner import selection
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import find_runtimes
from genie_core.tasks.discover import DiscoverOptions, discover
from tests import warm
from tests.discover import nodes
from tests.discover.conftest import codes, the

GENIE = {
    "cniVersion": "1.0.0",
    "name": "genie",
    "plugins": [
        {"type": "genie", "default_plugin": "green", "capabilities": dict.fromkeys(CAPABILITIES, True)}
    ],
}


@pytest.fixture
def node(tmp_path):
    """A node of CRI-O's with a network `green` and Genie."""

    def make(*settings, plugins=("genie", "bridge", "host-local")):
        text = "\n".join(["[crio.network]", 'plugin_dirs = ["/opt/cni/bin/"]', *settings, ""])
        nodes.write(tmp_path / "etc/crio/crio.conf", text)
        nodes.add_plugins(tmp_path / "opt/cni/bin", *plugins)
        nodes.write(tmp_path / "etc/cni/net.d/00-genie.conflist", GENIE)
        nodes.write(tmp_path / "etc/cni/net.d/10-green.conflist", nodes.bridge("green"))
        return tmp_path

    return make


def look(root, **options):
    chosen = selection([], ["subnet|bridge-|lease|credential"], FILES)
    return discover(DiscoverOptions(root=str(root), api=False, **options), chosen)


def test_another_network_by_name_is_changed_by_name(node):
    """The order of the files does not matter then: to rename one would change nothing."""
    found = the(look(node('cni_default_network = "green"')), "GN1006")
    assert 'uses the network "green", which cni_default_network names' in found.title
    assert found.remedy.text == (
        'set cni_default_network = "genie" in /etc/crio/crio.conf, then restart CRI-O'
    )
    assert found.remedy.commands == ()


def test_the_missing_plugin_is_the_cause(node):
    """CRI-O skips Genie's file for it, and takes another network: one finding, with the remedy."""
    report = look(node(plugins=("bridge", "host-local")))
    assert "GN1006" not in codes(report)
    found = [one for one in report.findings if one.code == "GN1101" and "genie" in one.title]
    assert [one.severity.value for one in found] == ["fatal"]
    assert found[0].remedy.commands[0].argv == ("genie", "install", "--bin-dir", "/opt/cni/bin")


def test_the_keys_have_crio_s_names(node):
    root = node('network_dir = "/etc/crio/net.d"')
    found = the(look(root, conf_dirs=("/etc/cni/net.d",), runtime_config="/etc/crio/crio.conf"), "GN1201")
    assert "network_dir = /etc/crio/net.d" in [one.value for one in found.evidence]
    assert [one.argv for one in found.remedy.commands] == [
        ("genie", "uninstall", "--conf-dir", "/etc/cni/net.d"),
        ("genie", "install"),
    ]


def test_its_default_network_is_genie_s_and_genie_is_not_there(node):
    root = node('cni_default_network = "genie"')
    (root / "etc/cni/net.d/00-genie.conflist").unlink()
    assert the(look(root), "GN1206").remedy.commands[0].argv == ("genie", "install")


def test_networks_that_its_next_start_collects(node):
    root = node()
    found = the(look(root, cache_dir="/nowhere"), "GN1207")
    assert (found.severity.value, found.object.name) == ("warning", "green")
    entry = {
        "kind": "cniCacheV1",
        "networkName": "green",
        "containerId": "c0ffee",
        "ifName": "eth0",
        "result": {},
    }
    nodes.write(root / "var/lib/cni/results/green-c0ffee-eth0", entry)
    found = the(look(root), "GN1207")
    assert (found.severity.value, "1 pod that it attached itself loses" in found.title) == ("error", True)
    nodes.write(root / "etc/cni/net.d/10-green.conflist", nodes.bridge("green") | {"disableGC": True})
    assert "GN1207" not in codes(look(root))


# --- CRI-O's drop-ins: cri-o pkg/config, UpdateFromPath and NetworkConfig.Validate; crio.conf.d(5) -------


@pytest.mark.parametrize(
    "files, expected",
    [
        # every file, whatever its name, folders where their names stand among the files'
        ({"50": 'network_dir = "/a"', "50.conf": 'network_dir = "/b"'}, ("/b", ["/opt/cni/bin"], "")),
        ({"50/x": 'network_dir = "/a"', "50.conf": 'network_dir = "/b"'}, ("/b", ["/opt/cni/bin"], "")),
        ({"60/x/y": 'network_dir = "/a"', "50.conf": 'network_dir = "/b"'}, ("/a", ["/opt/cni/bin"], "")),
        # a list replaces a list; one that is empty takes it back, as an empty name does
        ({"1": 'plugin_dirs = ["/a", "/b"]', "2": 'plugin_dirs = ["/c"]'}, ("/etc/cni/net.d", ["/c"], "")),
        ({"1": 'plugin_dirs = ["/a"]', "2": "plugin_dirs = []"}, ("/etc/cni/net.d", ["/opt/cni/bin"], "")),
        (
            {"1": 'cni_default_network = "crio"', "2": 'cni_default_network = ""'},
            ("/etc/cni/net.d", ["/opt/cni/bin"], ""),
        ),
        # the older key comes last of all, once the files are read
        ({"1": 'plugin_dir = "/a"', "2": 'plugin_dirs = ["/b"]'}, ("/etc/cni/net.d", ["/b", "/a"], "")),
        (
            {"1": 'plugin_dir = "/a"', "2": 'plugin_dir = "/b"'},
            ("/etc/cni/net.d", ["/opt/cni/bin", "/b"], ""),
        ),
        ({"1": 'plugin_dir = "/a"', "2": 'plugin_dir = ""'}, ("/etc/cni/net.d", ["/opt/cni/bin"], "")),
    ],
)
def test_a_later_drop_in_overrides_an_earlier_one(tmp_path, files, expected):
    for name, line in files.items():
        nodes.write(tmp_path / "etc/crio/crio.conf.d" / name, f"[crio.network]\n{line}\n")
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert (runtime.conf_dir, [*runtime.bin_dirs], runtime.default_network) == expected
    assert runtime.problems == ()


def test_a_link_to_a_folder_is_a_problem_as_it_is_for_cri_o(tmp_path):
    """It does not follow it, tries to read it as a file, and does not start."""
    nodes.write(tmp_path / "etc/crio/other/1.conf", '[crio.network]\nnetwork_dir = "/a"\n')
    (tmp_path / "etc/crio/crio.conf.d").mkdir()
    (tmp_path / "etc/crio/crio.conf.d/50").symlink_to("../other")
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert runtime.conf_dir == "/etc/cni/net.d"
    assert runtime.problems == ("/etc/crio/crio.conf.d/50: Is a directory",)


# --- the real command line on a node of CRI-O's -----------------------------------------------------------

# Copies of the directories that it writes to; kubelet is configured for CRI-O.
_NODE = """
set -e
mount -t tmpfs tmpfs /mnt; mkdir /mnt/plugins
cp -a /etc /mnt/etc; mount --bind /mnt/etc /etc
cp -a /usr/lib/cni/. /mnt/plugins; mount --bind /mnt/plugins /usr/lib/cni
for directory in /opt /run /var/lib/cni; do mkdir -p $directory; mount -t tmpfs tmpfs $directory; done
rm -rf /etc/cni /etc/containerd; mkdir -p /etc/crio /etc/cni/net.d
printf '[crio.network]\\nplugin_dirs = ["/usr/lib/cni/"]\\n' >/etc/crio/crio.conf
echo 'runtime-endpoint: unix:///run/crio/crio.sock' >/etc/crictl.yaml
genie generate-config bridge --write; genie generate-config ptp --write
set +e
"""


@pytest.fixture
def crio(tmp_path):
    """Runs commands on one such node: their (status, output)."""

    def run(*commands):
        lines = "".join(f"echo; echo '=== '; {{ {one}; }} 2>&1; echo \"status $?\"\n" for one in commands)
        done = subprocess.run(
            ["unshare", "--net", "--mount", "sh", "-c", _NODE + lines],
            env={**os.environ, "PATH": warm.on_path(tmp_path / "bin"), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        outputs = done.stdout.split("\n=== \n")[1:]
        assert len(outputs) == len(commands), done.stdout + done.stderr
        return [(int(re.findall(r"^status (\d+)$", one, re.MULTILINE)[-1]), one) for one in outputs]

    return run


@pytest.mark.root
def test_install_asks_moves_and_uninstall_restores(crio):
    listing = "ls /etc/cni/net.d /etc/cni/genie/net.d"
    asked, before, moved, after, healthy, gone, restored = crio(
        "genie install",
        listing,
        "genie install --yes",
        listing,
        "genie discover --no-api --fail-on warning",
        "genie uninstall",
        listing,
    )
    assert asked[0] == 2
    assert "`genie install --yes` moves them" in asked[1]
    assert "00-genie" not in before[1]
    assert moved[0] == 0, moved
    assert 'result is set to "primary"' in moved[1]
    assert after[1].split()[:5] == [
        "/etc/cni/genie/net.d:",
        "90-bridge.conflist",
        "90-ptp.conflist",
        "/etc/cni/net.d:",
        "00-genie.conflist",
    ]
    assert healthy[0] == 0, healthy
    assert gone[0] == 0, gone
    assert "90-bridge.conflist, /etc/cni/net.d/90-ptp.conflist" in gone[1]
    assert restored[1].split()[-4:-2] == ["90-bridge.conflist", "90-ptp.conflist"]


@pytest.mark.root
def test_the_remedy_of_gn1207(crio):
    """An agent has written its file again: what discover prints moves it away."""
    _, _, found, *cured = crio(
        "genie install --yes",
        "mv /etc/cni/genie/net.d/90-ptp.conflist /etc/cni/net.d",
        "genie discover --no-api -o json 2>/dev/null",
        "genie install --yes",
        "genie discover --no-api --fail-on warning",
    )
    findings = json.loads(found[1].rpartition("status")[0])["findings"]
    (finding,) = [one for one in findings if one["code"] == "GN1207"]
    assert [one["argv"] for one in finding["remedy"]["commands"]] == [["genie", "install", "--yes"]]
    assert [status for status, _ in cured] == [0, 0], cured


@pytest.mark.root
def test_the_remedy_of_gn1201_for_genie_s_own_file(crio):
    """Genie's file is in a directory that CRI-O no longer reads, since its configuration names another one."""
    *_, found, removed, installed, healthy = crio(
        "genie install --yes",
        "sed -i '$anetwork_dir = \"/etc/crio/net.d\"' /etc/crio/crio.conf; mkdir /etc/crio/net.d",
        "cp /etc/cni/genie/net.d/90-bridge.conflist /etc/crio/net.d",
        "genie discover --no-api --runtime-config /etc/crio/crio.conf -o json 2>/dev/null",
        "genie uninstall --conf-dir /etc/cni/net.d",
        "genie install --yes",
        "genie discover --no-api --only runtime --fail-on error",
    )
    findings = json.loads(found[1].rpartition("status")[0])["findings"]
    (finding,) = [one for one in findings if one["code"] == "GN1201"]
    assert [one["argv"][:2] for one in finding["remedy"]["commands"]] == [
        ["genie", "uninstall"],
        ["genie", "install"],
    ]
    assert (removed[0], installed[0], healthy[0]) == (0, 0, 0), (removed, installed, healthy)
    assert "/etc/crio/net.d/00-genie.conflist" in installed[1]

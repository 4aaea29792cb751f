"""Where `genie install` puts the plugin on each distribution's layout, and what it says where that is not clear."""

from pathlib import Path

import pytest

from genie_core.errors import GenieError
from genie_core.survey.rootfs import Root
from genie_core.tasks.install.placement import place
from tests.discover import nodes

CNI = '[plugins."io.containerd.grpc.v1.cri".cni]\n'
DEBIAN = f'version = 2\n{CNI}bin_dir = "/usr/lib/cni"\nconf_dir = "/etc/cni/net.d"\n'
USUAL = ("/opt/cni/bin", "/etc/cni/net.d")
K3S = "/var/lib/rancher/k3s"
SNAP = "/var/snap/microk8s/current"


def placed(root, bin_dir=None, conf_dir=None):
    return place(bin_dir and Path(bin_dir), conf_dir and Path(conf_dir), Root(str(root)))


@pytest.mark.parametrize(
    "layout, bin_dir, conf_dir",
    [
        ("kubeadm", *USUAL),
        ("k3s", f"{K3S}/data/cni", f"{K3S}/agent/etc/cni/net.d"),
        ("rke2", *USUAL),
        ("microk8s", f"{SNAP}/opt/cni/bin", f"{SNAP}/args/cni-network"),
        ("crio", "/usr/libexec/cni", "/etc/cni/net.d"),
        ("cilium", *USUAL),
    ],
)
def test_layouts(tmp_path, layout, bin_dir, conf_dir):
    found = placed(nodes.layout(layout, tmp_path / "node"))
    assert (found.bin_dir, found.conf_dir) == (bin_dir, conf_dir)
    assert found.notes == ()
    assert len(found.runtimes) == 1


@pytest.mark.parametrize(
    "file, text, bin_dir",
    [
        pytest.param("etc/containerd/config.toml", DEBIAN, "/usr/lib/cni", id="Debian"),
        pytest.param("etc/containerd/config.toml", "version = 2\n", "/opt/cni/bin", id="kind"),
        pytest.param("etc/k0s/containerd.toml", "version = 2\n", "/opt/cni/bin", id="k0s"),
        pytest.param(
            "etc/crio/crio.conf",
            '[crio.network]\nplugin_dirs = ["/usr/lib/cni/"]\n',
            "/usr/lib/cni",
            id="CRI-O",
        ),
        pytest.param(
            "etc/crio/crio.conf.d/10-crio.conf",
            '[crio.network]\nplugin_dirs = ["/usr/lib/cni/"]\n',
            "/usr/lib/cni",
            id="CRI-O's own packages",
        ),
    ],
)
def test_configurations(tmp_path, file, text, bin_dir):
    nodes.write(tmp_path / file, text)
    assert placed(tmp_path).bin_dir == bin_dir


def test_crio_network_dir(tmp_path):
    nodes.write(tmp_path / "etc/crio/crio.conf", '[crio.network]\nnetwork_dir = "/etc/crio/net.d/"\n')
    assert placed(tmp_path).conf_dir == "/etc/crio/net.d"


def test_of_several_directories_that_in_which_genie_is(tmp_path):
    """An upgrade replaces the plugin in its place; a new one goes into a writable directory."""
    root = nodes.layout("crio", tmp_path / "node")
    (root / "opt/cni/bin").mkdir(parents=True)
    assert placed(root).bin_dir == "/opt/cni/bin"
    nodes.add_plugins(root / "usr/libexec/cni", "bridge")
    assert placed(root).bin_dir == "/usr/libexec/cni"
    nodes.add_plugins(root / "opt/cni/bin", "genie")
    found = placed(root)
    assert (found.bin_dir, found.bin_dirs) == ("/opt/cni/bin", ("/opt/cni/bin", "/usr/libexec/cni"))


def test_a_link_to_the_runtimes_directory_is_that_directory(tmp_path):
    """As where /opt/cni/bin leads to the distribution's."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    named = f'bin_dir = "{tmp_path}/real"\nconf_dir = "{tmp_path}/net.d"\n'
    nodes.write(tmp_path / "node/etc/containerd/config.toml", f"version = 2\n{CNI}{named}")
    assert placed(tmp_path / "node", tmp_path / "link").bin_dir == f"{tmp_path}/real"
    assert placed(tmp_path / "node", tmp_path / "other").bin_dir == f"{tmp_path}/other"


def test_without_a_runtime_the_usual_directories_and_a_note(tmp_path):
    found = placed(tmp_path)
    assert (found.bin_dir, found.conf_dir) == USUAL
    assert "no container runtime was found" in found.notes[0]
    assert placed(tmp_path, "/b", "/c").notes == ()


@pytest.fixture
def two(tmp_path):
    """A node with two runtimes that look in different places."""
    nodes.write(tmp_path / "etc/containerd/config.toml", DEBIAN)
    nodes.write(tmp_path / "etc/crio/crio.conf", '[crio.network]\nnetwork_dir = "/etc/crio/net.d"\n')
    return tmp_path


def test_runtimes_that_disagree(two):
    with pytest.raises(GenieError) as refused:
        placed(two)
    for words in ("containerd reads", "/etc/cni/net.d", "crio reads", "--conf-dir /etc/crio/net.d"):
        assert words in str(refused.value)
    assert placed(two, conf_dir="/etc/crio/net.d").bin_dir == "/opt/cni/bin"
    assert placed(two, conf_dir="/etc/cni/net.d").bin_dir == "/usr/lib/cni"
    assert placed(two, bin_dir="/usr/lib/cni").conf_dir == "/etc/cni/net.d"


def test_runtimes_that_disagree_about_plugins_only(two):
    nodes.write(two / "etc/crio/crio.conf", "[crio.network]\n")
    with pytest.raises(GenieError, match="looks for plugins in /usr/lib/cni") as refused:
        placed(two)
    assert "--bin-dir /usr/lib/cni or --bin-dir /opt/cni/bin" in refused.value.hint


def test_a_runtime_that_is_only_installed_does_not_count_beside_one_that_is_configured(two):
    """As containerd for Docker on a node of CRI-O's; kubelet is not set up yet."""
    (two / "etc/containerd/config.toml").unlink()
    nodes.write(two / "usr/bin/containerd", "")
    assert placed(two).conf_dir == "/etc/crio/net.d"


def test_kubelets_runtime_decides_where_another_one_reads_the_same_directory(two):
    nodes.write(two / "etc/crio/crio.conf", "[crio.network]\n")
    nodes.write(two / "etc/crictl.yaml", "runtime-endpoint: unix:///run/crio/crio.sock\n")
    for conf_dir in ("", "/etc/cni/net.d"):
        assert placed(two, conf_dir=conf_dir).bin_dir == "/opt/cni/bin"


def test_kubelets_runtime_decides(two):
    nodes.write(
        two / "var/lib/kubelet/kubeadm-flags.env", "X=--container-runtime-endpoint=unix:///run/crio/crio.sock"
    )
    found = placed(two)
    assert (found.conf_dir, [one.kind for one in found.runtimes]) == ("/etc/crio/net.d", ["crio"])


def test_a_distribution_that_brings_its_kubelet_decides_before_another_runtime(tmp_path):
    """containerd is there for Docker, and runs; pods are k3s'."""
    root = nodes.layout("k3s", tmp_path / "node")
    nodes.write(root / "etc/containerd/config.toml", DEBIAN)
    with (
        nodes.listening(root / "run/containerd/containerd.sock"),
        nodes.listening(root / "run/k3s/containerd/containerd.sock"),
    ):
        assert placed(root).bin_dir == f"{K3S}/data/cni"


def test_a_runtime_class_with_a_directory_of_its_own_is_said(tmp_path):
    """Its pods do not get the networks that they ask for."""
    kata = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\ncni_conf_dir = "/etc/cni/kata"\n'
    nodes.write(tmp_path / "etc/containerd/config.toml", DEBIAN + kata)
    (note,) = placed(tmp_path).notes
    assert '/etc/cni/kata for the runtime class handler "kata": its pods start without Genie' in note
    nodes.write(tmp_path / "etc/cni/kata/00-genie.conflist", nodes.GENIE)
    assert placed(tmp_path).notes == ()


def test_a_configuration_that_cannot_be_read_is_said(tmp_path):
    nodes.write(tmp_path / "etc/containerd/config.toml", "version = 2\n[plugins\n")
    (note,) = placed(tmp_path).notes
    assert note.startswith("containerd: /etc/containerd/config.toml: not TOML")


def test_a_directory_that_no_runtime_reads_is_said(tmp_path):
    nodes.write(tmp_path / "etc/containerd/config.toml", DEBIAN)
    found = placed(tmp_path, "/b", "/c")
    assert (found.bin_dir, found.conf_dir, found.bin_dirs, found.runtimes) == ("/b", "/c", ("/b",), ())
    assert found.notes == ("no container runtime reads /c: containerd reads /etc/cni/net.d",)

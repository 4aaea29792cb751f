"""Real nodes' layouts: where each runtime looks, which file it uses and why (lessons 4, 5, 19)."""

import subprocess
import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest

from genie_cli.app import main
from genie_core.checks.registry import FILES
from genie_core.checks.runner import selection
from genie_core.survey import containerd
from genie_core.survey.containerd import _CRI_PLUGINS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import DEFAULT, find_runtimes
from genie_core.tasks.discover import DiscoverOptions, discover
from tests.discover import nodes
from tests.discover.conftest import codes, the

CALICO = ("calico", "calico-ipam", "portmap", "bandwidth")
CHOSEN = selection([], ["subnet|bridge-"], FILES)
FLANNEL = ("flannel", "portmap", "bridge", "host-local")


@pytest.fixture
def look(tmp_path):
    """Discover a layout with plugins in one of its directories, and runtimes that listen on sockets."""
    opened = ExitStack()

    def make(name, bin_dir, types, sockets=(), **options):
        root = nodes.layout(name, tmp_path / "node")
        nodes.add_plugins(root / bin_dir, *types)
        for path in sockets:
            opened.enter_context(nodes.listening(root / path))
        return discover(DiscoverOptions(root=str(root), api=False, **options), CHOSEN)

    with opened:
        yield make


def first(report):
    """The runtime that comes first, and the name of the file it uses."""
    choice = report.choices[0]
    return choice.runtime, choice.first.file if choice.first else None


def test_kubeadm_with_a_drop_in(look):
    report = look("kubeadm", "opt/cni/bin", CALICO, ["run/containerd/containerd.sock"])
    runtime, file = first(report)
    assert (runtime.kind, runtime.running, runtime.kubelet) == ("containerd", True, True)
    assert runtime.sources["conf_dir"] == "/etc/containerd/conf.d/10-cni.toml"
    assert runtime.config_files == ("/etc/containerd/config.toml", "/etc/containerd/conf.d/10-cni.toml")
    assert file == "10-calico.conflist"
    assert codes(report) == ["GN1501"]  # the copy of the kubeconfig is readable, as git keeps no mode


def test_k3s_keeps_everything_elsewhere(look):
    report = look("k3s", "var/lib/rancher/k3s/data/cni", FLANNEL)
    runtime, file = first(report)
    assert runtime.name == "containerd (k3s)"
    assert runtime.conf_dir == "/var/lib/rancher/k3s/agent/etc/cni/net.d"
    assert runtime.bin_dirs == ("/var/lib/rancher/k3s/data/cni",)
    assert file == "10-flannel.conflist"
    assert codes(report) == []


def test_rke2_uses_the_defaults_and_canal_is_recognised(look):
    report = look("rke2", "opt/cni/bin", (*CALICO, "host-local"))
    runtime, file = first(report)
    assert runtime.name == "containerd (rke2)"
    assert (runtime.conf_dir, runtime.sources["conf_dir"]) == ("/etc/cni/net.d", "default")
    assert [conf["kind"] for conf in report.as_json()["configurations"]] == ["canal"]
    assert file == "10-canal.conflist"


def test_microk8s_variables_and_its_link(look):
    report = look(
        "microk8s",
        "var/snap/microk8s/6089/opt/cni/bin",
        CALICO,
        ["var/snap/microk8s/common/run/containerd.sock"],
    )
    runtime, file = first(report)
    assert runtime.conf_dir == "/var/snap/microk8s/current/args/cni-network"
    assert (runtime.running, runtime.kubelet) == (True, True)
    assert file == "10-calico.conflist"
    assert "GN1101" not in codes(report)


def test_crio_drop_ins_and_its_default_network(look):
    report = look("crio", "usr/libexec/cni", ("bridge", "host-local", "ovn-k8s-cni-overlay"))
    runtime, file = first(report)
    assert runtime.bin_dirs == ("/usr/libexec/cni", "/opt/cni/bin")
    assert runtime.sources["default_network"] == "/etc/crio/crio.conf.d/20-default.conf"
    assert file == "50-ovn.conf"
    assert "GN1203" not in codes(report)


def test_crio_without_its_main_file(tmp_path):
    """As its own packages install it (cri-o/packaging)."""
    file = "/etc/crio/crio.conf.d/10-crio.conf"
    nodes.write(tmp_path / file[1:], '[crio.network]\nnetwork_dir = "/a"\ncni_default_network = "blue"\n')
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert (runtime.conf_dir, runtime.default_network) == ("/a", "blue")
    assert (runtime.config_files, runtime.problems) == ((file,), ())


def test_an_empty_directory_for_its_files_is_no_crio(tmp_path):
    (tmp_path / "etc/crio/crio.conf.d").mkdir(parents=True)
    assert find_runtimes(Root(str(tmp_path))) == []


def test_crio_passes_over_files_whose_plugins_are_missing(look):
    report = look("crio", "usr/libexec/cni", ("bridge", "host-local"))
    assert first(report)[1] is None
    assert 'no usable file has the network "ovn"' in the(report, "GN1206").title


def test_cilium_has_renamed_all_other_files(look):
    report = look("cilium", "opt/cni/bin", ("cilium-cni",))
    assert first(report)[1] == "05-cilium.conflist"
    assert codes(report) == ["GN1005", "GN1005"]
    assert [conf["verdict"] for conf in report.as_json()["configurations"]] == ["ok", "ignored", "ignored"]


def test_two_runtimes_choose_by_their_own_rules(look):
    report = look("two-runtimes", "opt/cni/bin", FLANNEL, ["run/crio/crio.sock"])
    crio, containerd = report.choices
    assert (crio.runtime.kind, crio.runtime.kubelet) == ("crio", True)
    assert crio.first.file == "10-flannel.conflist"
    assert containerd.first is None
    assert "loads nothing" in containerd.reason
    assert the(report, "GN1001").object.line == 4
    assert "both read /etc/cni/net.d" in the(report, "GN1204").title


def test_a_socket_that_a_killed_runtime_has_left_does_not_make_it_run(tmp_path):
    root, path = Root(str(nodes.layout("kubeadm", tmp_path / "node"))), "run/containerd/containerd.sock"
    with nodes.listening(tmp_path / "node" / path):
        assert [runtime.running for runtime in find_runtimes(root)] == [True]
    assert root.exists(path)
    assert [runtime.running for runtime in find_runtimes(root)] == [False]


def test_a_plain_file_in_the_place_of_a_socket_counts_as_one_that_runs(tmp_path):
    """In a copy of a node's files."""
    root = Root(str(nodes.layout("kubeadm", tmp_path / "node")))
    nodes.write(tmp_path / "node/run/containerd/containerd.sock", "")
    assert [runtime.running for runtime in find_runtimes(root)] == [True]


def test_a_socket_names_its_runtime(tmp_path):
    root = Root(str(nodes.layout("two-runtimes", tmp_path / "node")))
    found = find_runtimes(root, socket="unix:///run/containerd/containerd.sock")
    assert [runtime.kind for runtime in found] == ["containerd"]


def test_a_node_without_any_runtime_says_so(tmp_path):
    report = discover(DiscoverOptions(root=str(tmp_path), api=False))
    assert report.choices == []
    reasons = {check.reason for check in report.checks if check.id == "runtime-network"}
    assert reasons == {"no container runtime found: name its configuration with --runtime-config"}


def test_of_a_socket_that_is_not_there_no_runtime_is_made_up(tmp_path, capsys):
    """A misspelt one had the default directories, and was the reason for a fatal finding and a wrong remedy."""
    assert find_runtimes(Root(str(tmp_path)), socket="/run/cointainerd.sock") == []
    main(["discover", "--root", str(tmp_path), "--no-api", "--cri-socket", "unix:///run/cointainerd.sock"])
    shown = capsys.readouterr()
    assert "warning: --cri-socket /run/cointainerd.sock: there is no such socket" in shown.err
    assert "no container runtime found" in shown.out


CNI = '[plugins."io.containerd.grpc.v1.cri".cni]\n'


@pytest.mark.parametrize(
    "text,conf_dir",
    [
        ('version = 3\n[plugins."io.containerd.cri.v1.runtime".cni]\nconf_dir = "/a/"\n', "/a"),
        (f'version = 2\n{CNI}conf_dir = "/b"\n', "/b"),
        ('[plugins.cri.cni]\nconf_dir = "/c"\n', "/c"),
        (f'version = 2\n{CNI}conf_dir = ""\n', "/etc/cni/net.d"),
        ("version = 2\n", "/etc/cni/net.d"),
    ],
)
def test_containerd_s_three_versions_of_its_configuration(tmp_path, text, conf_dir):
    nodes.write(tmp_path / "etc/containerd/config.toml", text)
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert runtime.conf_dir == conf_dir


def test_an_import_overrides_what_imports_it_and_may_be_relative(tmp_path):
    nodes.write(
        tmp_path / "etc/containerd/config.toml",
        f'version = 2\nimports = ["more/*.toml"]\n{CNI}conf_dir = "/a"\n',
    )
    nodes.write(
        tmp_path / "etc/containerd/more/2.toml", f'version = 2\n{CNI}conf_dir = "/c"\nmax_conf_num = 2\n'
    )
    nodes.write(tmp_path / "etc/containerd/more/1.toml", f'version = 2\n{CNI}conf_dir = "/b"\n')
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert (runtime.conf_dir, runtime.max_conf_num) == ("/c", 2)
    assert runtime.sources["conf_dir"] == "/etc/containerd/more/2.toml"


@pytest.mark.parametrize(
    "pattern", ["*.d/*.toml", "./a.d/../*.d//[9.]*.toml", "more/*/9.toml", "more/x/../x/9.toml"]
)
def test_an_import_names_the_files_that_the_real_containerd_reads(tmp_path, pattern):
    """Go's filepath.Glob: a pattern in any part of the path, files with a leading dot, folder after folder."""
    config = nodes.write(
        tmp_path / "config.toml", f'version = 2\nimports = ["{pattern}"]\n{CNI}conf_dir = "/a"\n'
    )
    for name in ("b.d/9", "a.d/.hidden", "a.d/9", "b.d/.1"):
        nodes.write(tmp_path / f"{name}.toml", f'version = 2\n{CNI}conf_dir = "/{name}"\n')
    (tmp_path / "more").mkdir()
    (tmp_path / "more/x").symlink_to("../a.d")
    command = ["containerd", "--config", config, "config", "dump"]
    shown = tomllib.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    cri = next(shown["plugins"][name] for name in _CRI_PLUGINS if name in shown["plugins"])
    (runtime,) = find_runtimes(Root(str(tmp_path)), config="/config.toml")
    assert {str(tmp_path) + file for file in runtime.config_files} == {str(config), *shown["imports"]}
    assert runtime.conf_dir == cri["cni"]["conf_dir"] != "/a"


@pytest.mark.parametrize(
    "main, drop_in",
    [
        ("", ""),  # the default is the distribution's: /usr/lib/cni in Debian's package
        (f'{CNI}bin_dir = "/a"\nconf_dir = "/b"\n', ""),
        (f'{CNI}bin_dir = "/a"\nconf_dir = "/b"\n', f'{CNI}conf_dir = "/c"\n'),
        (
            f'{CNI}bin_dir = "/a"\nconf_dir = "/b"\n',
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\ncni_conf_dir = "/d"\n',
        ),
    ],
)
def test_the_directories_are_those_that_the_real_containerd_uses(tmp_path, main, drop_in):
    """Before 2.0 an imported file's section of a plugin replaces the whole section (containerd#5837)."""
    config = nodes.write(tmp_path / "config.toml", f'version = 2\nimports = ["conf.d/*.toml"]\n{main}')
    if drop_in:
        nodes.write(tmp_path / "conf.d/99-nvidia.toml", f"version = 2\n{drop_in}")
    command = ["containerd", "--config", config, "config", "dump"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    plugins = tomllib.loads(shown)["plugins"]
    cri = next(plugins[name] for name in _CRI_PLUGINS if name in plugins)
    (runtime,) = find_runtimes(Root(), config=str(config))
    expected = (cri["cni"]["conf_dir"], cri["cni"].get("bin_dirs") or [cri["cni"]["bin_dir"]])
    assert (runtime.conf_dir, [*runtime.bin_dirs]) == expected
    for name, value in (("conf_dir", runtime.conf_dir), ("bin_dirs", runtime.bin_dirs[0])):
        source = runtime.sources[name]
        assert (source == DEFAULT) is (f'"{value}"' not in main + drop_in)
        assert source == DEFAULT or f'"{value}"' in Path(source).read_text()
    assert bool(runtime.handlers) is ('"/d"' in drop_in)


def test_a_configuration_that_containerd_refuses_is_a_problem(tmp_path):
    config = nodes.write(tmp_path / "config.toml", f'version = 2\nroot = 1\n{CNI}bin_dir = "/a"\n')
    (runtime,) = find_runtimes(Root(), config=str(config))
    assert runtime.bin_dirs == ("/a",)
    (problem,) = runtime.problems
    assert problem.startswith(f"`/usr/bin/containerd --config {config} config dump` fails: containerd: ")


def test_a_file_that_imports_itself_is_read_once(tmp_path):
    nodes.write(
        tmp_path / "etc/containerd/config.toml", 'version = 2\nimports = ["/etc/containerd/config.toml"]\n'
    )
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert runtime.config_files == ("/etc/containerd/config.toml",)


def test_a_handler_s_own_directory_is_listed(tmp_path):
    runc = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\ncni_conf_dir = "/etc/cni/kata"\n'
    nodes.write(tmp_path / "etc/containerd/config.toml", f"version = 2\n{runc}")
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert runtime.handlers == {"kata": "/etc/cni/kata"}


def test_broken_toml_has_its_place_in_the_message(tmp_path):
    nodes.write(tmp_path / "etc/containerd/config.toml", "version = 2\n[plugins\n")
    report = discover(DiscoverOptions(root=str(tmp_path), api=False))
    assert "line 2" in the(report, "GN1202").title


def test_cri_dockerd_is_found_by_its_unit(tmp_path):
    unit = "[Service]\nExecStart=/usr/bin/cri-dockerd --cni-conf-dir=/etc/cni/docker.d --cni-bin-dir /opt/a,/opt/b\n"
    nodes.write(tmp_path / "etc/systemd/system/cri-docker.service", unit)
    (runtime,) = find_runtimes(Root(str(tmp_path)))
    assert (runtime.conf_dir, runtime.bin_dirs) == ("/etc/cni/docker.d", ("/opt/a", "/opt/b"))


NEW = nodes.bridge("new", version="1.1.0")


@pytest.mark.parametrize(
    "program, says, spoken",
    [
        ("containerd", "containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6", "1.0.0"),
        ("containerd", "containerd containerd.io v2.1.4 75cb2b7193e4e490e9fbdc236c0e811ccaba3376", "1.1.0"),
        ("crio", "crio version 1.30.2\nVersion:        1.30.2", "1.0.0"),
        ("crio", "crio version 1.37.0", "1.1.0"),
        ("containerd", "nothing of the kind", ""),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_version_that_the_runtime_does_not_support(tmp_path, program, says, spoken, first):
    """Fatal where it uses the file; a warning where it would without Genie, or where its version is not known."""
    nodes.write(tmp_path / f"usr/bin/{program}", f"#!/bin/sh\necho '{says}'\n", mode=0o755)
    nodes.add_plugins(
        tmp_path / "opt/cni/bin", "bridge", "host-local", versions=["1.0.0", "1.1.0"], status="exit 0"
    )
    if not first:
        nodes.write(tmp_path / "etc/cni/net.d/00-old.conflist", nodes.bridge("old", "100.98.0.0/24"))
    nodes.write(tmp_path / "etc/cni/net.d/10-new.conflist", NEW)
    report = discover(DiscoverOptions(root=str(tmp_path), api=False))
    found = [one.severity.value for one in report.findings if one.code == "GN1043"]
    if spoken == "1.1.0":
        assert found == []
    elif spoken:
        assert found == ["fatal" if first else "warning"]
    else:
        assert found == (["warning"] if first else [])
    both = NEW | {"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]}
    nodes.write(tmp_path / "etc/cni/net.d/10-new.conflist", both)
    assert "GN1043" not in codes(discover(DiscoverOptions(root=str(tmp_path), api=False)))


def test_a_version_that_the_plugins_do_not_support_either_is_one_cause(tmp_path):
    containerd = "#!/bin/sh\necho 'containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6'\n"
    nodes.write(tmp_path / "usr/bin/containerd", containerd, mode=0o755)
    nodes.add_plugins(tmp_path / "opt/cni/bin", "bridge", "host-local", versions=["1.0.0"])
    nodes.write(tmp_path / "etc/cni/net.d/10-new.conflist", NEW)
    found = discover(DiscoverOptions(root=str(tmp_path), api=False)).findings
    named = {one.code: one.consequence_of for one in found if one.code in ("GN1040", "GN1043")}
    assert named == {"GN1040": "", "GN1043": "GN1040"}


def test_links_are_followed_inside_the_root(tmp_path):
    nodes.write(tmp_path / "real/file", "inside")
    (tmp_path / "link").symlink_to("/real")
    (tmp_path / "out").symlink_to("../../../../real/file")
    root = Root(str(tmp_path))
    assert root.text("/link/file") == "inside"
    assert root.text("/out") == "inside"
    (tmp_path / "loop").symlink_to("/loop")
    assert not root.exists("/loop/x")


@pytest.mark.parametrize(
    "text, words",
    [
        ('disabled_plugins = ["cri"]', ['disabled_plugins has "cri"']),
        ('disabled_plugins = ["io.containerd.internal.v1.opt"]\n[plugins.cri]', []),
        ("disabled_plugins = 3\nplugins = 4", []),
        ('version = 3\n[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "/c"', ["is not read with version = 3"]),
        ('version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "/c"', []),
        ('version = 3\n[plugins."io.containerd.grpc.v1.cri"]\ndisable_tcp_service = true', []),
    ],
)  # fmt: skip
def test_settings_that_containerd_does_not_use_are_named(text, words):
    found = list(containerd.unused(tomllib.loads(text)))
    assert [word for word, one in zip(words, found, strict=True) if word not in one] == []

"""Plugin binaries: the kind of file, the answer to VERSION, a hanging one (B16, B17, B35, B76)."""

import os
import subprocess

import pytest

from genie_core.errors import DelegateFailed
from genie_core.survey.binaries import list_binaries, may_ask, read_versions
from genie_core.survey.collection import Collection
from genie_core.survey.places import Places
from genie_core.survey.rootfs import Root
from genie_core.survey.survey import GENERATE, survey
from tests.discover import nodes
from tests.discover.conftest import codes, the


def plugin(report, name):
    (found,) = [plugin for plugin in report.as_json()["plugins"] if plugin["type"] == name]
    return found


def test_every_fact_of_a_real_plugin(node, cni_bin):
    report = node.discover(bin_dirs=(str(cni_bin),))
    bridge = plugin(report, "bridge")
    assert (bridge["form"], bridge["known"], bridge["role"]) == ("elf", True, "interface")
    assert bridge["machine"] == os.uname().machine
    assert bridge["size"] == (cni_bin / "bridge").stat().st_size
    assert "1.0.0" in bridge["versions"]
    assert bridge["status"] == ("supported" if "1.1.0" in bridge["versions"] else "not supported")
    assert len(bridge["sha256"]) == 64


def test_a_survey_that_shows_no_checksums_makes_none(node):
    """Seventy megabytes of plugins cost 50 ms of processor time."""
    found = survey(Places(conf_dirs=(str(node.conf),), bin_dirs=(str(node.bin),)), GENERATE, Collection())
    assert {(one.type, one.sha256) for one in found.binaries[str(node.bin)]} == {
        ("bridge", ""),
        ("host-local", ""),
        ("portmap", ""),
    }


def test_a_hanging_plugin_is_named_and_delays_no_other(node):
    nodes.write(node.bin / "sleeper", "#!/bin/sh\nsleep 600\n", mode=0o755)
    node.configure("10-net.conflist", nodes.bridge())
    report = node.discover()
    assert plugin(report, "sleeper")["problem"] == "hang"
    assert "no answer after 2 seconds" in the(report, "GN1104").title
    assert plugin(report, "bridge")["versions"] == nodes.VERSIONS


def test_a_plugin_that_a_busy_node_delays_does_not_hang(node):
    nodes.write(
        node.bin / "late",
        "#!/bin/sh\nsleep 1\n" + nodes.PLUGIN.partition("\n")[2] % ('["1.0.0"]', "exit 0"),
        mode=0o755,
    )
    found = plugin(node.discover(), "late")
    assert (found["versions"], found["problem"]) == (["1.0.0"], "")


@pytest.mark.parametrize(
    "name,content,mode,code",
    [
        ("crasher", "#!/bin/sh\nkill -SEGV $$\n", 0o755, "GN1105"),
        ("orphan", "#!/nowhere/python\n", 0o755, "GN1105"),
        ("chatty", "#!/bin/sh\necho hello\n", 0o755, "GN1106"),
        ("silent", "#!/bin/sh\nexit 0\n", 0o755, "GN1106"),
        ("loose", nodes.PLUGIN % ('["1.0.0"]', "exit 0"), 0o777, "GN1108"),
        ("bridge", "#!/bin/sh\n", 0o644, "GN1102"),
    ],
)
def test_files_that_are_no_good(node, name, content, mode, code):
    (node.bin / name).unlink(missing_ok=True)
    nodes.write(node.bin / name, content, mode=mode)
    finding = the(node.discover(), code)
    assert finding.object.file == f"{node.bin}/{name}"


def test_a_plugin_for_another_machine(node):
    path = node.bin / "bridge"
    machine = 183 if os.uname().machine != "aarch64" else 62
    path.write_bytes(
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(300)
    )
    node.configure("10-net.conflist", nodes.bridge())
    assert "is built for" in the(node.discover(), "GN1103").title


def test_a_dangling_link(node):
    (node.bin / "macvlan").symlink_to("/opt/gone/macvlan")
    assert "/opt/gone/macvlan" in the(node.discover(), "GN1107").title


def test_readmes_and_programs_are_not_run(node, tmp_path):
    marker = tmp_path / "ran"
    script = f"#!/bin/sh\ntouch {marker}\n"
    for name in ("install", "poweroff", "sh", "mount", "unknown-tool"):
        nodes.write(node.bin / name, script, mode=0o755)
    nodes.write(node.bin / "README.md", "plugins\n")
    report = node.discover()
    assert not marker.exists()
    assert [p["type"] for p in report.as_json()["plugins"]] == ["bridge", "host-local", "portmap"]
    assert codes(report) == ["GN1203"]  # there is no configuration: nothing about the programs


def test_an_installer_beside_plugins_is_listed_and_not_run(node, tmp_path):
    marker = tmp_path / "ran"
    nodes.write(node.bin / "install", f"#!/bin/sh\ntouch {marker}\n", mode=0o755)
    assert plugin(node.discover(), "install")["asked"] is False
    assert not marker.exists()


def test_which_binaries_may_be_run_for_their_versions(node):
    by_type = {binary.type: binary for binary in list_binaries(str(node.bin), Root())}
    assert may_ask(by_type["bridge"], wanted=("bridge",), tools=True)
    assert not may_ask(by_type["bridge"], wanted=(), tools=True)
    assert may_ask(by_type["bridge"], wanted=(), tools=False)


def test_status_is_asked_with_the_network_s_own_configuration(node, tmp_path):
    seen = tmp_path / "stdin"
    status = f'cat > {seen}; echo \'{{"code":50,"msg":"agent is away"}}\'; exit 1'
    nodes.add_plugins(node.bin, "acme", versions=["1.0.0", "1.1.0"], status=status)
    conf = {"cniVersion": "1.1.0", "name": "acme", "plugins": [{"type": "acme", "agent": "/run/acme"}]}
    node.configure("10-acme.conflist", conf)
    report = node.discover()
    assert "agent is away" in the(report, "GN1110").title
    assert '"/run/acme"' in seen.read_text()
    assert plugin(report, "acme")["status"] == "not ready"


def test_status_is_asked_as_the_runtime_would_ask(node, tmp_path):
    """With its plugin path alone, and not as one of Genie's delegates, which Genie itself refuses."""
    seen = tmp_path / "seen"
    status = f'echo "$CNI_PATH ${{CNI_GENIE_DELEGATE-none}}" > {seen}; exit 0'
    nodes.add_plugins(node.bin, "acme", versions=["1.0.0", "1.1.0"], status=status)
    node.configure("10-acme.conflist", {"cniVersion": "1.1.0", "name": "acme", "plugins": [{"type": "acme"}]})
    cni = f'[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "{node.bin}"\nconf_dir = "{node.conf}"\n'
    config = nodes.write(tmp_path / "config.toml", f"version = 2\n{cni}")
    report = node.discover(bin_dirs=(), runtime_config=str(config))  # /usr/lib/cni is there, too
    assert plugin(report, "acme")["status"] == "ready"
    assert seen.read_text() == f"{node.bin} none\n"


def test_a_plugin_where_no_runtime_looks_is_not_configured(node, tmp_path, cni_bin):
    """The same plugin is in Debian's directory too, which this runtime does not search."""
    node.configure("10-net.conflist", nodes.bridge())
    cni = f'[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "{node.bin}"\nconf_dir = "{node.conf}"\n'
    config = nodes.write(tmp_path / "config.toml", f"version = 2\n{cni}")
    report = node.discover(bin_dirs=(), runtime_config=str(config))
    configured = {item["path"]: item["configuredIn"] for item in report.as_json()["plugins"]}
    assert configured[f"{node.bin}/bridge"] == [f"{node.conf}/10-net.conflist"]
    assert configured[f"{cni_bin}/bridge"] == []


def test_status_is_not_asked_of_older_networks(node, tmp_path):
    marker = tmp_path / "ran"
    nodes.add_plugins(node.bin, "acme", versions=["1.0.0"], status=f"touch {marker}")
    node.configure("10-acme.conf", {"cniVersion": "1.0.0", "name": "acme", "type": "acme"})
    assert plugin(node.discover(), "acme")["status"] == "not supported"
    assert not marker.exists()


def test_no_probes_runs_nothing(node):
    report = node.discover(probe=False)
    assert all(not plugin["asked"] for plugin in report.as_json()["plugins"])
    assert {c.reason for c in report.checks if c.id == "plugin-answer"} == {"--no-probes"}


@pytest.mark.parametrize(
    "text,versions",
    [
        ('{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}', ("0.4.0", "1.0.0")),
        ('{"CNIVersion":"0.2.0"}', ("0.1.0", "0.2.0")),
        ('{"cniversion":"1.0.0","SupportedVersions":["1.0.0"]}', ("1.0.0",)),
    ],
)
def test_answers_to_version(text, versions):
    assert read_versions(text) == versions


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "{}", '{"cniVersion":"1.0.0"}', '{"supportedVersions":[1]}']
)
def test_answers_that_name_no_versions(text):
    with pytest.raises(DelegateFailed):
        read_versions(text)


def test_each_binary_is_asked_once_however_many_networks_name_it(node):
    """For its versions, and where a configuration is of a version that has the verb, for its status."""
    for number in range(10):
        node.configure(f"{number:02}-net.conflist", nodes.bridge(f"net{number}", f"100.99.{number}.0/24"))
    asked = node.bin.parent / "asked"
    for path in node.bin.iterdir():
        first, _, rest = path.read_text().partition("\n")
        path.write_text(f'{first}\necho "$CNI_COMMAND ${{0##*/}}" >>{asked}\n{rest}')
    node.discover()
    assert sorted(asked.read_text().splitlines()) == sorted(
        f"VERSION {path.name}" for path in node.bin.iterdir()
    )


def test_a_directory_that_is_mounted_noexec_is_one_finding(node):
    """Not one for each plugin, and with the mount that keeps them from running."""
    kept = {path.name: path.read_bytes() for path in node.bin.iterdir()}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", str(node.bin)], check=True)
    try:
        for name, content in kept.items():
            (node.bin / name).write_bytes(content)
            (node.bin / name).chmod(0o755)
        node.configure("10-net.conflist", nodes.bridge())
        report = node.discover()
    finally:
        subprocess.run(["umount", str(node.bin)], check=True)
    finding = the(report, "GN1111")
    assert (finding.severity, finding.object.file) == ("error", str(node.bin))
    assert finding.remedy.commands[0].argv == ("mount", "-o", "remount,exec", str(node.bin))
    assert "GN1105" not in codes(report)

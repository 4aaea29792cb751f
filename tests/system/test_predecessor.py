"""`genie install` where CNI-Genie is installed: its configuration is adopted, and `genie uninstall` puts it back."""

import json
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from genie_core.errors import InvalidConfig
from genie_core.tasks import uninstall
from genie_core.tasks.install import run as installing
from tests.system import kills
from tests.test_lint import ROOT

# As CNI-Genie's manifest for Kubernetes 1.8 writes it.
OLD = {
    "name": "k8s-pod-network",
    "type": "genie",
    "cniVersion": "0.2.0",
    "log_level": "info",
    "default_plugin": "next",
    "cAdvisor_address": "http://127.0.0.1:4194",
    "datastore_type": "kubernetes",
    "policy": {"type": "k8s", "k8s_auth_token": "s3cret"},
    "kubernetes": {"k8s_api_root": "https://10.0.0.1:443", "kubeconfig": "/etc/cni/net.d/genie-kubeconfig"},
}
NEXT = {
    "cniVersion": "1.0.0",
    "name": "next",
    "type": "bridge",
    "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"},
}


@pytest.fixture
def places(tmp_path):
    """Where to install; CNI-Genie is there, and one more network."""
    conf, plugins = tmp_path / "net.d", tmp_path / "bin"
    conf.mkdir()
    plugins.mkdir()
    (conf / "00-genie.conf").write_text(json.dumps(OLD))
    (conf / "90-next.conf").write_text(json.dumps(NEXT))
    shutil.copy("/bin/true", plugins / "genie")
    return {"bin_dir": plugins, "conf_dir": conf, "state_dir": tmp_path / "state"}


def put(places, **more):
    return installing.install(installing.InstallOptions(**places, **more))


def take_away(places, **more):
    return uninstall.uninstall(uninstall.UninstallOptions(**places, **more))


def files(places):
    return {path: path.read_bytes() for path in places["conf_dir"].iterdir()}


def test_its_keys_are_kept_and_its_file_is_saved(places):
    report = put(places)
    conf = places["conf_dir"]
    assert sorted(path.name for path in conf.iterdir()) == [
        "00-genie.conf.cni-genie",
        "00-genie.conflist",
        "90-next.conf",
    ]
    document = json.loads(report.conflist.read_text())
    assert (document["name"], document["cniVersion"]) == ("k8s-pod-network", "1.0.0")
    [plugin] = document["plugins"]
    assert {key: plugin[key] for key in OLD if key not in ("name", "cniVersion")} == {
        key: value for key, value in OLD.items() if key not in ("name", "cniVersion")
    }
    assert plugin["capabilities"]["io.kubernetes.cri.pod-annotations"] is True
    for path in (report.conflist, conf / "00-genie.conf.cni-genie"):
        assert path.stat().st_mode & 0o777 == 0o600  # the token
    assert json.loads((conf / "00-genie.conf.cni-genie").read_text()) == OLD
    assert report.moved[str(conf / "00-genie.conf")] == str(conf / "00-genie.conf.cni-genie")
    assert not any("sorts before" in warning for warning in report.warnings)
    assert any("00-genie.conf, CNI-Genie's configuration" in warning for warning in report.warnings)
    assert put(places).changed == []


def test_its_binary_is_replaced_and_kept(places):
    report = put(places)
    assert "Genie" in report.launcher.read_text()
    kept = Path(report.moved[str(report.launcher)])
    assert kept.read_bytes() == Path("/bin/true").read_bytes()


def test_settings_of_the_command_win_over_the_predecessors(places):
    plugin = json.loads(put(places, extra={"log_level": "debug"}).conflist.read_text())["plugins"][0]
    assert plugin["log_level"] == "debug"


def test_a_list_of_genies_that_never_counted_gets_the_keys(places):
    """Version 1.0.0 wrote it, and the runtime went on using CNI-Genie's file."""
    own = {"name": "genie", "cniVersion": "1.0.0", "plugins": [{"type": "genie", "log_level": "error"}]}
    (places["conf_dir"] / "00-genie.conflist").write_text(json.dumps(own))
    plugin = json.loads(put(places).conflist.read_text())["plugins"][0]
    assert (plugin["log_level"], plugin["default_plugin"]) == ("error", "next")


def test_a_dry_run_writes_nothing(places):
    before = files(places)
    report = installing.install(installing.InstallOptions(**places), dry_run=True)
    assert files(places) == before
    assert len(report.moved) == 2


def test_what_cannot_work_is_said_of_its_file_and_nothing_is_changed(places):
    old = places["conf_dir"] / "00-genie.conf"
    old.write_text(json.dumps(OLD | {"default_plugin": 7}))
    before = files(places)
    with pytest.raises(InvalidConfig, match=r"00-genie\.conf: default_plugin"):
        put(places)
    assert files(places) == before
    old.write_text(json.dumps(OLD | {"default_plugin": "gone"}))
    with pytest.raises(InvalidConfig, match="gone"):
        put(places)
    assert (places["bin_dir"] / "genie").read_bytes() == Path("/bin/true").read_bytes()


def test_uninstall_puts_it_back(places):
    before = files(places)
    put(places)
    said = take_away(places, dry_run=True)
    report = take_away(places)
    assert (
        said.restored
        == report.restored
        == [places["bin_dir"] / "genie", places["conf_dir"] / "00-genie.conf"]
    )
    assert files(places) == before
    assert (places["bin_dir"] / "genie").read_bytes() == Path("/bin/true").read_bytes()
    assert [path.name for path in places["bin_dir"].iterdir()] == ["genie"]


@pytest.mark.parametrize("killed", [False, True])
def test_uninstalled_twice_what_was_put_back_stays(places, killed, tmp_path):
    """Without its binary, CNI-Genie's configuration, which is first, would keep every pod of the node from starting."""
    binary, before = (places["bin_dir"] / "genie").read_bytes(), files(places)
    put(places)
    kept = tmp_path / "kept"
    shutil.copytree(places["bin_dir"] / ".genie", kept / "code")
    shutil.copytree(places["state_dir"], kept / "state")
    take_away(places)
    if killed:  # after it was put back, and before the rest was removed
        shutil.copytree(kept / "code", places["bin_dir"] / ".genie")
        (places["bin_dir"] / ".genie/genie.cni-genie").unlink()
        shutil.copytree(kept / "state", places["state_dir"])
    report = take_away(places)
    assert report.complete
    assert (places["bin_dir"] / "genie").read_bytes() == binary
    assert files(places) == before
    assert not (places["bin_dir"] / ".genie").exists()
    assert not places["state_dir"].exists()


UNINSTALL = """
import sys
from pathlib import Path
from genie_core.tasks.uninstall import UninstallOptions, uninstall
bin_dir, conf_dir, state_dir = map(Path, sys.argv[1:])
print("begun", flush=True)
uninstall(UninstallOptions(bin_dir=bin_dir, conf_dir=conf_dir, state_dir=state_dir))
"""


def test_an_uninstallation_that_is_killed_is_completed_by_the_next(places, tmp_path):
    """Before any of the system calls that change something. The runtime always has a network whose plugin is there."""
    folders, kept = [places["bin_dir"], places["conf_dir"], places["state_dir"]], tmp_path / "kept"
    binary, before = (places["bin_dir"] / "genie").read_bytes(), files(places)
    put(places)
    for folder in folders:
        shutil.copytree(folder, kept / folder.name)
    command = [sys.executable, "-c", UNINSTALL, *map(str, folders)]
    run = partial(subprocess.run, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    assert run([*kills.strace_record(tmp_path / "trace"), *command]).returncode == 0
    changing = ("rename", "unlink", "unlinkat", "rmdir")
    points = [one for one in kills.points(tmp_path / "trace", begin="begun") if one[0] in changing]
    for point in points[:: len(points) // 6]:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(kept / folder.name, folder)
        assert run([*kills.strace_kill(point), *command]).returncode == -signal.SIGKILL
        own = places["conf_dir"] / "00-genie.conflist"
        assert not own.exists() or (places["bin_dir"] / "genie").read_bytes() != binary
        assert own.exists() or (places["conf_dir"] / "90-next.conf").exists()
        assert take_away(places).complete
        assert files(places) == before
        assert {path.name: path.read_bytes() for path in places["bin_dir"].iterdir()} == {"genie": binary}
        assert not places["state_dir"].exists()


def test_it_comes_back_and_is_adopted_again(places):
    """Its DaemonSet runs still, and writes its files whenever it starts."""
    put(places)
    (places["conf_dir"] / "00-genie.conf").write_text(json.dumps(OLD | {"default_plugin": "x"}))
    shutil.copy("/bin/false", places["bin_dir"] / "genie")
    report = put(places)
    assert json.loads(report.conflist.read_text())["plugins"][0]["default_plugin"] == "next"
    assert not (places["conf_dir"] / "00-genie.conf").exists()
    assert "Genie" in report.launcher.read_text()
    take_away(places)
    assert (places["bin_dir"] / "genie").read_bytes() == Path("/bin/false").read_bytes()

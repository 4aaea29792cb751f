"""CRI-O around `genie install` and `genie uninstall`: its collection at start takes nothing from living pods."""

import json
import shutil
from pathlib import Path

import pytest

from genie_core.survey.runtimes import Runtime
from genie_core.tasks.install.delegate_files import NeedsConsent
from genie_core.tasks.install.placement import Placement
from genie_core.tasks.install.run import InstallOptions, install
from genie_core.tasks.uninstall import UninstallOptions, uninstall
from tests.netns import Namespace
from tests.runtime.crio import Daemon
from tests.runtime.node import InstalledNode
from tests.runtime.replays import Pod

pytestmark = [pytest.mark.root, pytest.mark.system]

# A plugin of the specification's 1.1.0 that would release each attachment that is not in the list of its GC.
COLLECTOR = """\
#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}' ;;
ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.66.0.2/24"}]}' ;;
GC) cat >>"$0.log" ;;
esac
"""


@pytest.fixture
def node(tmp_path, cni_bin):
    """A node of CRI-O's, without Genie: its networks are in CRI-O's directory."""
    node = InstalledNode(tmp_path, cni_bin)
    (node.bin / "collector").write_text(COLLECTOR)
    (node.bin / "collector").chmod(0o755)
    collector = {"cniVersion": "1.1.0", "name": "collector", "plugins": [{"type": "collector"}]}
    (node.conf / "50-collector.conflist").write_text(json.dumps(collector))
    yield node
    node.close()


@pytest.fixture
def delegates():
    """Genie's own directory of networks; /etc/cni is private to this process."""
    directory = Path("/etc/cni/genie/net.d")
    yield directory
    for path in directory.glob("*"):
        path.unlink()
    for folder in (directory, directory.parent):
        if folder.is_dir():
            folder.rmdir()


def options(node, **more):
    runtime = Runtime(kind="crio", conf_dir=str(node.conf), bin_dirs=(str(node.bin),), running=True)
    placement = Placement(
        bin_dir=str(node.bin), conf_dir=str(node.conf), bin_dirs=(str(node.bin),), runtimes=(runtime,)
    )
    return InstallOptions(
        bin_dir=node.bin, conf_dir=node.conf, state_dir=node.state, placement=placement, **more
    )


def new_pod(node, name, annotations=None):
    node.pods.append(Namespace())
    return Pod(name=name, netns=str(node.pods[-1].path), annotations=annotations or {})


def has_eth0(node, pod):
    namespace = next(one for one in node.pods if str(one.path) == pod.netns)
    return "eth0" in namespace.run("ip", "-brief", "link").stdout


def files(directory):
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def test_nothing_is_moved_without_consent(node, delegates):
    before = files(node.conf)
    with pytest.raises(NeedsConsent) as refused:
        install(options(node))
    assert (refused.value.exit_code, "genie install --yes" in refused.value.hint) == (2, True)
    assert files(node.conf) == before
    assert not delegates.exists()
    said = install(options(node), dry_run=True)
    assert list(said.moved) == [str(node.conf / name) for name in sorted(before)]


def test_restarts_take_nothing_from_living_pods(node, delegates):
    """Those from before Genie, and Genie's own; each is released by its own network at its end."""
    crio = Daemon(node)
    crio.reload()
    old = new_pod(node, "old")
    crio.add(old)
    leases = {path.name for path in node.leases.rglob("10.*")}
    before = files(node.conf)

    report = install(options(node, move=True))
    assert [path.name for path in node.conf.iterdir()] == ["00-genie.conflist"]
    assert files(delegates) == before
    assert any('result is set to "primary"' in warning for warning in report.warnings)
    crio.start([old])
    assert (crio.default, has_eth0(node, old)) == ("genie", True)
    assert {path.name for path in node.leases.rglob("10.*")} == leases

    new = new_pod(node, "new", {"cni": "a,b@net1"})
    result = crio.add(new)
    assert len(result["ips"]) == 1  # kubelet takes each for one of the pod's own
    crio.start([old, new])
    assert (has_eth0(node, old), has_eth0(node, new)) == (True, True)
    assert not (node.bin / "collector.log").exists()  # it got no GC with an empty list

    for pod in (old, new):
        crio.delete(pod)
    assert not [*node.leases.rglob("10.*")]


def test_beside_genie_they_would_lose_it(node, delegates):
    """What the move is for: the same restart with the files where they were."""
    crio = Daemon(node)
    crio.reload()
    old = new_pod(node, "old")
    crio.add(old)
    install(options(node, move=True))
    for path in delegates.iterdir():
        shutil.move(path, node.conf)
    crio.start([old])
    assert not has_eth0(node, old)
    assert json.loads((node.bin / "collector.log").read_text())["cni.dev/valid-attachments"] is None


def test_the_default_network_stays_the_same_and_is_pinned(node, delegates):
    """Another file in Genie's directory would sort first."""
    delegates.mkdir(parents=True)
    (delegates / "05-other.conf").write_text('{"cniVersion":"1.0.0","name":"other","type":"bridge"}')
    report = install(options(node, move=True))
    entry = json.loads(report.conflist.read_text())["plugins"][0]
    assert entry["default_plugin"] == "a"
    assert str(delegates) in entry["conf_dirs"]


def test_a_file_that_is_there_already_is_not_overwritten(node, delegates):
    delegates.mkdir(parents=True)
    (delegates / "20-b.conf").write_text("another program's")
    before = files(node.conf)
    with pytest.raises(Exception, match="where another file is"):
        install(options(node, move=True))
    assert files(node.conf) == before


def test_lists_that_disable_gc_stay(node, delegates):
    """Only a list can say so: of a single plugin's file libcni takes name and version alone."""
    for path in node.conf.iterdir():
        document = json.loads(path.read_text())
        chain = document.pop("plugins", None) or [document]
        names = {"name": document["name"], "cniVersion": "1.0.0"}
        path.with_suffix(".conflist").write_text(json.dumps({**names, "plugins": chain, "disableGC": True}))
        if path.suffix == ".conf":
            path.unlink()
    before = set(files(node.conf))
    assert install(options(node)).moved == {}
    assert set(files(node.conf)) == before | {"00-genie.conflist"}


def test_uninstall_puts_them_back(node, delegates):
    before = files(node.conf)
    install(options(node, move=True))
    crio = Daemon(node)
    crio.start()
    pod = new_pod(node, "pod", {"cni": "b"})
    crio.add(pod)
    report = uninstall(UninstallOptions(state_dir=node.state))
    assert not report.complete
    assert sorted(path.name for path in report.restored) == sorted(before)
    assert files(node.conf) == before
    assert not [*delegates.iterdir()]
    crio.start([pod])
    assert (crio.default, has_eth0(node, pod)) == ("a", True)
    crio.delete(pod)
    assert uninstall(UninstallOptions(state_dir=node.state)).complete
    assert files(node.conf) == before


def test_a_file_that_an_agent_rewrote_stays_at_uninstall(node, delegates):
    install(options(node, move=True))
    (node.conf / "20-b.conf").write_text('{"cniVersion":"1.0.0","name":"b","type":"ptp","mtu":1400}')
    uninstall(UninstallOptions(state_dir=node.state))
    assert "1400" in (node.conf / "20-b.conf").read_text()
    assert not [*delegates.iterdir()]


def test_killed_in_between_a_second_run_finishes(node, delegates):
    """Both places have the files, and the record says where they came from."""
    before = files(node.conf)
    install(options(node, move=True))
    for path in delegates.iterdir():
        (node.conf / path.name).write_text(path.read_text())
    install(options(node, move=True))
    assert [path.name for path in node.conf.iterdir()] == ["00-genie.conflist"]
    uninstall(UninstallOptions(state_dir=node.state))
    assert files(node.conf) == before

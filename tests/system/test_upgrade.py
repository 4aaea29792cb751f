"""Installing, upgrading and uninstalling on a node at work: killed, damaged, under calls that run (lessons 8, 10)."""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from genie_core.errors import GenieError, TryAgain
from genie_core.tasks import atomic
from genie_core.tasks.install import run as installing
from genie_core.tasks.install.run import InstallOptions, install
from genie_core.tasks.install.runtime_tree import RELEASE
from genie_core.tasks.uninstall import UninstallOptions, uninstall
from tests import compiled
from tests.patience import wait_until
from tests.plugin.harness import listens
from tests.system import audit, kills
from tests.system.node import CNI_BIN, finish
from tests.test_lint import ROOT

pytestmark = [pytest.mark.system]


@pytest.fixture
def folder(tmp_path):
    """The bin and conf directories of a node."""
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / "10-other.conf").write_text(
        '{"cniVersion": "1.0.0", "name": "o", "type": "bridge"}'
    )
    return tmp_path


def options(folder, **more):
    return InstallOptions(
        bin_dir=folder / "bin", conf_dir=folder / "net.d", state_dir=folder / "state", **more
    )


def version(launcher, **more):
    """What the installed plugin answers to VERSION, with an empty environment."""
    done = subprocess.run(
        [launcher],
        env={"CNI_COMMAND": "VERSION"},
        input="{}",
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    return json.loads(done.stdout)


# --- what is installed --------------------------------------------------------------------------------------


def test_what_an_operator_changed_in_the_conflist_stays(folder):
    compiled.add_to(folder / "bin")
    report = install(options(folder))
    document = json.loads(report.conflist.read_text())
    document["plugins"][0] |= {"default_plugin": "other", "log_level": "debug"}
    document["plugins"][0]["capabilities"]["bandwidth"] = False
    report.conflist.write_text(json.dumps(document))
    install(options(folder))
    plugin = json.loads(report.conflist.read_text())["plugins"][0]
    assert (plugin["default_plugin"], plugin["log_level"]) == ("other", "debug")
    assert plugin["capabilities"]["bandwidth"] is False


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_other_users_may_not_write_what_root_runs(folder, umask):
    """Whatever the umask of the shell that it was run from."""
    old = os.umask(umask)
    try:
        install(options(folder))
    finally:
        os.umask(old)
    modes = {path: path.lstat().st_mode for path in (folder / "bin").rglob("*") if not path.is_symlink()}
    assert {str(path) for path, mode in modes.items() if mode & 0o022} == set()
    assert {str(path) for path, mode in modes.items() if not mode & 0o044} == set()


@pytest.mark.parametrize("named", [False, True])
def test_a_python_that_another_user_can_change_is_not_taken_unasked(folder, named):
    """As one in a home directory, with which `sudo genie install` was called."""
    python = folder / "home/python3"
    python.parent.mkdir()
    shutil.copy(Path(getattr(sys, "_base_executable", sys.executable)).resolve(), python)
    os.chown(python.parent, 12345, 12345)
    argv = [python, "-m", "genie_cli", "install", "--bin-dir", folder / "bin", "--conf-dir", folder / "net.d"]
    argv += ["--state-dir", folder / "state", *(["--python", python] if named else [])]
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), "PYTHONHOME": sys.base_prefix}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if named else 1), done.stderr
    assert f"{python} as root, and another user can change it" in done.stderr
    assert (folder / "bin/genie").exists() is named


def test_relative_directories_on_the_command_line(folder):
    argv = [sys.executable, "-m", "genie_cli", "install", "--bin-dir", "bin", "--conf-dir", "net.d"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert version(folder / "bin" / "genie", cwd="/")["supportedVersions"]


def test_a_damaged_installation_is_repaired_by_installing_again(folder):
    """The launcher's hint, where the code was removed or truncated."""
    report = install(options(folder))
    for path in list(report.code.rglob("plugin*.py*")) + list(report.code.glob("*.marshal")):
        path.unlink()
    broken = version(report.launcher)
    assert broken["code"] == 999
    assert "genie install" in broken["details"]
    install(options(folder))
    assert version(report.launcher)["supportedVersions"]


# --- run from anywhere ------------------------------------------------------------------------------------------


def test_it_runs_on_a_read_only_root_with_the_projects_clone_gone(folder, node):
    """ADD and DEL with nothing but the CNI variables, from `/`; the clone and its environment are hidden."""
    report = install(options(folder))
    node.plugins = report.launcher.parent
    environment = Path(sys.prefix).resolve()
    hide = [str(ROOT)] if environment.is_relative_to(ROOT) else [str(ROOT), str(environment)]
    hidden = " && ".join(f"mount -t tmpfs none {path}" for path in hide if not str(folder).startswith(path))
    keep = f"mount --bind {node.root} {node.root} && mount -o remount,bind,ro / && {hidden}"
    wrap = ("unshare", "--mount", "sh", "-c", f'{keep} && exec "$0" "$@"')
    node.add()
    node.delete()
    before = node.trace()
    for verb in ("ADD", "DEL"):
        outcome = node.call(verb, annotations={"cni": "blue,red@net1"}, wrap=wrap)
        assert outcome.status == 0, outcome
    assert audit.left(node, before) == ""


# --- upgrades ----------------------------------------------------------------------------------------------------


@pytest.fixture
def versions(folder, monkeypatch):
    """Installs version `n` of the plugin."""

    def put(number):
        monkeypatch.setattr(installing, "__version__", f"1.0.{number}")
        return install(options(folder))

    return put


def age(path, hours):
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


def test_an_upgrade_keeps_the_old_code_for_running_calls(versions):
    """Also where it was installed long ago: its age counts from the time when it was replaced (lessons 8)."""
    old = versions(1)
    age(old.code, 24 * 30)
    new = versions(2)
    assert old.code != new.code
    assert (old.code / "genie_core" / "plugin.py").exists()
    age(old.code, 25)
    assert not versions(2).changed
    assert not old.code.exists()


def begin_add(node):
    """A call that has begun: its first plugin works until `end_add`."""
    begun = node.root / "begun"
    hold = f": >{begun}; for _ in $(seq 2000); do [ -e {node.root}/go ] && break; sleep 0.05; done"
    node.wrap("bridge", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}\nexec "$REAL"')
    add = node.start(node.env("ADD"), node.stdin(annotations={"cni": "blue,red"}))
    wait_until(begun.exists)
    return add


def end_add(node, add):
    """Let the call go on, and wait for its end."""
    (node.root / "go").touch()
    return finish(add)


def test_an_add_that_runs_during_an_upgrade_ends_with_the_code_it_began_with(folder, node, versions):
    report = versions(1)
    age(report.code, 24 * 30)
    node.plugins = report.launcher.parent
    add = begin_add(node)
    versions(2)
    outcome = end_add(node, add)
    assert outcome.status == 0, outcome
    node.delete()


def test_installing_while_pods_come_and_go(node, versions):
    """Every call meets one version or the other, whole: no "text file busy", no half-written file."""
    report = versions(1)
    node.plugins = report.launcher.parent
    node.add()
    node.delete()
    before = node.trace()
    stop = threading.Event()
    failures = []

    def lane(pod):
        number = 0
        while not stop.is_set():
            number += 1
            for verb in ("VERSION", "ADD", "DEL"):
                outcome = node.call(
                    verb, f"{pod.name}-{number}", netns=pod.path, annotations={"cni": "green"}
                )
                if outcome.status:
                    failures.append(outcome)

    pods = [node.add_pod() for _ in range(3)]
    threads = [threading.Thread(target=lane, args=(pod,)) for pod in pods]
    for thread in threads:
        thread.start()
    try:
        for number in (2, 1):
            versions(number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for pod in pods:
        pod.remove()
    del node.pods[1:]
    assert failures == []
    assert audit.left(node, before) == ""


INSTALL = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from genie_core.tasks.install import run as i
i.__version__ = sys.argv[2]
folder = Path(sys.argv[1])
i.install(i.InstallOptions(bin_dir=folder / "bin", conf_dir=folder / "net.d", state_dir=folder / "state"))
"""


def test_an_install_that_is_killed_leaves_the_old_or_the_new_plugin(folder):
    """Killed before any of the system calls that change something; the next run finishes and leaves no trace of it."""
    report = install(options(folder))
    command = [sys.executable, "-c", INSTALL.format(root=str(ROOT)), str(folder)]
    trace = folder / "strace"
    subprocess.run([*kills.strace_record(trace), *command, "9.0.0"], check=True)
    places = [
        place
        for place in kills.points(trace, begin="9.0.0")
        if place[0] in ("rename", "mkdir", "unlink", "fsync")
    ]
    trace.unlink()
    telling = [place for place in places if place[0] != "fsync"] + [p for p in places if p[0] == "fsync"][:2]
    killed = 0
    for number, place in enumerate(telling[:: max(1, len(telling) // 7)], 1):
        done = subprocess.run([*kills.strace_kill(place), *command, f"9.0.{number}"], check=False)
        killed += done.returncode != 0
        assert version(report.launcher)["supportedVersions"]
        json.loads(report.conflist.read_text())
    assert killed >= 5
    subprocess.run([*command, "9.1.0"], check=True)
    assert version(report.launcher)["supportedVersions"]
    names = {path.name for path in (folder / "net.d").iterdir()} | {
        path.name for path in (folder / "bin").iterdir()
    }
    assert names == {"10-other.conf", installing.CONFLIST, "genie", installing.CODE}


@contextmanager
def disk(where, size):
    """A file system of that size there, which `fill` fills up."""

    def fill():
        with (where / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    where.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)], check=True)
    try:
        yield fill
    finally:
        subprocess.run(["umount", str(where)], check=True)


def test_a_full_disk_is_named_and_leaves_the_old_plugin(folder, monkeypatch):
    with disk(folder / "bin", "16m") as fill:
        report = install(options(folder))
        fill()
        with monkeypatch.context() as patch:
            patch.setattr(installing, "__version__", "9.0.0")
            with pytest.raises(GenieError, match=f"cannot write {folder}/bin/.*: No space left on device"):
                install(options(folder))
        assert version(report.launcher)["supportedVersions"]
        assert install(options(folder)).changed == []


def test_a_full_disk_leaves_the_old_configuration(folder):
    with disk(folder / "net.d", "16k") as fill:
        report = install(options(folder))
        before = report.conflist.read_bytes()
        fill()
        with pytest.raises(GenieError, match=f"cannot write {report.conflist}: No space left on device"):
            install(options(folder, extra={"log_level": "debug"}))
        assert report.conflist.read_bytes() == before
        assert {path.name for path in report.conflist.parent.iterdir()} == {report.conflist.name, "filler"}


def test_a_disk_too_small_for_the_images_python_is_named(folder):
    tree = folder / "image"
    (tree / "bin").mkdir(parents=True)
    shutil.copy(Path("/usr/bin/python3").resolve(), tree / "bin/python3")
    (tree / RELEASE).write_text("python-of-the-image\n")
    with disk(folder / "bin", "64k"):
        with pytest.raises(
            GenieError, match=f"cannot write {folder}/bin/.*/bin/python3: No space left on device"
        ):
            install(options(folder, python=tree / "bin/python3"))
        assert [path.name for path in (folder / "bin").rglob("*")] == [installing.CODE]


# --- one at a time --------------------------------------------------------------------------------------------------


def test_a_local_user_cannot_keep_an_installation_waiting(folder):
    """A user who can open a file can lock it, and every user may read the code."""
    code = install(options(folder)).code.parent
    assert code.stat().st_mode & 0o005 == 0o005
    where = ("--bin-dir", folder / "bin", "--conf-dir", folder / "net.d", "--state-dir", folder / "state")
    argv = [sys.executable, "-m", "genie_cli", "install", *where]
    fd = os.open(code, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    finally:
        os.close(fd)
    assert done.returncode == 0, done.stderr


def test_the_lock_is_private_while_it_is_held_and_gone_after(tmp_path):
    file = tmp_path / atomic.LOCK / "lock"
    with atomic.alone(tmp_path):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)]
        assert modes == [0o700, 0o600]
        with pytest.raises(TryAgain, match="another genie is running"), atomic.alone(tmp_path, seconds=0.1):
            pass
    assert not file.parent.exists()
    file.parent.mkdir(mode=0o755)  # of one that was killed, or made by hand
    file.touch()
    with atomic.alone(tmp_path):
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_one_at_a_time(tmp_path):
    """Also where each removes the lock's file behind it."""
    inside, most = [], []

    def work(_):
        with atomic.alone(tmp_path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))
    assert max(most) == 1


def test_install_and_uninstall_do_not_run_side_by_side(folder):
    """The configuration that one has written would name the plugin that the other removes."""
    compiled.add_to(folder / "bin")
    report = install(options(folder))
    what = UninstallOptions(
        bin_dir=folder / "bin", conf_dir=folder / "net.d", state_dir=folder / "state", force=True
    )
    with ThreadPoolExecutor(1) as pool:
        with atomic.alone(report.code.parent):
            removal = pool.submit(uninstall, what)
            with pytest.raises(TimeoutError):
                removal.result(timeout=0.5)
            assert report.conflist.exists()
        assert removal.result(timeout=60).complete
    assert not report.launcher.exists()


def test_a_lock_whose_directory_was_removed_meanwhile(tmp_path):
    """An installation that waits for an uninstallation starts again."""
    folder = tmp_path / "bin/.genie"
    folder.mkdir(parents=True)
    inside = threading.Event()

    def wait():
        with atomic.alone(folder):
            inside.set()

    with ThreadPoolExecutor(1) as pool:
        with atomic.alone(folder):
            waiting = pool.submit(wait)
            assert not inside.wait(0.2)
            shutil.rmtree(folder)
        waiting.result(timeout=60)
    assert inside.is_set()


# --- uninstalling ---------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(folder, node):
    """Genie installed on the node's own directories."""
    shutil.copytree(folder / "net.d", node.conf, dirs_exist_ok=True)
    compiled.add_to(folder / "bin")
    report = install(InstallOptions(bin_dir=folder / "bin", conf_dir=node.conf, state_dir=node.state))
    node.plugins = report.launcher.parent
    node.binaries = [CNI_BIN]
    return report


def removal(installed, node, **more):
    return UninstallOptions(
        bin_dir=installed.launcher.parent, conf_dir=node.conf, state_dir=node.state, **more
    )


def test_uninstall_while_a_pod_is_attached_leaves_what_its_del_needs(installed, node):
    node.add("blue,red")
    first = uninstall(removal(installed, node))
    assert (first.complete, len(first.attached)) == (False, 1)
    assert not installed.conflist.exists()
    node.delete()
    assert node.held() == []
    second = uninstall(removal(installed, node))
    assert second.complete
    assert not installed.launcher.exists()
    assert not node.state.exists()


def test_uninstall_names_the_pods_whose_end_the_next_network_will_report_once(installed, node, capsys):
    """The runtime calls DEL of its next network for them, and a plugin that masquerades fails there, once."""
    node.add("red")
    for dry_run in (True, False):
        report = uninstall(removal(installed, node, dry_run=dry_run))
        assert report.next_network == "blue"
        assert [name.partition(" ")[0] for name in report.repeated] == [node.env("ADD")["CNI_CONTAINERID"]]
    blue = json.loads((node.conf / "10-blue.conf").read_text())
    plugin = [str(CNI_BIN / "bridge")]
    env = {**node.env("DEL"), "CNI_PATH": str(CNI_BIN)}
    codes = [
        subprocess.run(
            node.inside(*plugin), input=json.dumps(blue), env=env, text=True, capture_output=True, check=False
        ).returncode
        for _ in range(2)
    ]
    assert codes == [1, 0]
    node.delete()
    assert node.held() == []


def test_uninstall_names_no_pod_of_the_next_network(installed, node):
    node.add("blue,red")
    report = uninstall(removal(installed, node, dry_run=True))
    assert (report.next_network, report.repeated) == ("blue", [])


def test_uninstall_releases_what_containers_that_are_gone_held(installed, node):
    pod = node.add_pod()
    node.add("blue,red", netns=pod.path)
    pod.remove()
    node.pods.remove(pod)
    report = uninstall(removal(installed, node))
    assert (report.complete, len(report.released)) == (True, 1)
    assert node.held() == []


def test_uninstall_keeps_a_state_that_it_cannot_read(installed, node):
    """Its container still has an address, which only the plugin can release."""
    node.add("blue,red")
    (node.state / "containers" / "c1@eth0").write_bytes(b"{")
    report = uninstall(removal(installed, node))
    assert not report.complete
    assert report.problems
    node.delete()
    assert node.held() == []
    assert uninstall(removal(installed, node)).complete


def test_uninstall_during_an_add_leaves_what_the_pod_needs(installed, node):
    """Its call began before the configuration went: it must find its state, and DEL its binary."""
    add = begin_add(node)
    report = uninstall(removal(installed, node))
    outcome = end_add(node, add)
    assert outcome.status == 0, outcome
    assert not report.complete
    node.delete()
    assert uninstall(removal(installed, node)).complete
    assert node.held() == []


def test_uninstall_during_a_call_that_has_nothing_on_disk_yet(installed, node):
    """It reads its input, or asks the API server: its ADD is still to come."""
    call = subprocess.Popen(
        [str(installed.launcher)], env=node.env("ADD"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: listens(call.pid))
        assert not uninstall(removal(installed, node)).complete
        assert installed.launcher.exists()
    finally:
        call.communicate(b"")
    assert uninstall(removal(installed, node)).complete


def test_uninstall_waits_for_no_call_of_a_private_copy_of_the_node(installed, node, tmp_path):
    """A dry run's plugin has the same path, and is another file."""
    folder = installed.launcher.parent
    script = (
        f"cp -a {folder} {tmp_path}/copy; mount --bind {tmp_path}/copy {folder}; exec {installed.launcher}"
    )
    call = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        env={**os.environ, **node.env("ADD")},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listens(call.pid))
        assert uninstall(removal(installed, node)).complete
    finally:
        call.communicate(b"")

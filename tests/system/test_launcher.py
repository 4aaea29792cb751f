"""The launcher: what sh answers in Python's place, and that it adds nothing to a call (A20, B22; lessons 8)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from genie_core.errors import InvalidConfig
from genie_core.spec.request import DELEGATE_MARK
from genie_core.survey.launcher import Launcher, read_launcher
from genie_core.tasks.install import launcher
from genie_core.tasks.install.run import InstallOptions, install
from tests import compiled
from tests.plugin.harness import Node

SHELLS = [path for path in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(path).exists()]


@pytest.fixture
def put(tmp_path):
    """`genie install` with these options: its report."""

    compiled.add_to(tmp_path / "plugins")

    def put(**options):
        return install(InstallOptions(bin_dir=tmp_path / "plugins", conf_dir=tmp_path / "conf", **options))

    return put


@pytest.fixture
def gone(tmp_path, put):
    """Genie, installed for a Python that was removed afterwards."""
    python = tmp_path / "another one" / "python3"
    python.parent.mkdir()
    shutil.copy(Path("/usr/bin/python3").resolve(), python)
    report = put(python=python)
    assert answer(report.launcher)["supportedVersions"]
    python.unlink()
    return report


def answer(genie):
    """What VERSION says, from / and with nothing else in the environment."""
    done = subprocess.run([genie], env={"CNI_COMMAND": "VERSION"}, cwd="/", capture_output=True, check=False)
    document = json.loads(done.stdout)
    assert done.returncode == (1 if "code" in document else 0)
    return document


def environment_of(call):
    """What a delegate's environment has, but for the PATH that busybox sets where its caller gave none."""
    return {name: value for name, value in call.env.items() if name != "PATH"}


@pytest.mark.parametrize("shell", SHELLS)
def test_any_shell_may_be_sh(shell, put, tmp_path, monkeypatch):
    """Called as sh, it behaves as sh; what each adds to the environment (PWD, SHLVL, ...) reaches no delegate."""
    monkeypatch.setattr(launcher, "SHELL", str(tmp_path / "sh"))
    (tmp_path / "sh").symlink_to(shell)
    node = Node(put().launcher, tmp_path)
    node.network("a")
    assert node.add("a").result
    (call,) = node.calls()
    assert environment_of(call) == {**node.environment("ADD"), DELEGATE_MARK: "1"}
    done = subprocess.run(
        [tmp_path / "sh", "-c", 'exec "$0" </', node.genie],
        env=node.environment("ADD"),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert json.loads(done.stdout)["code"] == 5


def test_pods_come_and_go_when_the_interpreter_has_disappeared(gone, tmp_path):
    """As after an upgrade of the distribution: the Python that is there now runs the plugin, and the log says so."""
    node = Node(gone.launcher, tmp_path)
    node.network("a")
    reply = node.add("a")
    assert reply.result
    assert [event["file"] for event in reply.events("no interpreter")] == [str(gone.python)]
    assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


def test_without_any_interpreter_there_is_one_document_that_names_it(gone):
    text = gone.launcher.read_text()
    assert text.count(launcher.OTHERS) == 1
    gone.launcher.write_text(text.replace(launcher.OTHERS, "/gone/python3"))
    document = answer(gone.launcher)
    assert document["code"] == 999
    assert str(gone.python) in document["msg"]
    assert "genie install" in document["details"]


@pytest.mark.parametrize("shell", SHELLS)
def test_an_interpreter_that_disappears_as_it_is_started_is_a_document(shell, put, tmp_path, monkeypatch):
    """The shell finds a program, and the kernel does not start it; most shells end there and then."""
    monkeypatch.setattr(launcher, "SHELL", str(tmp_path / "sh"))
    (tmp_path / "sh").symlink_to(shell)
    python = tmp_path / "python3"
    shutil.copy(Path("/usr/bin/python3").resolve(), python)
    report = put(python=python)
    python.write_text("#!/gone/python3\n")
    document = answer(report.launcher)
    if "code" in document:  # bash goes on with the next one
        assert document["code"] == 999
        assert str(python) in document["msg"]
    else:
        assert shell == "/bin/bash"


def test_an_older_python_says_so_instead_of_failing_somewhere(gone):
    text = gone.launcher.read_text()
    assert text.count("(3, 11)") == 1
    gone.launcher.write_text(text.replace("(3, 11)", "(99,)"))
    document = answer(gone.launcher)
    assert document["code"] == 999
    assert "/usr/bin/python3 is not Python 3.11" in document["msg"]


def test_on_a_node_without_a_shell_the_kernel_starts_python(put, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "SHELL", "/no/such/sh")
    report = put()
    assert report.launcher.read_text().startswith(f"#!{report.python} -IS")
    assert answer(report.launcher)["supportedVersions"]
    spaced = tmp_path / "a b" / "python3"
    spaced.parent.mkdir()
    shutil.copy(report.python, spaced)
    with pytest.raises(InvalidConfig, match="with a space"):
        put(python=spaced)


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_may_find_a_launcher_that_the_kernel_starts(put, tmp_path, monkeypatch, shell):
    """The kernel read `#!/bin/sh`, then an upgrade exchanged the file, then sh opened it (execve(2), interpreters)."""
    monkeypatch.setattr(launcher, "SHELL", "/no/such/sh")
    node = Node(put().launcher, tmp_path)
    node.network("a")
    as_sh = tmp_path / "sh"
    as_sh.symlink_to(shell)
    assert node.add("a", wrap=(as_sh,)).result
    (call,) = node.calls()
    assert environment_of(call) == {**node.environment("ADD"), DELEGATE_MARK: "1"}


@pytest.mark.parametrize("shell", [*SHELLS, ""])
def test_of_a_file_that_is_cut_short_nothing_is_run(put, tmp_path, monkeypatch, shell):
    """Wherever it ends: an empty answer with exit status 0 would be taken for a DEL that was done."""
    monkeypatch.setattr(launcher, "SHELL", str(tmp_path / "sh"))
    if shell:
        (tmp_path / "sh").symlink_to(shell)
    report = put()
    whole = report.launcher.read_bytes()
    lines = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    env = {"CNI_COMMAND": "DEL", "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_PATH": "/"}
    for end in {*lines[1:-1], *range(lines[0] + 1, len(whole) - 2, 101)}:
        report.launcher.write_bytes(whole[:end])
        done = subprocess.run([report.launcher], env=env, input=b"{}", capture_output=True, check=False)
        assert (done.returncode != 0, done.stdout) == (True, b""), whole[:end][-80:]


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\b", "a\nb"])
def test_a_path_that_would_end_a_quotation_is_refused(put, tmp_path, name):
    with pytest.raises(InvalidConfig, match="cannot stand in a launcher"):
        put(python=tmp_path / name / "python3")


def test_what_a_launcher_says_of_itself(put):
    report = put()
    said = read_launcher(report.launcher.read_text()[:4096])
    assert said == Launcher(version=report.version, python=str(report.python))
    assert read_launcher("#!/bin/sh\nexec /usr/bin/bridge\n") is None

"""`genie install --serve`, the ways back from it, and `genie serve` itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genie_core.tasks.uninstall import UninstallOptions, uninstall
from tests import warm
from tests.control_groups import own_groups
from tests.processes import has_ended
from tests.server.conftest import wait

ELF = b"\x7fELF"


def test_later_installations_keep_the_launcher_until_it_is_given_up(server):
    native = server.launcher.read_bytes()
    assert native.startswith(ELF)
    assert server.install(serve=None).changed == []
    assert server.launcher in server.install(serve=False).changed
    assert server.launcher.read_bytes().startswith(b"#!")
    assert server.install(serve=None).changed == []
    assert server.install().changed == [server.launcher]
    assert server.launcher.read_bytes() == native


def uninstall_all(server):
    """Remove the installation with its configuration, its state and the server's files."""
    options = UninstallOptions(
        bin_dir=server.root / "bin",
        conf_dir=server.root / "net.d",
        state_dir=server.root / "state",
        force=True,
    )
    assert uninstall(options).complete


def test_uninstalling_removes_its_files_and_ends_the_server(server):
    server.start()
    uninstall_all(server)
    assert not server.launcher.exists()
    assert not server.program.exists()
    assert list(server.run_dir.iterdir()) == []
    assert server.process.wait(60) == 1
    server.process = None


def test_uninstalling_waits_for_rehearsals(server):
    """One that goes on would make its files again, and its plugin runs from a directory that is being removed."""
    server.start()
    plugin, began = server.run_dir / "rehearsal/cat", server.root / "began"
    plugin.unlink()
    plugin.write_text(f"#!/bin/sh\necho >>{began}\nsleep 0.5\nexec cat\n")
    plugin.chmod(0o755)
    waiting = server.waiting()
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)  # others take their places, and rehearse
    wait(began.exists, said=server.said)
    rehearsing = server.waiting()
    uninstall_all(server)
    assert server.process.wait(60) == 1
    server.process = None
    wait(lambda: all(map(has_ended, rehearsing)))
    assert list(server.run_dir.iterdir()) == []


def test_the_command_becomes_the_server(server):
    process = subprocess.Popen(
        [sys.executable, "-m", "genie_cli", "serve", "--bin-dir", server.root / "bin"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert '"serving"' in process.stderr.readline()
        argv = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        assert str(server.program) in argv
    finally:
        process.kill()
        process.communicate()


def test_the_command_names_what_is_missing(server):
    server.install(serve=False)
    server.program.unlink()
    done = warm.run("serve", "--bin-dir", server.root / "bin")
    assert done.returncode == 1
    assert "genie install --serve" in done.stderr


@pytest.mark.root
def test_calls_are_in_the_control_groups_of_the_process_that_is_named(server):
    """So a limit of the server's own group is not theirs."""
    other = subprocess.Popen(["sleep", "1000"])
    with own_groups(other) as made:
        try:
            assert made
            server.start(other.pid)
            wanted = Path(f"/proc/{other.pid}/cgroup").read_text()
            wait(lambda: all(Path(f"/proc/{pid}/cgroup").read_text() == wanted for pid in server.waiting()))
            assert Path(f"/proc/{server.process.pid}/cgroup").read_text() != wanted
        finally:
            server.kill()

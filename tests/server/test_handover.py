"""The moments in which a call goes from the launcher to a process of the server, and its answer back.

Where a test needs one side to do what the real one does only when it is killed or waits at a certain place, it plays
that side itself.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from genie_core.server import COUNTERS, counters
from tests.plugin.harness import HOLD
from tests.processes import has_ended
from tests.server.conftest import wait

# A launcher that sends one more message on SIGUSR1, after it has handed over the call.
TALKATIVE = """
import os, signal, socket, sys
path, build = sys.argv[1:3]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect(path)
    connection.send(build.encode())
    connection.recv(8)
    reading, _ = os.pipe()
    socket.send_fds(connection, [b"G"], [0, 1, 2, reading])
    signal.sigwait([signal.SIGUSR1])
    connection.send(b"x")
    status, documents, _, _ = socket.recv_fds(connection, 1, 1)
    print(os.pread(documents[0], 1 << 16, 0).decode())
    sys.exit(status[0])
"""


def test_what_wakes_the_reader_of_the_connection_does_not_end_the_call(node, served):
    """The kernel wakes a reader after it has queued the message, and a busy machine can do so much later: when G has
    been read and the plugin runs. Another message makes the same wake-up, at a moment that the test chooses."""
    node.network("a")
    node.answer("ADD", shell=HOLD, stdout={"ips": []})
    words = (sys.executable, "-c", TALKATIVE, str(served.socket), served.report.code.name)
    with served.adds():
        running = node.start("ADD", annotations={"cni": "a"}, wrap=words).feed()
        wait(node.said)
        running.signal(signal.SIGUSR1)
        node.release()
        assert running.wait().result["cniVersion"]
    assert node.delete().is_silent_success
    assert node.leftovers() == []


@contextmanager
def played(server):
    """The server's socket, where nothing but the test accepts connections."""
    server.run_dir.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.settimeout(60)
        listener.bind(str(server.socket))
        listener.listen()
        yield listener


@contextmanager
def ready(listener, pid):
    """The connection of a launcher that has sent G to a process with this PID, which has not read it."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(60)
        connection.recv(256)
        connection.send(b"R" + pid.to_bytes(4, "little"))
        assert connection.recv(1, socket.MSG_PEEK) == b"G"
        yield connection


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("answer", [b"", b"Nd"], ids=["ended", "refused"])
def test_a_call_that_the_process_has_not_taken_is_run_by_the_launcher(own_node, server, sleeper, answer):
    own_node.network("a")
    with played(server) as listener:
        running = own_node.start("ADD", annotations={"cni": "a"})
        with ready(listener, sleeper.pid) as connection:
            if answer:
                connection.recv(8)  # and so it closes what came with G
                connection.send(answer)
        assert running.wait().result["interfaces"]
    assert own_node.said() == ["ADD a@eth0"]


def test_a_call_that_the_process_has_read_is_not_run_again(own_node, server, sleeper):
    own_node.network("a")
    with played(server) as listener:
        running = own_node.start("ADD", annotations={"cni": "a"})
        with ready(listener, sleeper.pid) as connection:
            connection.recv(8)
        assert "genie serve" in running.wait().error(11)["msg"]
    assert own_node.said() == []


def test_a_call_that_was_to_be_stopped_is_not_begun_again(own_node, server, sleeper):
    own_node.network("a")
    with played(server) as listener:
        running = own_node.start("ADD", annotations={"cni": "a"})
        with ready(listener, sleeper.pid):
            running.signal(signal.SIGTERM)
            wait(lambda: has_ended(sleeper.pid))
        assert running.wait().error(11)
    assert own_node.said() == []


def test_an_answer_comes_where_the_launchers_last_descriptor_is_taken(own_node, server, sleeper):
    """Without room for the document's descriptor it would print nothing, as after a DEL that succeeded."""
    with played(server) as listener:
        running = own_node.start("VERSION", wrap=("prlimit", "--nofile=8"))
        with ready(listener, sleeper.pid) as connection:
            connection.recv(8)
            document = os.memfd_create("document")
            os.write(document, b'{"answer": 1}')
            socket.send_fds(connection, [b"\0"], [document])
            os.close(document)
            assert running.wait().result == {"answer": 1}


@pytest.mark.parametrize("limit", range(8, 22))
def test_a_limit_of_descriptors_loses_no_call(node, served, limit):
    """Where it leaves no room for what comes with a call, or for what the process opens, the launcher runs it."""
    assert node.call("VERSION", wrap=("prlimit", f"--nofile={limit}")).result


@pytest.fixture
def full_disk(server):
    """A file system in place of /run, with the server's file of counters and no free page."""
    server.run_dir.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", server.run_dir], check=True)
    try:
        counters.prepare(str(server.run_dir / COUNTERS))
        with suppress(OSError), (server.run_dir / "rest").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        subprocess.run(["umount", "--lazy", server.run_dir], check=True)


@pytest.mark.root
def test_a_call_is_counted_where_the_file_system_is_full(own_node, server, full_disk):
    with server.adds(noServer=1):
        assert own_node.call("VERSION").result


def test_a_caller_that_ignores_the_end_of_children_gets_the_plugins_status(own_node, server):
    own_node.network("a")
    program = (
        "from signal import *; import os, sys; signal(SIGCHLD, SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    words = (sys.executable, "-c", program)
    for started in (False, True):
        if started:
            server.start()
        assert own_node.add("a", wrap=words).result
        assert own_node.delete(wrap=words).is_silent_success
    assert server.counted() == {"served": 2}


def is_polling(pid):
    """Whether a launcher waits for the server's answer."""
    return "poll" in Path(f"/proc/{pid}/wchan").read_text()


def test_a_launcher_that_is_killed_early_is_not_reported(own_node, server):
    """Of a process that has ended, and that its parent has not waited for, /proc shows less."""
    server.start()
    waiting = server.waiting()
    for pid in waiting:
        os.kill(pid, signal.SIGSTOP)
    running = own_node.start("VERSION")
    wait(lambda: is_polling(running.process.pid))
    running.signal(signal.SIGKILL)
    wait(lambda: has_ended(running.process.pid))
    for pid in waiting:
        os.kill(pid, signal.SIGCONT)
    wait(lambda: any(map(has_ended, waiting)), said=server.said)
    server.replace_waiting()
    assert "not answered" not in server.said()
    running.wait()


def test_a_fork_that_fails_does_not_end_the_server(own_node, server):
    server.start()
    words = ["strace", "-qq", "-o", server.root / "trace", "-p", str(server.process.pid), "-e", "trace=clone"]
    with subprocess.Popen([*words, "-e", "inject=clone:error=EAGAIN:when=1..2"]) as tracer:
        try:
            wait(lambda: "TracerPid:\t0" not in Path(f"/proc/{server.process.pid}/status").read_text())
            server.replace_waiting()
        finally:
            tracer.terminate()
    assert "no process started" in server.said()
    with server.adds(served=1):
        assert own_node.call("VERSION").result


def test_a_server_without_a_free_descriptor_goes_on(own_node, server):
    """Each running call takes one of its descriptors."""
    pid = server.start().process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken - len(server.waiting()), limits[1]))
    for child in server.waiting():
        os.kill(child, signal.SIGKILL)
    wait(lambda: "no process started" in server.said(), said=server.said)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    wait(lambda: len(server.waiting()) >= 2, said=server.said)
    with server.adds(served=1):
        assert own_node.call("VERSION").result


def test_the_processes_of_the_build_before_are_waited_for(own_node, server):
    """They are children of the process that has become the new build's server."""
    before = server.start().waiting()
    new = server.program.with_name("new")
    shutil.copy(server.program, new)
    new.rename(server.program)
    assert own_node.call("VERSION").result  # wakes it
    wait(lambda: server.said().count('"serving"') == 2, said=server.said)
    wait(lambda: len(server.waiting()) >= 2, said=server.said)
    wait(lambda: not any(map(has_ended, server.waiting())) and not {*before} & {*server.waiting()})


@pytest.mark.root
def test_a_caller_outside_the_servers_pid_namespace_is_refused(own_node, server):
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", server.program]
    with (server.root / "serve.log").open("w") as log, subprocess.Popen(words, env={}, stderr=log) as inside:
        try:
            wait(server.socket.exists)
            with server.adds(otherNamespace=1):
                assert own_node.call("VERSION").result
        finally:
            inside.kill()
    assert "not answered" not in (server.root / "serve.log").read_text()


def test_a_call_can_be_stopped_where_the_server_was_started_with_signals_blocked(own_node, server):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    own_node.network("a")
    own_node.answer("ADD", shell=HOLD, stdout={"ips": []})
    running = own_node.start("ADD", annotations={"cni": "a"}).feed()
    wait(own_node.said)
    running.signal(signal.SIGTERM)
    assert "signal 15" in running.wait().error(11)["msg"]
    assert server.counted() == {"served": 1}

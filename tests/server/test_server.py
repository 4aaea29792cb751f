"""The server itself: which callers it serves, what it takes over from them, and what happens when either ends."""

import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plugin.harness import HOLD
from tests.processes import children, has_ended
from tests.server.conftest import wait

MEBI = 1 << 20
_REPLACED = 100  # calls, of which some find the moment
_HERE, _RENAME_EXCHANGE = -100, 2


def begin_add(node):
    """An ADD whose plugin is at work until the node's release."""
    node.network("a")
    node.answer("ADD", shell=HOLD, stdout={"ips": []})
    running = node.start("ADD", annotations={"cni": "a"}).feed()
    wait(node.said)
    return running


def the_one_with_a_plugin(waiting):
    """The process that runs the call; another one may run a plugin for a moment, where it rehearses."""
    wait(lambda: len(list(filter(children, waiting))) == 1)
    return next(filter(children, waiting))


def test_a_call_is_served(node, served):
    node.network("a")
    with served.adds(served=2):
        assert node.add("a").result["interfaces"]
        assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.leftovers() == []


def test_it_is_small_and_has_one_thread(served):
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert int(fields["VmRSS"].split()[0]) * 1024 < 25 * MEBI
    assert fields["Threads"] == "1"


def test_it_does_not_import_what_only_an_installation_needs(served, tmp_path):
    program = f"""
import sys; sys.path.insert(0, {str(served.report.code)!r})
from genie_core.server.pool import load_everything
load_everything({str(served.report.code)!r}, {str(tmp_path)!r})
print(*sorted({{"genie_core.verbs.add", "genie_core.packing", "ast"}} & {{*sys.modules}}))
"""
    command = [served.report.python, "-ISB", "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"genie_core.verbs.add\n"


def test_the_socket_is_for_its_owner_alone(served):
    assert served.socket.lstat().st_mode & 0o777 == 0o600 | 0o100


def test_plugins_get_what_they_would_get_of_the_caller(node, served, tmp_path):
    """Directory, umask, limits, scheduling, process group of their own, and no descriptor of the server's."""
    node.network("a")
    shown = "pwd; umask; ulimit -n; ulimit -c; nice; ls /proc/self/fd | wc -l; cat /proc/self/oom_score_adj"
    shown += "; chrt -p $$; taskset -c -p $$"
    node.answer("ADD", shell=f'{{ {shown}; }} >"$home/seen"', stdout={"ips": []})

    one_cpu = min(os.sched_getaffinity(0))

    def place():
        os.chdir(tmp_path)
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 400))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(3)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.sched_setaffinity(0, {one_cpu})
        Path("/proc/self/oom_score_adj").write_text("200")

    seen = []
    for launcher, count in ((served.launcher, {"served": 1}), (served.root / "bin/.genie/start", {})):
        with served.adds(**count):
            done = subprocess.run(
                [launcher],
                env=node.environment("ADD"),
                input=node.stdin({"cni": "a"}),
                capture_output=True,
                preexec_fn=place,
                check=True,
            )
        assert json.loads(done.stdout)["cniVersion"]
        seen.append(re.sub(r"pid \d+", "", (tmp_path / "seen").read_text()))
        node.delete()
    assert seen[0] == seen[1]
    nice = str(os.getpriority(os.PRIO_PROCESS, 0) + 3)
    assert seen[0].splitlines()[:5] == [str(tmp_path), "0027", "300", "0", nice]
    ends = [line.rpartition(": ")[2] for line in seen[0].splitlines()]
    assert ends[-4] == "SCHED_BATCH"
    assert ends[-1] == str(one_cpu)


def test_a_caller_that_sees_another_node_is_not_served(node, served):
    """It gets a Python of its own, in its own namespaces."""
    node.network("a")
    for words in (["--mount"], ["--net"], ["--uts"]):
        with served.adds(otherNamespace=1):
            assert node.add("a", wrap=("unshare", *words)).result
        assert node.delete().is_silent_success


def test_a_caller_with_other_rights_is_not_served(node, served):
    with served.adds(otherRights=1):
        assert node.call("VERSION", wrap=("setpriv", "--no-new-privs")).result
    with served.adds(otherRights=1):
        assert node.call("VERSION", wrap=("setpriv", "--bounding-set=-sys_module")).result


def test_a_call_that_fails_in_the_server_is_logged(server, own_node):
    """Here it cannot open a file, with the caller's limit. The caller has a Python of its own."""
    server.start()
    own_node.call("VERSION", wrap=("prlimit", "--nofile=6"))
    wait(lambda: "not answered" in server.said(), said=server.said)
    line = next(map(json.loads, filter(lambda line: "not answered" in line, server.said().splitlines())))
    assert line["level"] == "error"
    assert "Too many open files" in line["problem"]
    wait(lambda: "a call ended without an answer" in server.said(), said=server.said)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_caller_that_closed_a_descriptor_is_not_served(node, served, closed):
    with served.adds(noServer=1):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" {closed}{"<" if not closed else ">"}&-', served.launcher],
            env={"CNI_COMMAND": "VERSION"},
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0
    assert (b"supportedVersions" in done.stdout) == (closed != 1)


def test_without_a_server_the_launcher_starts_python(own_node, server):
    own_node.network("a")
    assert own_node.add("a").result
    assert own_node.delete().is_silent_success
    assert not server.run_dir.exists()


def test_only_the_interpreter_that_compiled_the_code_runs_it_at_once(own_node, server, tmp_path):
    """Another version could not read it, and would print no document. The launcher's text is for every version."""
    python = tmp_path / "python3"
    shutil.copy(Path("/usr/bin/python3").resolve(), python)
    compiled = server.install(python=python).code / "start.pyc"
    (server.root / "bin/.genie/start").write_text("print('the text')\n")
    assert own_node.call("VERSION").result["cniVersion"] == "1.1.0"
    compiled.rename(compiled.with_name("away"))
    assert own_node.call("VERSION").stdout == b"the text\n"
    compiled.with_name("away").rename(compiled)
    assert own_node.call("VERSION").result["cniVersion"] == "1.1.0"
    os.utime(python)  # as an upgrade does: ctime changes
    assert own_node.call("VERSION").stdout == b"the text\n"


def test_an_interpreter_that_is_replaced_at_any_moment_fails_no_call(own_node, server, tmp_path):
    """As by an upgrade of the distribution. The other one, perl, can run the text, but not the code."""
    folder, other = tmp_path / "python", tmp_path / "other"
    for place, program in ((folder, "/usr/bin/python3"), (other, "/usr/bin/perl")):
        place.mkdir()
        shutil.copy(Path(program).resolve(), place / "python3")
    server.install(python=folder / "python3")
    (server.root / "bin/.genie/start").write_text("print('the text')\n")
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            exchange(folder, other)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(_REPLACED):
            reply = own_node.call("VERSION")
            assert reply.stdout.rstrip() == b"the text" or reply.result["cniVersion"] == "1.1.0"
    finally:
        stop.set()
        thread.join()


def test_a_call_is_named_in_ps(own_node):
    running = begin_add(own_node)
    assert Path(f"/proc/{running.process.pid}/comm").read_text() == "genie\n"
    own_node.release()
    assert running.wait().result


def exchange(path, other):
    """Give each of two files the other's name, with no moment in between (renameat2(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, bytes(path), _HERE, bytes(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


def test_a_script_in_the_interpreters_place_is_never_given_compiled_code(own_node, server, tmp_path):
    """Such as pyenv's: it can start another version tomorrow, and stays the same itself."""
    script = tmp_path / "python3"
    script.write_text('#!/bin/sh\nexec /usr/bin/python3 "$@"\n')
    script.chmod(0o755)
    server.install(python=script)
    assert own_node.call("VERSION").result["cniVersion"] == "1.1.0"
    (server.root / "bin/.genie/start").write_text("print('the text')\n")
    assert own_node.call("VERSION").stdout == b"the text\n"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1], id="cut short"),
        pytest.param(lambda data: data[:4000] + bytes([data[4000] ^ 1]) + data[4001:], id="one bit"),
        pytest.param(lambda data: bytes(4) + data[4:], id="another version's"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data + bytes(40_000), id="longer"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_damaged_compiled_code_is_not_run(own_node, server, damage):
    """Python would say so on stderr alone; the launcher's text imports from the sources what cannot be read."""
    compiled = server.report.code / "start.pyc"
    (server.root / "bin/.genie/start").write_text("print('the text')\n")
    assert own_node.call("VERSION").result["cniVersion"] == "1.1.0"
    compiled.write_bytes(damage(compiled.read_bytes()))
    assert own_node.call("VERSION").stdout == b"the text\n"


def test_code_that_is_gone_is_an_error_document(own_node, server):
    (server.report.code / "modules.marshal").unlink()
    assert own_node.call("VERSION").result
    shutil.rmtree(server.report.code / "genie_core")
    assert "not installed completely: No module named" in own_node.call("VERSION").error(999)["msg"]


def test_an_archive_that_is_cut_short_fails_no_call(own_node, server):
    archive = server.report.code / "modules.marshal"
    size = archive.stat().st_size
    own_node.network("a")
    for share in (0.9, 0.5, 0.1, 0):
        os.truncate(archive, int(size * share))
        assert own_node.add("a").result
        assert own_node.delete().is_silent_success


@pytest.mark.parametrize("how", ["ended", "killed", "stopped"])
def test_a_server_that_does_not_answer_fails_no_call(own_node, server, how):
    own_node.network("a")
    server.start()
    if how == "stopped":
        stopped = [*server.waiting(), server.process.pid]
        for pid in stopped[::-1]:
            os.kill(pid, signal.SIGSTOP)
    else:
        server.kill(signal.SIGTERM if how == "ended" else signal.SIGKILL)
    began = time.monotonic()
    with server.adds(**{"noAnswer" if how == "stopped" else "noServer": 1}):
        assert own_node.add("a").result
    assert own_node.said() == ["ADD a@eth0"]
    if how == "stopped":
        assert time.monotonic() - began >= 2
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        wait(
            lambda: {*stopped[:-1]} - {*server.waiting()}, said=server.said
        )  # one got the call, and has ended
        assert own_node.call("VERSION").result
        assert own_node.said() == ["ADD a@eth0"]  # it does not run the call that was queued meanwhile


def test_a_server_that_is_started_again_serves(own_node, server):
    server.start().kill()
    server.start()
    with server.adds(served=1):
        assert own_node.call("VERSION").result


def test_there_is_one_server(served):
    other = subprocess.run([served.program], env={}, capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "another genie serve runs" in other.stderr


def test_a_call_goes_on_when_the_server_ends(own_node, server):
    """Nor does it keep the socket: the next call does not wait for a server that is gone."""
    server.start()
    running = begin_add(own_node)
    server.kill()
    with server.adds(noServer=1):
        assert own_node.call("VERSION").result
    own_node.release()
    with server.adds(served=1):
        assert running.wait().result


def test_waiting_processes_end_with_the_server(server):
    waiting = server.start().waiting()
    server.kill()
    wait(lambda: all(map(has_ended, waiting)))


def test_the_caller_s_death_ends_the_call_as_it_would_end_the_plugin(node, served):
    """The plugin that it had called lives on with the container's lock, and DEL waits for it."""
    waiting = served.waiting()
    running = begin_add(node)
    child = the_one_with_a_plugin(waiting)
    running.signal(signal.SIGKILL).wait()
    wait(lambda: has_ended(child))
    deleting = node.start("DEL").feed()
    time.sleep(0.3)
    assert node.said() == ["ADD a@eth0"]
    node.release()
    assert deleting.wait().is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.leftovers() == []


def test_a_call_whose_process_is_killed_is_an_error_that_is_not_run_again(node, served):
    waiting = served.waiting()
    running = begin_add(node)
    child = the_one_with_a_plugin(waiting)
    with served.adds(lost=1):
        os.kill(child, signal.SIGKILL)
        document = running.wait().error(11)
    assert "genie serve" in document["msg"]
    wait(lambda: f'"call":{child}' in served.said().replace(" ", ""), said=served.said)
    node.release()
    assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


def replace(path, data):
    """Replace a program by rename, as an installation does."""
    path.with_name("new").write_bytes(data)
    path.with_name("new").chmod(0o755)
    path.with_name("new").rename(path)


def test_another_build_is_refused_and_takes_over(own_node, server):
    """An upgrade while the server runs: it becomes the new build's, and no call fails in between."""
    server.start()
    pid = server.process.pid
    start = server.program.with_name("start")
    code = server.report.code
    other = code.with_name("9.9.9-" + code.name)
    code.rename(other)  # as if it were another version's
    native = server.launcher.read_bytes()
    at = native.index(code.name.encode())  # in a field of a fixed length
    replace(server.launcher, native[:at] + other.name.encode() + native[at + len(other.name) :])
    replace(start, start.read_text().replace(code.name, other.name).encode())
    with server.adds(otherBuild=1):
        assert own_node.call("VERSION").result
    replace(server.program, server.program.read_text().replace(code.name, other.name).encode())
    assert own_node.call("VERSION").result  # wakes it
    wait(lambda: f'build": "{other.name}' in server.said(), said=server.said)
    with server.adds(served=1):
        assert own_node.call("VERSION").result
    assert server.process.pid == pid


def test_it_ends_when_it_is_uninstalled(server):
    server.start()
    server.program.unlink()
    assert server.process.wait(60) == 1
    assert "is gone" in server.said()
    server.process = None


@contextmanager
def peer(served, build):
    """A connection as a launcher of this build begins it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(60)
        connection.connect(str(served.socket))
        connection.send(build.encode())
        yield connection


@pytest.mark.parametrize("last", [b"", b"x", b"G", b"GG"])
def test_only_go_with_descriptors_begins_the_call(served, last):
    """A replaced or removed launcher ends the process that was ready for it."""
    with peer(served, served.report.code.name) as connection:
        ready = connection.recv(8)
        assert ready[:1] == b"R"
        pid = int.from_bytes(ready[1:], "little")
        if last:
            connection.send(last)
            assert connection.recv(8) == b"Nd"
            assert connection.recv(8) == b""
    wait(lambda: has_ended(pid))


def test_a_launcher_of_another_build_gets_nothing(served):
    with peer(served, "another") as connection:
        assert connection.recv(8) == b"Nb"


def test_no_process_of_a_plugin_is_left(node, served):
    node.network("a")
    node.answer("ADD", shell='echo $$ >"$home/pid"', stdout={"ips": []})
    with served.adds(served=1):
        assert node.add("a").result
    plugin = Path("/proc", (node.root / "pid").read_text().strip())
    wait(lambda: not plugin.exists())


def test_processes_are_started_once_no_call_runs(node, served):
    """Where none waits any more, one is started for each call; the others would take the plugins' processors."""
    count = min(max(os.cpu_count() or 2, 2), 8)
    served.replace_waiting()  # one that has had a call may be about to end
    wait(lambda: len(served.waiting()) == count, said=served.said)
    running = begin_add(node)
    assert len(served.waiting()) == count  # it is one of them
    with served.adds(served=count + 2):
        for _ in range(count + 2):
            assert node.call("VERSION").result
    with served.adds(served=1):
        node.release()
        assert running.wait().result
    wait(lambda: len(served.waiting()) == count, said=served.said)


def test_many_at_once(node, served):
    """Each has its own process; those that wait are as many as before, once they are done."""
    with served.adds(served=30):
        running = [node.start("VERSION") for _ in range(30)]
        assert all(call.wait().result for call in running)
    wait(lambda: len(served.waiting()) <= 8)


def test_signals_reach_the_call(node, served):
    running = begin_add(node)
    running.signal(signal.SIGTERM)
    assert "signal 15" in running.wait().error(11)["msg"]
    assert node.said()[0] == "ADD a@eth0"
    assert node.leftovers() == []

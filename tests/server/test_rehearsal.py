"""What the server does before a call comes: it rehearses one, and shares its objects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.harness import HOLD
from tests.server.conftest import wait

ROOT = Path(__file__).resolve().parents[2]
FIRST_IMMORTAL = (3, 12)
OF_A_FORK = 200  # pages at most, without a rehearsal


def state(server):
    """The names of what rehearsals have in their state directory now."""
    folder = server.run_dir / "rehearsal/state"
    return [path.name for name in ("containers", "tmp") for path in (folder / name).iterdir()]


def faults(pid):
    """How many pages the process has had to be given (proc(5), minflt)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_nothing_of_a_rehearsal_is_left(own_node, server):
    server.start()
    own_node.network("a")
    assert own_node.add("a").result
    assert own_node.delete().is_silent_success
    wait(lambda: not state(server), said=server.said)
    assert own_node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert own_node.leftovers() == []
    assert "rehearsal" not in server.said()


def open_files(pid):
    """The names of the files that a process has open; None where it has closed one meanwhile."""
    try:
        return [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:
        return None


def strange(pid):
    """Files that a process has open which only a rehearsal needs, and the signals that it handles."""
    parts = ("rehearsal", "memfd:stdin", "memfd:stdout", "/dev/null")
    files = [name for name in open_files(pid) or ["unknown rehearsal"] if any(part in name for part in parts)]
    handled = Path(f"/proc/{pid}/status").read_text().partition("\nSigCgt:\t")[2].split()[0]
    return files, int(handled, 16)


def test_a_rehearsal_leaves_no_file_open_and_no_signals_handler(server):
    server.start()
    for pid in [server.process.pid, *server.waiting()]:
        wait(lambda pid=pid: strange(pid) == (["/dev/null"], 0), said=server.said)  # its stdin


def test_what_a_killed_rehearsal_left_goes_with_the_next_server(server):
    server.start()
    server.kill()
    left = server.run_dir / "rehearsal/state/containers/rehearsal-1@eth0"
    left.write_text("{")
    server.start()
    assert not left.exists()


def test_calls_are_served_where_a_rehearsal_cannot_be_made(own_node, server):
    server.start()
    (server.run_dir / "rehearsal/cat").unlink()
    (server.run_dir / "rehearsal/kubeconfig").write_text("{")
    server.replace_waiting()
    own_node.network("a")
    with server.adds(served=2):
        assert own_node.add("a").result
        assert own_node.delete().is_silent_success


def test_a_process_that_was_started_beside_calls_rehearses_where_no_other_comes(own_node, server):
    """While calls run it is only forked, as the plugins need the processors."""
    server.start()
    own_node.network("a")
    own_node.answer("ADD", shell=HOLD, stdout={"ips": []})
    running = []
    for number in range(len(server.waiting())):
        env = {"CNI_CONTAINERID": f"c{number}"}
        running.append(own_node.start("ADD", annotations={"cni": "a"}, env=env).feed())
        wait(lambda: len(own_node.said()) == len(running), said=server.said)
    wait(lambda: len(server.waiting()) > len(running), said=server.said)
    wait(lambda: all(faults(pid) > OF_A_FORK for pid in server.waiting()), said=server.said)
    own_node.release()
    assert all(call.wait().status == 0 for call in running)


@pytest.mark.skipif(sys.version_info < FIRST_IMMORTAL, reason="this interpreter has no immortal objects")
def test_what_is_immortal_is_not_counted_and_new_objects_are():
    program = """
import sys
from genie_core.server.immortal import make_all_immortal
from genie_core import attach
shared = [attach.add, attach.add.__code__, attach.add.__code__.co_consts, attach.__dict__, attach.Invoke]
make_all_immortal()
before = [sys.getrefcount(one) for one in shared]
more = [list(shared) for _ in range(100)]
assert [sys.getrefcount(one) for one in shared] == before, "references are counted"
fresh = ["".join(map(chr, range(65, 70)))]
before = sys.getrefcount(fresh[0])
more = [fresh[0]] * 100
assert sys.getrefcount(fresh[0]) == before + 100, "references of new objects are not counted"
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)

"""The guarantees of the node's locks: one holder at a time, whatever is killed; a dead holder blocks no call."""

import os
import signal
import subprocess
import sys
import time

import pytest

from genie_core.edges.locks import STARTING, lock_container, lock_node, lock_slot
from genie_core.errors import IOFailure, TryAgain
from tests.processes import has_ended
from tests.test_lint import ROOT

CHILD = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from genie_core.edges import locks
from genie_core.edges.locks import *
path = sys.argv[1]
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "c1@eth0")


@pytest.fixture
def child(path):
    """Start a process that runs some code with the lock's `path`: it, and the first line that it prints."""
    started = []

    def start(code, *, wait=True):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD + code, path],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout
        return process, process.stdout.readline().strip() if wait else ""

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def within(seconds):
    return time.monotonic() + seconds


HOLD = "lock = lock_container(path, 0)\nprint('held', flush=True)\ntime.sleep(1000)\n"


def test_one_holder_at_a_time(path, child):
    child(HOLD)
    with pytest.raises(TryAgain):
        lock_container(path, within(0.1))


def test_a_killed_holder_holds_nothing(path, child):
    child(HOLD)[0].kill()
    lock_container(path, within(100)).__exit__()


def test_a_lock_can_be_had_again(path):
    for _ in range(3):
        with lock_container(path, 0):
            pass


def test_a_file_that_was_removed_is_not_the_lock(path):
    """The last holder removes it while others wait: those must not share what is left of it."""
    with lock_container(path, 0):
        os.unlink(path)
        with lock_container(path, 0):
            assert os.path.exists(path)


def test_many_processes_and_a_file_that_comes_and_goes(path, child, tmp_path):
    """Each reads and writes the same number under the lock; sometimes it removes the lock's file at the end."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    code = f"""
for turn in range(40):
    with lock_container(path, time.monotonic() + 60):
        number = int(open({str(counter)!r}).read())
        time.sleep(0.0005)
        open({str(counter)!r}, "w").write(str(number + 1))
        if turn % 3 == 0:
            os.unlink(path)
print("done")
"""
    children = [child(code, wait=False)[0] for _ in range(6)]
    assert [process.communicate()[0].strip() for process in children] == ["done"] * 6
    assert counter.read_text() == "240"


def test_gc_waits_for_all_calls_and_all_calls_wait_for_gc(path, child):
    first, second = (lock_node(path, exclusive=False, deadline=0) for _ in range(2))
    with pytest.raises(TryAgain):
        lock_node(path, exclusive=True, deadline=within(0.1))
    first.__exit__()
    second.__exit__()
    with lock_node(path, exclusive=True, deadline=0), pytest.raises(TryAgain):
        lock_node(path, exclusive=False, deadline=within(0.1))


BUSY = """
locks.TURN_SECONDS = 0.3
while True:
    with lock_node(path, exclusive={exclusive}, deadline=time.monotonic() + 200):
        print("in", flush=True)
        time.sleep({seconds})
"""


def test_a82_gc_has_its_turn_however_many_come_and_go(path, child):
    """Four that are never all out at once."""
    for _ in range(4):
        child(BUSY.format(exclusive=False, seconds=0.1))
    lock_node(path, exclusive=True, deadline=within(100)).__exit__()


def test_while_gc_waits_for_one_that_hangs_the_others_go_on(path, child):
    with lock_node(path, exclusive=False, deadline=0):
        child(BUSY.format(exclusive=True, seconds=0), wait=False)
        wait_until_shut(path)
        lock_node(path, exclusive=False, deadline=within(100)).__exit__()


def wait_until_shut(path):
    """Until newcomers do not get in any more."""
    ends = within(100)
    while time.monotonic() < ends:
        try:
            lock_node(path, exclusive=False, deadline=0).__exit__()
        except TryAgain:
            return
    raise AssertionError


def test_as_many_slots_as_there_are(tmp_path):
    held = [lock_slot(str(tmp_path), 3, 0) for _ in range(3)]
    with pytest.raises(TryAgain):
        lock_slot(str(tmp_path), 3, within(0.1))
    held.pop().__exit__()
    lock_slot(str(tmp_path), 3, 0).__exit__()


# --- processes that inherited the descriptor -----------------------------------------------------------

# A plugin in a process group of its own, as the edge starts it; the lock's holder then dies.
ORPHAN = """
lock = lock_container(path, 0)
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep {seconds}; : >{ended}"], os.environ, setpgroup=0)
lock.name_delegates({group})
print(pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("group", ["pid", STARTING])
def test_an_orphan_is_waited_for(path, child, group, tmp_path):
    """Until it has done its work, and no longer."""
    child(ORPHAN.format(seconds=1, ended=tmp_path / "ended", group=group))
    lock_container(path, within(100)).__exit__()
    assert (tmp_path / "ended").exists()


TWO_ORPHANS = """
lock = lock_container(path, 0)
lock.name_delegates(11, 12, 13)  # an earlier note may be longer
pids = [os.posix_spawn("/bin/sh", ["sh", "-c", f"sleep {{seconds}}; : >{folder}/{{seconds}}"], os.environ, setpgroup=0)
        for seconds in (1, 2)]
lock.name_delegates(*pids)
print("started", flush=True)
os.kill(os.getpid(), 9)
"""


def test_two_orphans_are_waited_for(path, child, tmp_path):
    """Plugins that ran side by side: until both have done their work."""
    child(TWO_ORPHANS.format(folder=tmp_path))
    lock_container(path, within(100)).__exit__()
    assert (tmp_path / "1").exists()
    assert (tmp_path / "2").exists()


def test_a_daemon_is_neither_waited_for_nor_killed(path, child):
    """It has inherited the descriptor, but no work is done under the lock."""
    pid = int(child(ORPHAN.format(seconds=1000, ended="/dev/null", group=0))[1])
    try:
        lock_container(path, within(100)).__exit__()
        assert not has_ended(pid)
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_two_waiters_that_break_a_daemons_lock_do_not_share_it(path, child):
    pid = int(child(ORPHAN.format(seconds=1000, ended="/dev/null", group=0))[1])
    code = """
with lock_container(path, time.monotonic() + 200):
    os.mkdir(path + "-alone")
    time.sleep(0.3)
    os.rmdir(path + "-alone")
print("done")
"""
    try:
        waiters = [child(code, wait=False)[0] for _ in range(4)]
        assert [process.communicate()[0].strip() for process in waiters] == ["done"] * 4
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_a_holder_that_ended_is_not_held_to_by_its_daemon(path, child):
    """The unlock holds for all processes that inherited the descriptor."""
    pid = int(
        child(
            "with lock_container(path, 0):\n"
            "    pid = os.posix_spawn('/bin/sleep', ['sleep', '1000'], os.environ, setpgroup=0)\n"
            "print(pid, flush=True)\n"
        )[1]
    )
    try:
        lock_container(path, 0).__exit__()
    finally:
        os.killpg(pid, signal.SIGKILL)


@pytest.mark.parametrize("note", [b"", b"99999999999999999999 x y"], ids=["empty", "garbage"])
def test_an_unreadable_note_kills_no_process(path, child, note):
    """A full disk or another program may leave such a note: the holder of the lock is waited for."""
    holder, _ = child(HOLD)
    with open(path, "wb") as file:
        file.write(note)
    with pytest.raises(TryAgain):
        lock_container(path, within(1.5))
    assert holder.poll() is None


def test_a_link_is_not_followed(path, tmp_path):
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(IOFailure):
        lock_container(path, 0)
    assert not (tmp_path / "elsewhere").exists()

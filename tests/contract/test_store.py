"""The guarantees of the state directory: written plans are there, whole, whatever happens in between."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.edges.store import CorruptState, Store, file_name, key_of, namespace_id
from genie_core.errors import GenieError, IOFailure
from genie_core.model import Attachment, NetConf, Plan, PluginConf
from genie_core.steps import Attached, Failed, Released, Releasing
from tests.test_lint import ROOT


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / "state"))
    made.prepare()
    return made


def plan(container="c1", ifname="eth0", count=2):
    attachments = [
        Attachment(
            network=NetConf(f"n{number}", "1.0.0", [PluginConf("bridge", '{"type":"bridge"}')], "/x.conf"),
            ifname=f"eth{number}",
            label=f"n{number}",
            binaries=[],
        )
        for number in range(count)
    ]
    return Plan(container, ifname, "/run/netns/x", ["/opt/cni/bin"], None, "boot", attachments)


def file_of(store, container="c1", ifname="eth0"):
    return Path(store.directory, "containers", file_name(container, ifname))


def test_nothing_is_there_until_it_is_saved(store):
    assert store.load("c1", "eth0") is None
    store.save(plan())
    assert store.load("c1", "eth0") == plan()


def test_the_journal_is_replayed(store):
    store.save(plan())
    store.record(Attached(plan(), 0, '{"ips": []}'))
    store.record(Releasing(plan(), 1))
    store.record(Released(plan(), 1))
    store.record(Failed(plan()))
    loaded = store.load("c1", "eth0")
    assert [item.result for item in loaded.attachments] == ['{"ips": []}', ""]
    assert [(item.releasing, item.released) for item in loaded.attachments] == [(False, False), (True, True)]
    assert loaded.failed_releases == 1


def test_a_new_plan_takes_the_place_of_the_old_one_whole(store):
    store.save(plan())
    store.record(Released(plan(), 0))
    store.save(plan(count=1))
    assert store.load("c1", "eth0") == plan(count=1)


def test_b68_two_interfaces_of_one_container_do_not_share(store):
    store.save(plan(ifname="eth0"))
    store.save(plan(ifname="eth1", count=1))
    store.forget("c1", "eth0")
    assert store.load("c1", "eth0") is None
    assert store.load("c1", "eth1") == plan(ifname="eth1", count=1)


def test_a_file_under_another_containers_name_is_not_its_state(store):
    """Releasing what it says would forget the other one."""
    store.save(plan("c1"))
    store.save(plan("c2"))
    file_of(store, "c1").write_bytes(file_of(store, "c2").read_bytes())
    with pytest.raises(CorruptState, match="of another container"):
        store.load("c1", "eth0")
    assert store.load("c2", "eth0") == plan("c2")


def test_forgetting_leaves_no_file_and_can_be_repeated(store):
    store.save(plan())
    for _ in range(2):
        store.forget("c1", "eth0")
    store.drop_lock("c1", "eth0")
    assert [path for path in Path(store.directory).rglob("*") if path.is_file()] == []


def test_other_users_cannot_read_it(store):
    store.save(plan())
    modes = {path: path.stat().st_mode & 0o777 for path in Path(store.directory).rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_directory_that_others_use_is_not_closed_to_them(tmp_path):
    """As where `state_dir` is /run or /var/lib by mistake."""
    shared = tmp_path / "shared"
    (shared / "results").mkdir(parents=True)
    shared.chmod(0o755)
    with pytest.raises(IOFailure, match="holds results"):
        Store(str(shared)).prepare()
    assert shared.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in shared.iterdir()] == ["results"]


@pytest.mark.parametrize("names", [[], ["lost+found"], ["containers", "tmp"]])
def test_a_directory_that_was_made_by_hand_is_made_private(tmp_path, names):
    made = tmp_path / "made"
    for name in names or ["."]:
        (made / name).mkdir(parents=True, exist_ok=True)
    made.chmod(0o755)
    Store(str(made)).prepare()
    assert made.stat().st_mode & 0o777 == 0o700


def test_root_s_own_log_may_be_in_it(tmp_path):
    """`log_file` names one, and the log is written before the state."""
    made = tmp_path / "made"
    made.mkdir()
    made.chmod(0o755)
    (made / "genie.log").touch(0o600)
    Store(str(made)).prepare()
    assert made.stat().st_mode & 0o777 == 0o700


containers = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,300}", fullmatch=True)
interfaces = st.text(
    st.characters(exclude_characters="/:\0", exclude_categories=["Z", "C"]), min_size=1
).filter(lambda name: len(name.encode()) <= 15 and name not in (".", ".."))


@given(containers, interfaces, containers, interfaces)
def test_b67_each_pair_has_its_own_file_name(container, ifname, other, another):
    name = file_name(container, ifname)
    assert len(name.encode()) <= 255
    assert "/" not in name
    assert (name == file_name(other, another)) == ((container, ifname) == (other, another))
    assert key_of(name) in ((container, ifname), None)


def test_all_plans_the_readable_and_the_damaged(store):
    for container in ("a", "b", "c"):
        store.save(plan(container))
    file_of(store, "b").write_bytes(b"\xff")
    found = list(store.plans())
    assert [item.container_id for item in found if isinstance(item, Plan)] == ["a", "c"]
    [damaged] = [item for item in found if isinstance(item, GenieError)]
    assert isinstance(damaged, CorruptState)
    assert key_of(damaged.name) == ("b", "eth0")


def test_what_is_set_aside_is_kept_and_out_of_the_way(store):
    for content in (b"{", b"}"):
        file_of(store).write_bytes(content)
        file_of(store).chmod(0o600)
        with pytest.raises(CorruptState) as caught:
            store.load("c1", "eth0")
        store.set_aside(caught.value)
        assert store.load("c1", "eth0") is None
    kept = Path(store.directory, "corrupt")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert list(kept.iterdir())


def test_sweeping_removes_unneeded_files(store):
    store.save(plan("alive"))
    with store.lock("alive", "eth0", 0), store.lock("at-work", "eth0", 0):
        for name in ("alive@eth0", "gone@eth0"):
            Path(store.directory, "locks", name).touch(mode=0o600)
            Path(store.directory, "tmp", name).touch(mode=0o600)
        store.sweep()
        left = sorted(path.name for path in Path(store.directory, "locks").iterdir())
    assert left == ["alive@eth0", "at-work@eth0"]
    assert list(Path(store.directory, "tmp").iterdir()) == []


SAVE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.contract.test_store import Store, plan
store = Store(sys.argv[1])
while True:
    for count in (1, 9):
        store.save(plan(count=count))
        for index in range(count):
            store.record(Attached(plan(count=count), index, "x" * 3000))
"""


def test_b62_a_writer_that_is_killed_leaves_a_whole_plan(store):
    store.save(plan(count=1))
    for turn in range(5):
        writer = subprocess.Popen([sys.executable, "-c", SAVE, store.directory])
        try:
            writer.wait(timeout=0.25 + turn * 0.021)
        except subprocess.TimeoutExpired:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        loaded = store.load("c1", "eth0")
        assert len(loaded.attachments) in (1, 9)
        assert {item.result for item in loaded.attachments} <= {"", "x" * 3000}


@pytest.mark.parametrize("place", ["", "containers", "tmp", "locks"])
def test_a_directory_that_is_a_link_is_refused(tmp_path, place):
    """A user who could make such a link would choose where root writes."""
    state = tmp_path / "state"
    (tmp_path / "elsewhere").mkdir()
    if place:
        state.mkdir(mode=0o700)
    (state / place if place else state).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IOFailure):
        Store(str(state)).prepare()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_later_process_with_the_same_pid_has_another_namespace_id(tmp_path):
    """Both processes are in one namespace, so only the start of the process differs, as where a PID is used again."""
    ids = []
    for _ in range(2):
        time.sleep(0.05)  # processes' starts are counted in hundredths
        process = subprocess.Popen(["sleep", "60"])
        try:
            path = f"/proc/{process.pid}/ns/net"
            ids.append(namespace_id(path))
            assert namespace_id(path) == ids[-1] != ""
            (tmp_path / "link").unlink(missing_ok=True)
            (tmp_path / "link").symlink_to(path)
            assert namespace_id(str(tmp_path / "link")) == ""  # it may lead elsewhere tomorrow
        finally:
            process.kill()
            process.wait()
        assert namespace_id(path) == ""
    assert ids[0] != ids[1]


@pytest.mark.parametrize("path", ["", "/no/such/file", "/proc/self/ns/net", "/proc/x/ns/net", "a\0b"])
def test_paths_without_a_namespace_id(path):
    assert namespace_id(path) == ""

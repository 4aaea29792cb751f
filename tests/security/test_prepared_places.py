"""Prepared places: links, pipes, devices and other users' files wherever Genie opens a file.

What root would follow, fill or wait for is refused, soon, and nothing happens to what it leads to.
"""

import json
import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from genie_core.edges.files import open_private, refuse_open_way
from genie_core.edges.object_cache import ObjectCache
from genie_core.errors import IOFailure
from genie_core.survey.rootfs import Root
from genie_core.tasks.atomic import write_file

OTHER_UID = 65534
PRECIOUS = "root's own\n"
LITTLE_MEMORY = ("prlimit", "--as=500000000")
SOON = 60.0  # seconds; a call that waits for a pipe never ends


@pytest.fixture
def victim(tmp_path):
    """The target of the attack: a file of root's, in its directory."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o755)
    (folder / "file").write_text(PRECIOUS)
    (folder / "file").chmod(0o600)
    return folder / "file"


def prepare(path, how, victim):
    """Put something in the place of a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    match how:
        case "link":
            path.symlink_to(victim)
        case "hard link":
            os.link(victim, path)
        case "pipe":
            os.mkfifo(path, 0o600)
        case "device":
            path.symlink_to("/dev/zero")
        case "directory":
            path.mkdir(mode=0o700)
        case "writable by others":
            path.touch()
            path.chmod(0o666)
        case "another user's":
            path.touch(0o600)
            os.chown(path, OTHER_UID, OTHER_UID)


FILES = ("lock", "locks/cid1@eth0", "slots/0", "tmp/cid1@eth0")
FOREIGN = pytest.param("another user's", marks=pytest.mark.root)
HOW = ["link", "hard link", "pipe", "device", "directory", "writable by others", FOREIGN]


@pytest.mark.parametrize("how", HOW)
def test_a_prepared_file_in_the_state_directory_fails_the_add(node, victim, how):
    node.networks("a")
    node.config["max_parallel_adds"] = 1
    for place in FILES:
        path = node.state / place
        prepare(path, how, victim)
        began = time.monotonic()
        assert str(path) in node.add().error(5)["msg"]
        assert time.monotonic() - began < SOON
        shutil.rmtree(node.state)
    assert node.said() == []
    assert victim.read_text() == PRECIOUS


@pytest.mark.parametrize("how", HOW)
def test_a_prepared_state_starts_no_program(node, victim, how):
    """A state file says which programs DEL runs: one that is not ours is not believed."""
    node.networks("a")
    node.install("evil", directory=victim.parent)
    assert node.add().result
    [path] = node.states()
    planted = path.read_text().replace(str(node.bin / "a"), str(victim.parent / "evil"))
    path.unlink()
    victim.write_text(planted)
    node.forget_calls()
    prepare(path, how, victim)
    if path.is_file() and how not in {"link", "hard link"}:
        path.write_text(planted)
    assert node.delete().is_silent_success
    assert {call.type for call in node.calls()} == {"a"}
    assert victim.read_text() == planted


@pytest.mark.parametrize("folder", ["", "containers"])
def test_a_state_in_a_directory_that_others_may_write_to_starts_no_program(node, victim, folder):
    """The file is root's own, but another user could have moved it there."""
    node.networks("a")
    node.install("evil", directory=victim.parent)
    assert node.add().result
    [path] = node.states()
    path.write_text(path.read_text().replace(str(node.bin / "a"), str(victim.parent / "evil")))
    (node.state / folder).chmod(0o777)
    node.forget_calls()
    assert node.delete().is_silent_success
    assert {call.type for call in node.calls()} == {"a"}
    node.check().error(5)
    node.gc().error(5)


@pytest.mark.parametrize("folder", ["", "containers", "locks", "slots", "tmp"])
def test_a_directory_that_others_may_write_to_is_refused(node, folder):
    node.networks("a")
    assert node.add().result
    assert node.delete().is_silent_success
    node.forget_calls()
    (node.state / folder).chmod(0o777)
    assert "others may write to it" in node.add().error(5)["msg"]
    assert node.said() == []
    assert (node.state / folder).stat().st_mode & 0o777 == 0o777


def test_a_directory_that_leads_elsewhere_is_not_closed(tmp_path, node, victim):
    """`chmod` would follow the link."""
    node.networks("a")
    node.state.symlink_to(victim.parent)
    assert "not a directory" in node.add().error(5)["msg"]
    assert stat.S_IMODE(victim.parent.stat().st_mode) == 0o755
    assert list(victim.parent.iterdir()) == [victim]


def open_to_all(path):
    path.mkdir()
    path.chmod(0o777)


def of_another_user(path):
    path.mkdir()
    os.chown(path, 12345, 12345)


def link_of_another_user(path):
    target = path.with_name("real")
    target.mkdir()
    path.symlink_to(target)
    os.lchown(path, 12345, 12345)


WAYS = [
    open_to_all,
    *(pytest.param(way, marks=pytest.mark.root) for way in (of_another_user, link_of_another_user)),
]


@pytest.mark.parametrize("make", WAYS)
@pytest.mark.parametrize("key", ["state_dir", "log_file"])
def test_a_way_that_others_can_change_is_not_gone(node, make, key):
    """A user who can replace a directory of the path chooses the file at its end."""
    node.networks("a")
    make(node.root / "open")
    reply = node.add(**{key: str(node.root / "open" / "it")})
    if key == "state_dir":
        assert str(node.root / "open") in reply.error(5)["msg"]
        assert node.said() == []
    else:
        assert reply.result
        assert str(node.root / "open") in reply.events("log file not written")[0]["problem"]
    assert list((node.root / "open").iterdir()) == []


def test_a_way_through_a_sticky_directory_is_right(tmp_path):
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    (tmp_path / "link").symlink_to(tmp_path / "sticky")
    refuse_open_way(str(tmp_path / "sticky" / "genie"))
    refuse_open_way(str(tmp_path / "link" / "genie"))


@pytest.mark.parametrize("place", ["state/objects", "state", "."])
def test_a_copy_of_an_object_that_others_could_have_put_there_is_not_believed(tmp_path, place):
    """It would choose networks while the API server is away."""
    (tmp_path / "way").mkdir()
    key = ("NetworkAttachmentDefinition", "ns", "net")
    cache = ObjectCache(str(tmp_path / "way" / "state"))
    cache.keep(*key, {"spec": {"config": "{}"}})
    assert cache.find(*key)
    (tmp_path / "way" / place).chmod(0o777)
    assert cache.find(*key) is None
    assert list(cache.kept(key[0])) == []


# --- the log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_a_prepared_log_file_is_not_written(node, victim, how):
    node.networks("a")
    log = node.root / "logs" / "genie.log"
    prepare(log, how, victim)
    began = time.monotonic()
    reply = node.add(log_file=str(log))
    assert reply.result
    assert time.monotonic() - began < SOON
    assert [event["file"] for event in reply.events("log file not written")] == [str(log)]
    assert victim.read_text() == PRECIOUS
    assert log.is_symlink() or not log.is_file() or log.read_text() in {"", PRECIOUS}


@pytest.mark.parametrize("how", ["link", "directory"])
def test_what_is_in_the_place_of_the_old_log_is_not_followed(node, victim, how):
    node.networks("a")
    log = node.root / "genie.log"
    log.write_bytes(b"x" * (10 << 20))
    log.chmod(0o600)
    prepare(node.root / "genie.log.1", how, victim)
    reply = node.add(log_file=str(log))
    assert reply.result
    assert victim.read_text() == PRECIOUS
    assert bool(reply.events("log file not rotated")) == (how == "directory")
    assert (node.root / "genie.log.1").is_file() == (how == "link")


# --- what is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pipe", "device", "directory"])
def test_pipes_and_devices_are_not_read(node, victim, serve, how):
    """Configuration, kubeconfig, token and authority: each would keep the ADD waiting, or fill its memory."""
    node.networks("a")
    place = node.root / "prepared.conf"
    prepare(place, how, victim)
    (node.conf / "05-prepared.conf").symlink_to(place)
    there = str(place)
    server = serve().url.replace("http:", "https:")  # authorities are read once the server has answered
    naming = [
        kubeconfig(server, {"tokenFile": there}),
        kubeconfig(server, {}, **{"certificate-authority": there}),
        kubeconfig(server, {"client-certificate": there, "client-key": there}),
    ]
    for text in (None, *naming):
        file = node.root / "kubeconfig" if text else place
        if text:
            file.write_text(text)
        began = time.monotonic()
        options = {"kubernetes": {"kubeconfig": str(file)}, "api_timeout_seconds": 1}
        document = node.add(annotations=None, wrap=LITTLE_MEMORY, **options).error(5)
        assert there in document["msg"]
        assert time.monotonic() - began < SOON
    assert node.add(annotations={}).result


def kubeconfig(server, user, **cluster):
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


# --- what is left ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["0", "0777"])
def test_other_users_cannot_read_it_whatever_the_umask(node, mask):
    if os.geteuid() and mask == "0777":
        mask = "077"  # an ordinary user could not read it either
    wrap = ("sh", "-c", f'umask {mask}; exec "$0"')
    node.networks("a")
    log = node.root / "genie.log"
    assert node.add(wrap=wrap, log_file=str(log)).result
    for path in (log, node.state, *node.state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert node.delete(wrap=wrap, log_file=str(log)).is_silent_success


# --- what is written by commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_a_prepared_temporary_file_is_not_written_to(tmp_path, victim, how):
    """Its name can be guessed; its owner would own the written file."""
    path = tmp_path / "etc" / "token"
    prepare(path.with_name(f".token-{os.getpid()}"), how, victim)
    if how == "directory":
        with pytest.raises(OSError):  # IsADirectoryError, or EPERM
            write_file(path, "new", 0o600)
    else:
        assert write_file(path, "new", 0o600)
        found = path.lstat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode), found.st_nlink) == (os.geteuid(), 0o600, 1)
        assert path.read_text() == "new"
    assert victim.read_text() == PRECIOUS


@pytest.mark.parametrize("how", [*HOW[:4], FOREIGN])
def test_what_is_in_the_place_of_a_written_file_is_replaced(tmp_path, victim, how):
    """Also a file that has the right content and could be changed later."""
    path = tmp_path / "etc" / "token"
    prepare(path, how, victim)
    if how == "another user's":
        path.write_text("new")
    assert write_file(path, "new", 0o600)
    assert (path.lstat().st_uid, path.read_text()) == (os.geteuid(), "new")
    assert stat.S_ISREG(path.lstat().st_mode)
    assert victim.read_text() == PRECIOUS
    assert not write_file(path, "new", 0o600)


@pytest.mark.parametrize("how", HOW)
def test_saved_facts_go_into_no_prepared_file(tmp_path, victim, how):
    path = tmp_path / "facts.json"
    prepare(path, how, victim)
    with pytest.raises(IOFailure):
        open_private(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    assert victim.read_text() == PRECIOUS


# --- files that a pod owns ---------------------------------------------------------------------------------------


@pytest.fixture
def pod(tmp_path):
    """A pod's root directory; its owner may put anything there."""
    (tmp_path / "pod" / "etc").mkdir(parents=True)
    return tmp_path / "pod"


def test_a_pods_link_leads_to_the_pods_own_files(pod):
    (pod / "etc/resolv.conf").symlink_to("/etc/passwd")
    with pytest.raises(FileNotFoundError):
        Root(str(pod)).read("/etc/resolv.conf")
    (pod / "etc/passwd").write_text("the pod's")
    assert Root(str(pod)).text("/etc/resolv.conf") == "the pod's"


def test_a_pods_link_that_is_exchanged_meanwhile_is_not_followed(pod, monkeypatch):
    """Between looking where it leads and opening it."""
    (pod / "etc/resolv.conf").symlink_to("/etc/passwd")
    monkeypatch.setattr(Root, "real", lambda self, path: f"{self.directory}{path}")
    with pytest.raises(OSError, match="symbolic links"):
        Root(str(pod)).read("/etc/resolv.conf")
    (pod / "etc").rename(pod / "gone")
    (pod / "etc").symlink_to("/etc")
    with pytest.raises(OSError):
        Root(str(pod)).read("/etc/passwd")


@pytest.mark.parametrize("how", ["pipe", "directory"])
def test_a_pods_pipe_is_not_waited_for(pod, how):
    prepare(pod / "etc/resolv.conf", how, Path("/"))
    for root in (Root(str(pod)), Root()):
        path = "/etc/resolv.conf" if root.directory != "/" else str(pod / "etc/resolv.conf")
        with pytest.raises(OSError):
            root.read(path)

"""Disks that are full, read-only or strange (issue: never a traceback, nothing left, no pod that cannot go).

Each test runs the plugin in a mount namespace of its own, where nothing stays mounted; an ordinary user gets one
with a user namespace.
"""

import os
import shlex
import signal

import pytest

USER = () if os.geteuid() == 0 else ("--user", "--map-root-user")
PRIVATE = ("unshare", "--mount", *USER, "sh", "-c")


def inside(script):
    """A wrapper that runs the shell script and then the plugin, in its private mount namespace."""
    return (*PRIVATE, f'{script}\nexec "$0"')


@pytest.fixture
def disk(node):
    """The state directory's parent: something to mount on."""
    folder = node.root / "disk"
    folder.mkdir()
    node.config["state_dir"] = f"{folder}/state"
    node.networks("a", "b")
    return shlex.quote(str(folder))


def tmpfs(disk, size, *, fill=""):
    return f"mount -t tmpfs -o size={size},mode=755 none {disk}\n{fill}"


def test_a_full_disk_fails_the_add_before_anything_runs(node, disk):
    fill = f"head -c 1000000 /dev/zero >{disk}/rest 2>/dev/null"
    document = node.add("a,b", wrap=inside(tmpfs(disk, "64k", fill=fill))).error(5)
    assert "No space left on device" in document["msg"]
    assert node.said() == []


@pytest.mark.parametrize("pages", range(6, 10))
def test_a_disk_that_gets_full_in_between_is_undone(node, disk, pages):
    """The delegates print what does not fit any more: the result cannot be recorded, so it cannot stay."""
    big = "x" * 30_000
    for name in ("a", "b"):
        node.answer("ADD", name, stdout={"ips": [{"address": "10.1.0.2/24"}], "dns": {"domain": big}})
    reply = node.add("a,b", wrap=inside(tmpfs(disk, f"{pages * 4}k")))
    assert "No space left on device" in reply.error(5)["msg"]
    adds, deletes = node.said("ADD"), node.said("DEL")
    assert [call.replace("ADD", "DEL") for call in reversed(adds)] == deletes


def test_a_full_disk_does_not_keep_a_pod_from_going(node, disk):
    """Attached while there was room; then the disk fills up; then DEL."""
    stdin = node.root / "stdin"
    stdin.write_bytes(node.stdin(annotations={"cni": "a,b"}))
    script = (
        tmpfs(disk, "128k")
        + f'CNI_COMMAND=ADD "$0" <{stdin} >/dev/null || exit 9\n'
        + f"head -c 1000000 /dev/zero >{disk}/rest 2>/dev/null"
    )
    assert node.delete(wrap=inside(script)).is_silent_success
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]


READ_ONLY = "mount -t tmpfs -o mode=755 none {0}\nmkdir -m 700 {0}/state\nmount -o remount,ro {0}"
OPEN_TO_ALL = READ_ONLY.replace("700", "755")  # it cannot be closed any more
EMPTY = "mount -t tmpfs -o mode=755,ro none {0}"


@pytest.mark.parametrize("state", [READ_ONLY, OPEN_TO_ALL, EMPTY], ids=["private", "open", "none"])
def test_a_read_only_disk_fails_the_add_and_no_del(node, disk, state):
    assert node.delete(wrap=inside(state.format(disk))).is_silent_success
    node.forget_calls()
    document = node.add(wrap=inside(state.format(disk))).error(5)
    assert "Read-only file system" in document["msg"]
    assert node.said() == []


def test_a_read_only_disk_does_not_keep_a_pod_from_going(node, disk):
    stdin = node.root / "stdin"
    stdin.write_bytes(node.stdin(annotations={"cni": "a,b"}))
    script = f'mount -t tmpfs -o mode=755 none {disk}\nCNI_COMMAND=ADD "$0" <{stdin} >/dev/null || exit 9\n'
    script += f"mount -o remount,ro {disk}"
    reply = node.delete(wrap=inside(script))
    assert reply.is_silent_success
    assert node.said("DEL") == ["DEL b@eth1", "DEL a@eth0"]


def test_the_other_verbs_on_a_read_only_disk(node, disk):
    wrap = inside(READ_ONLY.format(disk))
    assert node.call("STATUS", wrap=wrap).is_silent_success
    assert node.call("VERSION", wrap=wrap).result
    node.gc(wrap=wrap).error(5)
    node.check(wrap=wrap).error(5)
    assert node.said() == []


def test_a_read_only_root(node):
    """Everything is read-only but the state: also Genie's own code, whose .pyc files are there already."""
    node.networks("a")
    node.state.mkdir()
    state, log = shlex.quote(str(node.state)), shlex.quote(str(node.log))
    script = f"mount --bind {state} {state}\nmount --bind {log} {log}\n"
    for point in ("/", "/tmp"):
        script += f"mount -o remount,ro,bind {point} 2>/dev/null\n"
    assert node.add(wrap=inside(script)).result
    assert node.delete(wrap=inside(script)).is_silent_success


PLACES = {
    "state directory": "",
    "containers": "containers",
    "locks": "locks",
    "tmp": "tmp",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_where_a_directory_should_be(node, place):
    node.networks("a")
    node.state.mkdir(mode=0o700)
    path = node.state / PLACES[place]
    if path == node.state:
        node.state.rmdir()
    path.write_text("")
    assert str(path) in node.add().error(5)["msg"]
    assert node.said() == []
    assert node.delete().is_silent_success
    assert path.read_text() == ""


@pytest.mark.parametrize("place", ["lock", "locks/cid1@eth0", "tmp/cid1@eth0"])
def test_a_directory_where_a_file_should_be(node, place):
    node.networks("a")
    node.add().result  # noqa: B018 (makes the directories)
    node.delete()
    node.forget_calls()
    path = node.state / place
    path.unlink(missing_ok=True)
    path.mkdir()
    assert str(path) in node.add().error(5)["msg"]
    assert node.said() == []
    assert node.delete().is_silent_success
    assert path.is_dir()


def test_a_link_where_a_file_should_be_is_not_followed(node):
    """A user who can write into the state directory must not make root write elsewhere."""
    node.networks("a")
    victim = node.root / "victim"
    victim.write_text("precious")
    node.state.mkdir(mode=0o700)
    (node.state / "lock").symlink_to(victim)
    node.add().error(5)
    assert victim.read_text() == "precious"


def test_a_state_directory_of_another_user_is_not_used(node):
    node.networks("a")
    node.state.mkdir(mode=0o700)
    node.state.chmod(0o777)
    assert "others may write to it" in node.add().error(5)["msg"]
    if os.geteuid() == 0:
        os.chown(node.state, 65534, 65534)
        assert "another user" in node.add().error(5)["msg"]
    assert node.said() == []


def test_a_state_directory_that_was_made_by_hand_is_closed(node):
    node.networks("a")
    node.state.mkdir(mode=0o755)
    assert node.add().result
    assert node.state.stat().st_mode & 0o777 == 0o700


def test_the_log_file_may_be_impossible(node):
    node.networks("a")
    for file in ("/proc/nothing", str(node.root), "/dev/full"):
        reply = node.add(log_file=file)
        assert reply.result
        assert reply.events("log file not written")
        node.delete()


def test_the_log_file_is_rotated_by_size(node):
    node.networks("a")
    log = node.root / "genie.log"
    log.write_bytes(b"x" * (10 << 20))
    log.chmod(0o600)
    assert node.add(log_file=str(log)).result
    assert node.delete(log_file=str(log)).is_silent_success
    assert (node.root / "genie.log.1").stat().st_size > 10 << 20
    assert log.stat().st_size < 10_000
    assert [json_line for json_line in log.read_text().splitlines() if '"verb": "DEL"' in json_line]


NO_LOCKS = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK")


def test_a_file_system_without_locks_is_a_clear_error_and_keeps_no_pod_from_going(node):
    """As a network file system whose lock service is away (flock(2), ENOLCK)."""
    node.networks("a")
    document = node.add(wrap=NO_LOCKS).error(5)
    assert "cannot lock" in document["msg"]
    assert "No locks available" in document["msg"]
    assert "state_dir" in document["details"]
    assert node.said() == []
    assert node.add().result
    assert node.delete(wrap=NO_LOCKS).is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


def test_a_plan_that_cannot_be_made_durable_attaches_nothing(node):
    """The plugin has been started, and waits for its configuration."""
    node.networks("a", "b")
    failing = ("strace", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO")
    document = node.add("a,b", wrap=failing).error(5)
    assert "Input/output error" in document["msg"]
    assert node.said("DEL") == ["DEL a@eth0"]
    assert node.leftovers() == []


def test_no_plugin_gets_its_configuration_before_the_plan_is_durable(node):
    node.networks("a", "b")
    trace = node.root / "trace"
    record = (
        "strace",
        "-qq",
        "-y",
        "-s",
        "9",
        "-o",
        str(trace),
        "-e",
        "signal=none",
        "-e",
        "fsync,rename,/clone3?$|vfork,write",
    )
    assert node.add("a", wrap=record).result
    calls = trace.read_text().splitlines()
    (renamed,) = (place for place, call in enumerate(calls) if call.startswith("rename"))
    (given,) = (place for place, call in enumerate(calls) if "pipe:" in call and '"{\\"type' in call)
    kinds = [call.partition("(")[0] for call in calls[renamed:given]]
    started = kinds.pop(1)
    assert started in ("clone3", "clone", "vfork")
    assert kinds == ["rename", "fsync", "fsync"], calls


def test_a_plugin_is_released_though_genie_is_killed_the_moment_that_it_starts(node):
    """The plan is in its place before the first plugin runs, whether or not that one has read its configuration."""
    node.networks("a", "b")
    plugin, said = node.bin / "b", node.root / "said"
    plugin.unlink()
    plugin.write_text(f'#!/bin/sh\necho "$CNI_COMMAND" >>{said}\n[ "$CNI_COMMAND" = DEL ] || kill -9 $PPID\n')
    plugin.chmod(0o755)
    late = ("strace", "-qq", "-o", "/dev/null", "-e", "inject=rename:delay_enter=200000")  # microseconds
    assert node.add("b", wrap=late).status == -signal.SIGKILL
    assert node.delete().is_silent_success
    assert said.read_text().split() == ["ADD", "DEL"]
    assert node.leftovers() == []

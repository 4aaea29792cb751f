"""Hostile state directories and reboots with the reference plugins: no lease is lost, no pod is wedged (issue 6)."""

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.system import audit
from tests.system.node import THREE, install_plugin

pytestmark = [pytest.mark.system]


def left(node, before):
    """What is there that was not there before, but for damaged files that are kept for people."""
    lines = audit.left(node, before).splitlines()
    return [line for line in lines if "state corrupt" not in line]


def state_file(node):
    [path] = node.state.glob("containers/*")
    return path


# --- damaged state ------------------------------------------------------------------------------------------


def damage(path, how):
    text = path.read_bytes()
    path.unlink()
    match how:
        case "truncated":
            path.write_bytes(text[: len(text) // 4])
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(os.urandom(4096))
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(path, 0o600)
        case "foreign":
            path.write_bytes(text)
            os.chown(path, 65534, 65534)
    if path.is_file() and not path.is_symlink():
        path.chmod(0o600)


HOW = ["truncated", "empty", "garbage", "directory", "link", "fifo", "foreign", "gone"]


@pytest.mark.parametrize("how", HOW)
def test_a68_del_with_a_damaged_state_releases_everything(node, before, how):
    """All configured networks are asked to release each of its interfaces; without a state, the default one is."""
    node.add("blue" if how == "gone" else THREE)
    damage(state_file(node), how)
    node.delete()
    assert left(node, before) == []
    node.add()
    node.delete()
    assert left(node, before) == []


def test_a_damaged_state_after_the_namespace_is_gone(node, before):
    pod = node.add_pod()
    node.add("blue,red,green@net1", netns=pod.path)
    damage(state_file(node), "garbage")
    pod.remove()
    node.pods.remove(pod)
    node.delete(netns="")
    assert left(node, before) == []


def test_an_add_over_a_damaged_state_of_the_same_container(node, before):
    node.add("red,green")
    damage(state_file(node), "truncated")
    node.add("blue")
    assert [address[:5] for address in node.held()] == ["10.1."]
    node.delete()
    assert left(node, before) == []


@pytest.mark.parametrize("how", ["truncated", "garbage"])
def test_gc_releases_what_a_damaged_state_no_longer_says(node, before, how):
    """The file's name still has its container; the attachment of the running container beside it stays."""
    other = node.add_pod()
    pod = node.add_pod()
    node.add("blue,red", netns=pod.path)
    node.add("blue,green", "c2", netns=other.path)
    pod.remove()
    node.pods.remove(pod)
    damage(node.state / "containers" / "c1@eth0", how)
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    outcome = node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": valid})
    assert (outcome.status, outcome.reply) == (0, None), outcome
    assert sorted(address[:5] for address in node.held()) == ["10.1.", "10.3."]
    node.delete("c2", netns=other.path)
    other.remove()
    node.pods.remove(other)
    node.delete()
    assert left(node, before) == []


@pytest.mark.parametrize("how", ["half a line", "garbage at the end", "no results"])
def test_a_torn_journal_costs_nothing(node, before, how):
    """As a power cut leaves it: the plan was synced, what follows may be anything."""
    node.add()
    path = state_file(node)
    first, _, rest = path.read_bytes().partition(b"\n")
    ends = {
        "half a line": rest[: len(rest) // 2],
        "garbage at the end": rest + b"\x00" * 512,
        "no results": b"",
    }
    path.write_bytes(first + b"\n" + ends[how])
    node.delete()
    assert left(node, before) == []


# --- other versions ----------------------------------------------------------------------------------------


def test_a_state_of_a_newer_version_is_released(node, before):
    """After a downgrade: unknown fields and another format number are no reason to lose an address."""
    node.add("red,green")
    path = state_file(node)
    first, _, rest = path.read_text().partition("\n")
    newer = {**json.loads(first), "format": 2, "later": {"x": 1}}
    path.write_text(json.dumps(newer) + "\n" + rest + '{"invented": 0, "later": true}\n')
    node.delete()
    assert left(node, before) == []


def test_two_versions_of_the_plugin_at_once(node, before, tmp_path, monkeypatch):
    """An upgrade while pods are there: either attaches, the other releases."""
    monkeypatch.setattr("genie_core.__version__", "1.0.0+other")
    other = install_plugin(tmp_path / "other")
    ours = node.plugins
    for first, second in ((ours, other), (other, ours)):
        node.plugins = first
        node.add()
        node.plugins = second
        node.delete()
        assert left(node, before) == []
    node.plugins = ours


# --- reboots and clocks --------------------------------------------------------------------------------------


def booted(node):
    """Words before a command that give it another boot's identity."""
    file = node.root / "boot_id"
    file.write_text("11111111-2222-3333-4444-555555555555\n")
    bind = f"mount --bind {file} /proc/sys/kernel/random/boot_id"
    return ("unshare", "--mount", "sh", "-c", f'{bind} && exec "$0" "$@"')


def reboot(node):
    """Wipe what a reboot wipes: namespaces and links, with them the firewall; keep the disk."""
    node.pods.pop().remove()
    node.host.remove()
    node.attach_host()


def test_after_a_reboot_del_releases_without_touching_the_namespace(node, before):
    """The path may be another pod's by now (lessons 15): its interfaces are left alone."""
    node.add()
    links = node.pod.links()
    addresses = node.held()
    assert len(addresses) == 3
    node.delete(wrap=booted(node))
    assert node.held() == []
    assert node.pod.links() == links
    assert node.state_files() == []
    for name in links:
        node.pod.run("ip", "link", "delete", name)


def test_after_a_reboot_gc_reclaims_everything(node):
    pod = node.add_pod()
    node.add("blue,red", netns=pod.path)
    node.add("green", "c2", netns=node.pod.path)
    reboot(node)
    wrap = booted(node)
    outcome = node.call("GC", wrap=wrap, version="1.1.0", **{"cni.dev/valid-attachments": None})
    assert (outcome.status, outcome.reply) == (0, None), outcome
    assert (node.held(), node.state_files()) == ([], [])
    assert [str(path.name) for path in node.state.glob("locks/*")] == []


def test_after_a_reboot_the_same_container_is_attached_again(node, before):
    """Podman keeps the ID. What the last boot held is released first; then the addresses are given away again."""
    node.add("blue,red")
    held = node.held()
    for name in node.pod.links():
        node.pod.run("ip", "link", "delete", name)
    outcome = node.call("ADD", annotations={"cni": "blue,red"}, wrap=booted(node))
    assert outcome.status == 0, outcome
    assert len(node.held()) == len(held)
    node.delete(wrap=booted(node))
    assert (node.held(), node.state_files()) == ([], [])


def renew(pod):
    """Another namespace at the same path, as where a PID or a name is used again."""
    pod.remove()
    subprocess.run(["ip", "netns", "add", pod.name], check=True)
    pod.run("ip", "link", "set", "lo", "up")


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_another_pods_namespace_at_the_same_path_is_left_alone(node, before, verb):
    """Without a reboot, too: the paths that some runtimes give hold PIDs (lessons 15)."""
    node.add("blue,red", "old")
    renew(node.pod)
    node.add("blue,red", "new")
    links, firewall = node.pod.links(), {line for line in node.trace() if "firewall" in line}
    if verb == "DEL":
        node.delete("old")
    else:
        valid = [{"containerID": "new", "ifname": "eth0"}]
        outcome = node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": valid})
        assert (outcome.status, outcome.reply) == (0, None), outcome
    assert node.state_files() == ["new@eth0"]
    assert len(node.held()) == 2
    assert node.pod.links() == links
    assert {line for line in node.trace() if "firewall" in line} < firewall  # the old one's are gone
    node.delete("new")
    assert left(node, before) == []


def test_check_says_that_the_namespace_is_another_one(node, before):
    result = node.add("blue")
    renew(node.pod)
    outcome = node.call("CHECK", prevResult=result)
    assert (outcome.status, outcome.reply["code"]) == (1, 3), outcome
    assert "is not the namespace that container c1 was attached in" in outcome.reply["msg"]
    node.delete()
    assert left(node, before) == []


def test_the_clock_was_set_back_a_year(node, before):
    """Files from the future: nothing is decided by age."""
    node.add("blue,red")
    later = time.time() + 365 * 86400
    for folder in (node.state, node.conf, node.leases):
        for path in folder.rglob("*"):
            os.utime(path, (later, later))
    check = node.call("CHECK", annotations={"cni": "blue,red"}, prevResult=_result(node))
    assert check.status == 0, check
    outcome = node.call(
        "GC", version="1.1.0", **{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    )
    assert outcome.status == 0, outcome
    assert len(node.held()) == 2
    node.delete()
    assert left(node, before) == []


def _result(node):
    """Some prevResult; ours is in the state."""
    return {"cniVersion": "1.0.0", "ips": []}


# --- a disk that is full or read-only ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(node, before):
    """The state directory on a file system of 64 kB, with room for what is there."""
    shutil.rmtree(node.state)
    node.state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(node.state)], check=True)
    try:
        yield node.state
    finally:
        subprocess.run(["umount", str(node.state)], check=True)


def test_pods_come_until_the_disk_is_full_and_all_go(node, small_disk, before):
    """Each ADD succeeds or says so; what it says is true; every DEL succeeds."""
    pods = []
    full = None
    while full is None:
        pods.append(node.add_pod())
        outcome = node.call("ADD", f"c{len(pods)}", netns=pods[-1].path, annotations={"cni": "blue,red"})
        if outcome.status:
            full = outcome
        assert len(pods) < 40
    assert full.reply["code"] == 5
    assert "No space left" in full.reply["msg"]
    assert pods[-1].links() == {}
    assert len(node.held()) == 2 * (len(pods) - 1)
    (small_disk / "filler").write_bytes(b"x" * max(0, os.statvfs(small_disk).f_bavail * 4096))
    for number, pod in enumerate(pods, 1):
        node.delete(f"c{number}", netns=pod.path)
        assert pod.links() == {}
        pod.remove()
    del node.pods[1:]
    assert node.held() == []
    (small_disk / "filler").unlink()
    assert node.state_files() == []


def test_a_disk_that_became_read_only(node, small_disk):
    """DEL gives everything back without a note of it; once the disk is writable GC has nothing to do but to forget."""
    node.add("blue,red")
    subprocess.run(["mount", "-o", "remount,ro", str(node.state)], check=True)
    assert node.call("ADD", "c2", annotations={"cni": "blue"}).reply["code"] == 5
    node.delete()
    assert (node.held(), node.pod.links()) == ([], {})
    subprocess.run(["mount", "-o", "remount,rw", str(node.state)], check=True)
    outcome = node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": None})
    assert outcome.status == 0, outcome
    assert node.state_files() == []


# --- leftovers of killed calls ------------------------------------------------------------------------------------


def test_gc_sweeps_locks_and_half_written_plans_without_a_container(node, before):
    for folder in ("locks", "tmp"):
        (node.state / folder / "gone@eth0").touch(mode=0o600)
    node.add("blue")
    outcome = node.call(
        "GC", version="1.1.0", **{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    )
    assert outcome.status == 0, outcome
    assert sorted(path.name for path in node.state.glob("*/*@*")) == ["c1@eth0", "c1@eth0"]
    node.delete()
    assert left(node, before) == []

"""The private node: real namespaces, as root and as an ordinary user; nothing outside changes, nothing is left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from genie_core.errors import GenieError, InvalidConfig, IOFailure
from genie_core.sandbox import node_process
from genie_core.sandbox.private_node import PrivateNode
from tests import machine, ordinary_user
from tests.netns import PREFIX
from tests.patience import wait_until
from tests.processes import processes

pytestmark = [pytest.mark.root, pytest.mark.system]

IN_CI = os.environ.get("CI") == "true"
CONF = {
    "cniVersion": "1.0.0",
    "name": f"{PREFIX}-net",
    "type": "bridge",
    "bridge": f"{PREFIX}b",
    "isGateway": True,
    "ipMasq": True,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.213.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    },
}


@pytest.fixture(scope="module")
def node():
    with PrivateNode() as made:
        yield made


def changes_since(before):
    """What this test changed on the machine; in CI no other program is at work on it."""
    lines = machine.difference(before, machine.snapshot()).splitlines()
    return [line for line in lines if IN_CI or PREFIX in line or "10.213." in line or "192.0.2." in line]


def run_bridge(node, verb, netns):
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/usr/lib/cni",
        "PATH": os.environ["PATH"],
    }
    return node.run(["/usr/lib/cni/bridge"], env=env, stdin=json.dumps(CONF))


def test_real_plugins_work_and_change_nothing_outside():
    before = machine.snapshot()
    with PrivateNode() as node:
        netns = node.add_namespace("pod")
        assert netns == "/run/netns/pod"
        added = run_bridge(node, "ADD", netns)
        assert added.returncode == 0, added.stdout
        assert json.loads(added.stdout)["ips"][0]["address"] == "10.213.0.2/24"
        assert "10.213.0.2/24" in node.run(["ip", "-br", "addr", "show", "eth0"], netns=netns).stdout
        assert "masquerade" in node.run(["nft", "list", "ruleset"]).stdout.lower()
        assert f"/var/lib/cni/networks/{PREFIX}-net/10.213.0.2" in node.files("/var/lib/cni")
        assert changes_since(before) == []
        assert run_bridge(node, "DEL", netns).returncode == 0
        assert f"/var/lib/cni/networks/{PREFIX}-net/10.213.0.2" not in node.files("/var/lib/cni")
        node.remove_namespace(netns)
        assert node.files("/run/netns") == []
    assert changes_since(before) == []


def test_the_node_is_another_one(node):
    script = "hostname; ls /proc | grep -c '^[0-9]'; ip -br link | cut -d@ -f1 | sort | tr -d ' \\n'"
    host, processes, links = node.run(["sh", "-c", script]).stdout.split()
    assert host == "private-node"
    assert int(processes) < 10
    assert links.startswith("eth0")


def test_it_has_an_uplink_with_a_neighbour(node):
    """`master: eth0`, a default route, and a gateway that answers."""
    routes = json.loads(node.run(["ip", "-json", "route", "show", "default"]).stdout)
    assert routes[0]["dev"] == "eth0"
    code = (
        "import socket; s = socket.create_server(('192.0.2.1', 8080)); "
        "print('listens', flush=True); s.accept()[0].sendall(b'hello')"
    )
    answer = "import socket; print(socket.create_connection(('192.0.2.1', 8080), 100).recv(5).decode())"
    script = f'nsenter --net=/run/genie-world {sys.executable} -ISc "$1" | {{ read -r _; {sys.executable} -ISc "$2"; }}'
    assert node.run(["sh", "-c", script, "sh", code, answer], timeout=240).stdout.strip() == "hello"


@pytest.mark.parametrize("path", ["/tmp", "/usr/lib", "/root", "/var/log", "/dev/shm", "/sys/fs/cgroup"])
def test_the_real_node_cannot_be_written_to(node, path):
    marker = f"{path}/{PREFIX}-written"
    assert node.run(["touch", marker]).returncode != 0
    assert not os.path.exists(marker)


@pytest.mark.parametrize("path", ["/run", "/var/lib/cni", "/etc/cni/net.d", "/opt/cni/bin"])
def test_places_of_plugins_are_private(node, path):
    name = f"{path}/{PREFIX}-private"
    node.write(name, "text", 0o600)
    assert node.read(name) == "text"
    assert node.run(["stat", "-c", "%a", name]).stdout == "600\n"
    assert not os.path.exists(name)


def test_daemons_of_the_real_node_cannot_be_reached(node):
    """firewalld, asked over D-Bus, would change the real firewall: no socket of /run is there."""
    assert [
        path for path in node.files("/run") if not path.startswith(("/run/netns/", f"/run/{PREFIX}"))
    ] == ["/run/genie-world"]


# Each would reach the real node. Files are opened for writing, and nothing is written: it may be that one succeeds.
ESCAPES = {
    "writable root": "mount -o remount,rw,bind / && touch /usr/lib/{marker}",
    "kernel's settings": "umount -l /proc/sys; exec 3>>/proc/sys/kernel/core_pattern",
    "a new /proc": "mkdir -p /run/p && mount -t proc proc /run/p && exec 3>>/run/p/sys/kernel/core_pattern",
    "settings remounted": "mount -o remount,rw,bind /proc/sys && exec 3>>/proc/sys/kernel/core_pattern",
    "restart": "exec 3>>/proc/sysrq-trigger",
    "devices by /sys": "mount -o remount,rw /sys && exec 3>>/sys/power/state",
    "a device": "mknod /run/{marker} b 7 0",
    "a real device": "ls /dev | grep -vxE 'null|zero|full|random|urandom|tty|net|fd|stdin|stdout|stderr'",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no such rights anywhere")
@pytest.mark.parametrize("way", ESCAPES)
def test_a_hostile_plugin_reaches_nothing_outside_by_roots_rights(node, way):
    script = ESCAPES[way].format(marker=f"{PREFIX}-escaped")
    done = node.run(["sh", "-c", f"( {script} ) && echo escaped"])
    assert "escaped" not in done.stdout, done.stdout + done.stderr
    assert not os.path.exists(f"/usr/lib/{PREFIX}-escaped")


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's private node has its user alone")
def test_roots_private_node_has_the_users_of_the_real_one_and_no_rights_outside(node):
    outside = os.stat("/proc/self/ns/user").st_ino
    inside = node.run(["stat", "-L", "-c", "%i", "/proc/self/ns/user"]).stdout.strip()
    assert int(inside) != outside
    assert node.run(["stat", "-c", "%u %U", "/etc/passwd"]).stdout == "0 root\n"
    assert node.run(["setpriv", "--reuid=65534", "--clear-groups", "id", "-u"]).stdout == "65534\n"


def test_copied_directories_show_what_is_there_and_take_changes(tmp_path):
    folder = tmp_path / "net.d"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.conf").write_text("original")
    (folder / "large.conf").write_bytes(b"x" * (2 << 20))
    (folder / "link.conf").symlink_to("a.conf")
    (folder / "a.conf").chmod(0o640)
    with PrivateNode(copied=[str(folder)]) as node:
        assert node.read(f"{folder}/link.conf") == "original"
        assert node.run(["stat", "-c", "%a", f"{folder}/a.conf"]).stdout == "640\n"
        assert len(node.read(f"{folder}/large.conf")) == 2 << 20
        node.write(f"{folder}/a.conf", "changed")
        node.write(f"{folder}/new.conf", "new")
        assert node.run(["rm", "-r", f"{folder}/link.conf"]).returncode == 0
        assert sorted(node.files(str(folder))) == [
            f"{folder}/{name}" for name in ("a.conf", "large.conf", "new.conf")
        ]
    assert sorted(path.name for path in folder.iterdir()) == ["a.conf", "large.conf", "link.conf", "sub"]
    assert (folder / "a.conf").read_text() == "original"


def test_what_lies_deeper_in_the_nodes_own_directories_takes_changes_too():
    """/etc/cni/net.d where no flag names it, and the directory of the plugin's versions."""
    written = {}
    for folder in ("/etc/cni/net.d", "/etc/cni/genie/net.d", "/opt/cni/bin/.genie/0.9.0"):
        Path(folder).mkdir(parents=True)
        written[folder] = Path(folder, "there")
        written[folder].write_text("original")
    try:
        with PrivateNode() as node:
            for folder, file in written.items():
                assert node.read(str(file)) == "original"
                node.write(str(file), "changed")
                node.write(f"{folder}/new", "new")
            assert node.run(["mv", "/opt/cni/bin/.genie/0.9.0", "/opt/cni/bin/.genie/old"]).returncode == 0
        assert {file.read_text() for file in written.values()} == {"original"}
        assert [len(list(Path(folder).iterdir())) for folder in written] == [1, 1, 1]
    finally:
        for folder in ("/etc/cni/net.d", "/etc/cni/genie", "/opt/cni/bin"):
            shutil.rmtree(folder)


def test_a_missing_directory_is_made_only_inside(tmp_path):
    with PrivateNode(copied=[str(tmp_path / "a" / "b")]) as node:
        node.write(f"{tmp_path}/a/b/c", "text")
    assert list(tmp_path.iterdir()) == []


def test_visible_paths_stay_where_they_are():
    """A clone or plugins below /run, which is hidden."""
    folder = Path(f"/run/{PREFIX}-visible")
    folder.mkdir()
    try:
        (folder / "file").write_text("here")
        with PrivateNode(visible=[str(folder)]) as node:
            assert node.read(str(folder / "file")) == "here"
    finally:
        (folder / "file").unlink()
        folder.rmdir()


def test_a_program_that_takes_too_long_is_killed(node):
    ran = node.run(["sh", "-c", "echo begun; sleep 1000 & sleep 1000"], timeout=2)
    assert ran.expired
    assert ran.stdout == "begun\n"
    wait_until(lambda: node.run(["pgrep", "--runstates=RSD", "sleep"]).stdout == "")


def test_output_and_status_come_back(node):
    ran = node.run(
        ["sh", "-c", 'cat; echo "$A" >&2; exit 3'], stdin="in ä\n", env={"A": "b", "PATH": "/usr/bin:/bin"}
    )
    assert (ran.returncode, ran.stdout, ran.stderr, ran.expired) == (3, "in ä\n", "b\n", False)


def test_a_program_that_is_not_there(node):
    with pytest.raises(FileNotFoundError):
        node.run(["/nonexistent"])
    assert node.run(["true"]).returncode == 0  # and it goes on


def test_functions_can_be_called_inside(node):
    assert node.call(where_am_i, {"key": [1, "ä"]}) == ["private-node", {"key": [1, "ä"]}]
    with pytest.raises(GenieError) as caught:
        node.call(fail_inside)
    assert (caught.value.msg, caught.value.hint, caught.value.code) == ("no good", "mend it", 7)
    with pytest.raises(IOFailure, match="break_inside failed in the private node"):
        node.call(break_inside)
    with pytest.raises(IOFailure, match="end_inside failed in the private node"):
        node.call(end_inside)
    assert node.run(["true"]).returncode == 0  # and it goes on


def test_what_a_function_leaves_behind_does_not_hold_its_caller_up(node):
    pid = node.call(leave_behind)
    assert node.read(f"/proc/{pid}/comm") == "sleep\n"
    node.run(["kill", str(pid)])


def end_inside():
    os.kill(os.getpid(), signal.SIGKILL)


def leave_behind():
    return subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL).pid


def where_am_i(value):
    return [os.uname().nodename, value]


def fail_inside():
    raise InvalidConfig("no good", hint="mend it")


def break_inside():
    raise ValueError


# A user namespace in which no further one may be made, without the capability to do without.
CLOSED = """exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces &&
exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"' sh "$@"
"""


def test_where_namespaces_are_forbidden_it_says_how_to_allow_them(tmp_path):
    """As on a hardened node, or in a container: the kernel refuses, and a person learns what to do."""
    script = tmp_path / "try.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from genie_core.sandbox.private_node import PrivateNode\n"
        "from genie_core.errors import Denied\n"
        "try:\n"
        "    PrivateNode().__enter__()\n"
        "except Denied as error:\n"
        "    print(error.exit_code, error.msg, '|', error.hint)\n"
    )
    command = [sys.executable, "-I", str(script), str(ordinary_user.ROOT)]
    done = subprocess.run(["sh", "-c", CLOSED, "sh", *command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("4 a private node cannot be made here: unshare: "), done.stderr
    assert "unprivileged_userns_clone" in done.stdout


def test_a_root_without_capabilities_can_have_one():
    """As in a container: root there may still become root of a user namespace."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from genie_core.sandbox.private_node import PrivateNode\n"
        "with PrivateNode() as node: print(node.run(['id', '-u']).stdout)\n"
    )
    drop = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    command = [*drop, sys.executable, "-I", "-c", code, str(ordinary_user.ROOT)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n\n"


def test_a_root_who_may_make_no_user_namespace_can_have_one():
    """It keeps root's rights then."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from genie_core.sandbox.private_node import PrivateNode\n"
        "with PrivateNode() as node: print(node.run(['ip', '-o', 'link', 'show', 'eth0']).stdout)\n"
    )
    closed = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        closed,
        "sh",
        sys.executable,
        "-I",
        "-c",
        code,
    ]
    done = subprocess.run([*command, str(ordinary_user.ROOT)], capture_output=True, text=True, check=False)
    assert "eth0" in done.stdout, done.stderr


ORDINARY = """\
import json, sys
sys.path.insert(0, sys.argv[1])
from genie_core.sandbox.private_node import PrivateNode
with PrivateNode() as node:
    netns = node.add_namespace("pod")
    env = dict(CNI_CONTAINERID="c1", CNI_NETNS=netns, CNI_IFNAME="eth0", CNI_PATH="/usr/lib/cni", PATH=sys.argv[3])
    said = {}
    for verb in ("ADD", "DEL"):
        ran = node.run(["/usr/lib/cni/bridge"], env=env | {"CNI_COMMAND": verb}, stdin=sys.argv[2])
        said[verb] = [ran.returncode, ran.stdout]
        said[verb + " firewall"] = node.run(["nft", "list", "ruleset"]).stdout
        said[verb + " leases"] = node.files("/var/lib/cni")
    said["id"] = node.run(["id", "-u"]).stdout
print(json.dumps(said))
"""


def test_an_ordinary_user_can_have_one():
    before = machine.snapshot()
    with ordinary_user.readable_copy() as folder:
        said = ordinary_user.run_python(ORDINARY, folder, json.dumps(CONF), os.environ["PATH"])
    assert said["id"] == "0\n"  # root, in there
    assert said["ADD"][0] == 0, said["ADD"][1]
    assert "10.213.0.2/24" in said["ADD"][1]
    assert "masquerade" in said["ADD firewall"].lower()
    assert f"/var/lib/cni/networks/{PREFIX}-net/10.213.0.2" in said["ADD leases"]
    assert said["DEL"][0] == 0
    assert "masquerade" not in said["DEL firewall"].lower()
    assert changes_since(before) == []


# Makes a node with a process in it that says which one it is, and then hangs as a plugin could.
HANGING = """\
import os, sys
sys.path.insert(0, sys.argv[1])
from genie_core.sandbox.private_node import PrivateNode
with PrivateNode() as node:
    node.add_namespace("pod")
    node.run(["ip", "link", "add", sys.argv[2], "type", "bridge"])
    print("up", flush=True)
    node.run(["sh", "-c", "trap '' INT TERM HUP; sleep 300 & setsid sleep 300"], env={"MARK": sys.argv[2]})
"""


def marked(mark):
    """The processes that carry the mark in their environment, whose parents are gone or not."""
    return processes(lambda words: f"MARK={mark}".encode() in words, "environ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_whatever_ends_its_maker_ends_it_and_all_in_it(number, user):
    mark = f"gt{uuid.uuid4().hex[:8]}"
    before = machine.snapshot()
    with ordinary_user.readable_copy() as folder:
        prefix = [] if user == "root" else ordinary_user.AS_ORDINARY_USER
        command = [*prefix, ordinary_user.python(), "-I", "-c", HANGING, str(folder), mark]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
        ) as maker:
            assert maker.stdout is not None
            assert maker.stderr is not None
            assert maker.stdout.readline() == "up\n", maker.stderr.read()
            wait_until(lambda: len(marked(mark)) >= 3)
            maker.send_signal(number)
            maker.communicate(timeout=240)
        wait_until(lambda: not marked(mark))
    assert [line for line in changes_since(before) if mark in line or IN_CI] == []


def test_it_does_not_outlive_a_failed_start(monkeypatch, tmp_path):
    """What cannot be made private is said, and no process stays."""
    with pytest.raises(GenieError, match="there is no directory to make it in"):
        PrivateNode(copied=["/nonexistent/deeper"]).__enter__()
    monkeypatch.setattr(node_process, "PROGRAM", "import sys; sys.exit('broken')")
    with pytest.raises(IOFailure, match="ended unexpectedly") as caught:
        PrivateNode().__enter__()
    assert caught.value.details == "broken"


def test_a_program_whose_descendant_keeps_its_output_open_ends_at_its_timeout(node):
    """As a plugin that starts a daemon: it is in a session of its own, which the kill does not reach."""
    ran = node.run(["sh", "-c", "echo begun; setsid sleep 300 & sleep 300"], timeout=1)
    assert ran.expired
    assert ran.stdout == "begun\n"


@pytest.mark.parametrize("descriptors", [1, 3], ids=["no connection", "no process"])
def test_without_descriptors_the_error_says_so(descriptors):
    code = """if True:
        import os, resource, sys
        from genie_core.errors import GenieError
        from genie_core.sandbox.private_node import PrivateNode
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        for descriptor in held[: int(sys.argv[1])]:
            os.close(descriptor)
        try:
            PrivateNode().__enter__()
        except GenieError as error:
            os.write(1, error.msg.encode())
        """
    ran = subprocess.run(
        [sys.executable, "-c", code, str(descriptors)],
        cwd=node_process.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "a private node cannot be made here: Too many open files"

"""Every source may be away, hang, or be forbidden: the rest is diagnosed in time, and what is missing is named."""

import ctypes
import json
import os
import struct
import subprocess
from collections import Counter
from contextlib import contextmanager

import jsonschema
import pytest

from tests import ordinary_user, warm
from tests.diagnose.lab import Lab
from tests.diagnose.test_command import SCHEMA

pytestmark = pytest.mark.root

TRIES = (
    6  # each reading has seconds of its own, in which a machine that is busy with other things may do nothing
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A pod whose veth left its bridge: the finding that must be there whatever is missing."""
    with Lab(tmp_path_factory.mktemp("lab") / "files", tag="m") as built:
        built.sh("n link set veth1 nomaster")
        yield built


@pytest.fixture
def debug(lab, tmp_path):
    """Run the command; with `covered`, in a mount namespace where other files lie over those programs."""
    program = warm.client(tmp_path / "commands")

    def run(*extra, covered=None, objects=True, code=1):
        arguments = lab.arguments("p1")
        files = arguments.index("--pod-file")
        arguments = arguments if objects else [*arguments[:files], *arguments[files + 4 :]]
        mounts = [f"mount --bind {file} {path}" for path, file in (covered or {}).items()]
        inside = ["ip", "netns", "exec", f"{lab.prefix}-node", "unshare", "--mount"]
        covering = ["sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]
        command = [*inside, *covering, str(program)]
        for _ in range(TRIES):
            done = subprocess.run(
                [*command, *arguments, "--no-probes", *extra],
                capture_output=True, text=True, check=False, timeout=240,
                env=os.environ | {"HOME": str(tmp_path), "KUBECONFIG": "", "NODE_NAME": "node"},
            )  # fmt: skip
            if done.returncode == code:
                break
        assert done.returncode == code, done.stdout + done.stderr
        report = json.loads(done.stdout)
        if report["kind"] == "DiagnosisReport":
            jsonschema.validate(report, SCHEMA)
        return report

    return run


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@contextmanager
def opened(*directories):
    """How often each file in the directories is opened, by its name (inotify(7))."""
    libc, count = ctypes.CDLL(None, use_errno=True), Counter[str]()
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for directory in directories:
            assert libc.inotify_add_watch(watcher, os.fsencode(directory), 0x20) >= 0  # IN_OPEN
        yield count
        events = os.read(watcher, 1 << 16)
        while events:
            _, mask, _, length = struct.unpack_from("iIII", events)
            name, events = events[16 : 16 + length].rstrip(b"\0").decode(), events[16 + length :]
            count.update([] if mask & 0x40000000 else [name])  # IN_ISDIR
    finally:
        os.close(watcher)


def skipped(report):
    return {check["id"]: check["reason"] for check in report["checks"] if check["status"] == "skip"}


def finds_the_cause(report):
    return report["findings"][0]["code"] == "GN0402"


def test_a_firewall_program_that_hangs_costs_its_deadline_and_its_checks(debug, script):
    """iptables' tools are one program: all of them hang with it, in a process that they have started."""
    child = f"sleep 600.{os.getpid()}"
    report = debug(covered={"/usr/sbin/iptables-save": script(f"{child} & wait")})
    assert finds_the_cause(report)
    assert "iptables-save gave no answer in time" in report["missing"]["node firewall"]
    assert subprocess.run(["pgrep", "-f", child], capture_output=True, check=False).stdout == b""


def test_without_nft_and_iptables_the_firewall_checks_say_what_is_not_installed(debug, tmp_path):
    nothing = tmp_path / "nothing"
    nothing.touch()
    report = debug(covered={"/usr/sbin/nft": nothing, "/usr/sbin/iptables-save": nothing})
    assert finds_the_cause(report)
    assert "nft is not installed" in skipped(report)["firewall"]
    assert "iptables-save is not installed" in report["missing"]["node firewall"]


def test_without_nft_no_rule_is_called_harmless(debug, tmp_path):
    """iptables-save shows its own tables alone: the check passed beside an nft rule that it could not see."""
    nothing = tmp_path / "nothing"
    nothing.touch()
    report = debug(covered={"/usr/sbin/nft": nothing})
    assert finds_the_cause(report)
    assert "not everything was read: nft is not installed" in skipped(report)["rewritten"]


def test_without_connection_tracking_its_check_is_skipped(debug, tmp_path):
    (tmp_path / "nothing").mkdir()
    report = debug(covered={"/proc/sys/net/netfilter": tmp_path / "nothing"})
    assert finds_the_cause(report)
    assert "nf_conntrack is not loaded" in skipped(report)["conntrack"]


def test_without_an_api_server_what_needs_it_is_skipped(debug):
    report = debug(objects=False)
    assert finds_the_cause(report)
    reasons = skipped(report)
    assert all("no API server" in reasons[name] for name in ("services", "sandbox-made", "network-released"))


def test_without_a_runtime_it_is_said_how_to_name_one(debug):
    assert "--cri-socket" in debug()["missing"]["runtime"]
    named = debug("--cri-socket", "/run/none-such.sock")
    assert finds_the_cause(named)
    assert "none-such.sock" in named["missing"]["runtime"]


def test_no_file_of_the_node_is_read_twice(debug, lab):
    """The checks of the pod's network and those of the node's files judge one survey."""
    with opened(lab.conf, lab.leases, lab.results) as count:
        report = debug()
    assert {"pod-link-up", "conf-readable", "cache-stale"} <= {check["id"] for check in report["checks"]}
    assert count == dict.fromkeys(
        ("10-bridge.conflist", "10.244.1.10", "10.244.1.11", *os.listdir(lab.results)), 1
    )


def test_directories_that_are_not_there_are_named(debug):
    report = debug("--ipam-dir", "/none/such", "--cache-dir", "/none/such")
    assert report["missing"]["leases"] == "/none/such does not exist"
    assert finds_the_cause(report)


def test_when_the_time_is_up_what_was_found_is_printed(debug, script):
    """Exit code 124, one document that holds to the schema, what was found among it, what was cut off named."""
    child = f"sleep 601.{os.getpid()}"
    covered = {"/usr/sbin/nft": script(f"{child} & wait")}
    for _ in range(TRIES):
        report = debug("--timeout", "2.8s", covered=covered, code=124)  # nft has 3 s of its own
        if report["findings"]:
            break
    assert report["metadata"]["durationMs"] < 60_000  # the child takes 10 minutes
    assert subprocess.run(["pgrep", "-f", child], capture_output=True, check=False).stdout == b""
    assert report["timedOut"] is True
    assert "--timeout" in report["missing"]["node firewall"]
    assert [finding["code"] for finding in report["findings"]][:1] == ["GN0402"]
    nothing = debug("--timeout", "1ms", code=124)
    assert nothing["timedOut"] is True
    assert nothing["findings"] == []


def test_probes_without_an_answer_do_not_extend_the_deadline(debug):
    for seconds in range(2, 2 + TRIES):  # all probes in turn take half a minute
        report = debug("--probes", "--timeout", f"{seconds}s", code=124)
        if report["findings"] and "probes" in report["missing"]:
            break
    assert "had not ended in time" in report["missing"]["probes"]
    assert report["findings"][0]["code"] == "GN0402"


def test_an_invalid_timeout_is_wrong_usage(debug):
    assert "duration" in debug("--timeout", "soon", code=2)["message"]


def test_an_ordinary_user_sees_which_capability_is_missing(lab):
    """A real one, who may not even read the clone: on a copy of the code."""
    where = ["--netns", lab.netns("p1"), "--no-probes", "--only", "pod|firewall|node-forwards", "-o", "json"]
    with ordinary_user.readable_copy() as folder:
        inside = ("ip", "netns", "exec", f"{lab.prefix}-node")
        done = ordinary_user.genie(folder, "debug", "pod", "default/p1", *where, inside=inside)
    assert done.returncode == 4, done.stderr
    report = json.loads(done.stdout)
    assert "CAP_SYS_ADMIN" in report["missing"]["pod"]
    assert "CAP_SYS_ADMIN" in skipped(report)["pod-link-up"]
    assert "node" not in report["missing"]
    assert "ermitted" in report["missing"]["node firewall"] or "root" in report["missing"]["node firewall"]

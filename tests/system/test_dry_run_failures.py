"""`genie dry-run` of plugins that fail, hang or leave something behind, and dry runs that are interrupted."""

import json
import os
import signal
import subprocess

import pytest

from tests import machine, warm
from tests.netns import PREFIX
from tests.patience import wait_until
from tests.processes import processes
from tests.system.dry_runs import BIN, changes_since, command, dry_run, names, network

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.usefixtures("code_in_place")]


def test_a_failing_plugin_is_shown_and_what_came_before_is_undone(conf_dir, plugin):
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    arguments = plugin(
        """
        case $CNI_COMMAND in ADD)
            echo '{"code": 120, "msg": "no more room", "details": "all 5 are taken"}'
            exit 1
        esac"""
    )
    arguments += ["--cni", "blue,scripted", "--conf-dir", str(conf_dir), "--bin-dir", BIN]
    report = dry_run(*arguments, code=1)
    add = report["calls"][0]
    assert [(step["verb"], step["network"], step["status"]) for step in add["steps"]] == [
        ("ADD", "blue", 0),
        ("ADD", "scripted", 1),
        ("DEL", "scripted", 0),
        ("DEL", "blue", 0),
    ]
    assert add["error"]["code"] == 120
    assert (
        add["error"]["msg"]
        == 'network "scripted" (eth1): plugin type="scripted" name="scripted" failed (add): no more room'
    )
    assert report["pod"]["interfaces"] == []
    assert report["node"]["left"] == []


def test_the_cause_of_a_failed_add_comes_first_and_no_second_pod_is_tried(plugin):
    """Leftovers of a failed ADD are named as such; a second pod would fail likewise and show nothing more."""
    arguments = plugin(
        """
        ip link add "lk${CNI_CONTAINERID%${CNI_CONTAINERID#?????}}" type bridge >&2
        echo '{"code": 120, "msg": "no more room"}'
        exit 1"""
    )
    done = warm.run("dry-run", *arguments)
    assert done.returncode == 1
    assert "second pod" not in done.stderr
    first = " ".join(" ".join(done.stdout.splitlines()[:6]).split())
    assert "failed with CNI error 120" in first
    assert "no more room" in first
    assert "failed, see above" in done.stdout
    assert "This is there since the ADD failed" in " ".join(done.stdout.split())


def test_a_network_that_was_never_attached_is_let_go(conf_dir):
    """Debian's macvlan looks for its master on DEL too: such a pod can still be removed."""
    bad = network("bad", 2, type="macvlan", master="nosuch0")
    (conf_dir / "20-bad.conflist").write_text(json.dumps(bad))
    report = dry_run("--cni", "bad", "--conf-dir", str(conf_dir), code=1)
    assert [(call["verb"], call["ok"]) for call in report["calls"]] == [
        ("ADD", False),
        ("DEL", True),
        ("DEL", True),
        ("GC", True),
    ]
    assert "Link not found" in report["calls"][0]["error"]["msg"]


def test_what_every_pod_leaves_is_a_failure(plugin):
    """A lease, a link and a rule that DEL forgets; while what pods share may stay."""
    arguments = plugin(
        """
        case $CNI_COMMAND in ADD)
            mkdir -p /var/lib/cni/leaky
            echo >/var/lib/cni/leaky/shared >"/var/lib/cni/leaky/$CNI_CONTAINERID"
            ip link add "lk${CNI_CONTAINERID%${CNI_CONTAINERID#?????}}" type bridge
            ip link show shared0 >&2 || ip link add shared0 type bridge
        esac
        echo '{"cniVersion": "1.0.0"}'"""
    )
    report = dry_run(*arguments, code=1)
    assert all(call["ok"] for call in report["calls"])
    left = report["node"]["left"]
    assert len([name for name in names(left, "interface") if name.startswith("lk")]) == 1
    assert any(name.startswith("/var/lib/cni/leaky/") for name in names(left, "file"))
    assert report["summary"]["ok"] is False


def test_an_interface_left_in_the_pod_is_a_failure(plugin):
    arguments = plugin(
        """
        case $CNI_COMMAND in ADD)
            nsenter --net="$CNI_NETNS" ip link add left0 type bridge
        esac
        echo '{"cniVersion": "1.0.0"}'"""
    )
    report = dry_run(*arguments, code=1)
    assert "left0 (bridge) in the pod" in names(report["node"]["left"], "interface")


def test_a_plugin_that_cannot_del_twice_does_no_harm(plugin):
    """DEL may be repeated and has to succeed then (SPEC, "DEL"): genie sees to it whatever the plugin does."""
    arguments = plugin(
        """
        case $CNI_COMMAND in DEL)
            [ ! -e "/run/$CNI_CONTAINERID" ] || { echo '{"code": 123, "msg": "already gone"}'; exit 1; }
            echo >"/run/$CNI_CONTAINERID"
        esac
        echo '{"cniVersion": "1.0.0"}'"""
    )
    report = dry_run(*arguments, code=0)
    assert [call["ok"] for call in report["calls"]] == [True] * 5


def test_a_plugin_that_hangs(plugin):
    report = dry_run(*plugin(f"exec sleep 300.{os.getpid()}"), "--timeout", "4s", code=124)
    assert report["summary"]["timedOut"] is True
    assert "no answer within" in report["calls"][0]["error"]["msg"]
    wait_until(lambda: not sleeping(f"300.{os.getpid()}"))


def test_a_second_pod_that_is_cut_off_is_no_proof(plugin):
    """Its half of a life was taken for what every pod leaves behind: exit code 1, and a wrong list."""
    arguments = plugin(
        f"""
        case $CNI_COMMAND in ADD)
            mkdir -p /var/lib/cni/shared
            [ ! -e /var/lib/cni/shared/first ] || exec sleep 301.{os.getpid()}
            echo >/var/lib/cni/shared/first
        esac
        echo '{{"cniVersion": "1.0.0"}}'"""
    )
    report = dry_run(*arguments, "--timeout", "6s", code=124)
    assert all(call["ok"] for call in report["calls"])
    assert (report["summary"]["timedOut"], report["summary"]["released"]) == (True, False)
    assert report["node"]["left"] == []


def sleeping(seconds):
    """The processes `sleep SECONDS`."""
    return processes(lambda words: words == [b"sleep", seconds.encode(), b""])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_in_the_middle_it_leaves_nothing(plugin, number):
    seconds = f"30{int(number)}.{os.getpid()}"
    before = machine.snapshot()
    arguments = plugin(f"ip link add {PREFIX}x type bridge; exec sleep {seconds}")
    with subprocess.Popen(
        command(*arguments, "-o", "json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        wait_until(lambda: sleeping(seconds))
        running.send_signal(number)
        out, err = running.communicate(timeout=240)
    wait_until(lambda: not sleeping(seconds))
    assert changes_since(before) == []
    if number == signal.SIGKILL:
        assert running.returncode == -number
    else:
        assert running.returncode == 130
        assert "error: interrupted" in err
        assert "Traceback" not in err
        assert json.loads(out)["exitCode"] == 130

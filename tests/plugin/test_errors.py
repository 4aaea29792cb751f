"""How a call fails: one JSON document, the right code, nothing left, no secret printed (A52-A59)."""

import json
import os
import signal
import subprocess

import pytest

from tests.patience import wait_until
from tests.plugin.harness import listens
from tests.processes import has_ended

SECRET = "SECRET-d41d8cd9"


def test_a52_an_error_is_a_document_on_stdout_and_exit_status_1(node):
    node.networks("a")
    node.fail("ADD", "a", code=999, msg="broken", details="here")
    document = node.add().error(999)
    assert document["cniVersion"] == "1.1.0"
    assert document["details"].startswith("here")


@pytest.mark.parametrize("problem", ["404", "no server"])
def test_a53_a_status_that_cannot_be_written_leaves_the_result_alone(node, problem):
    """With two networks the pod gets a status annotation; the result is still the only document on stdout."""
    node.networks("a", "b")
    reply = node.add("a,b", kubernetes={"k8s_api_root": "http://127.0.0.1:1"}, api_timeout_seconds=0.3)
    assert len(reply.result["ips"]) == 2
    assert reply.events("pod not annotated")


def test_a54_code_4_names_the_variable(node):
    assert "CNI_ARGS" in node.add(env={"CNI_ARGS": "x"}).error(4)["msg"]


def test_a54_code_7_names_the_key(node):
    assert "delegate_timeout_seconds" in node.add(delegate_timeout_seconds="soon").error(7)["msg"]


@pytest.mark.parametrize("value", [[], "x", 7, True])
def test_a54_a_runtime_config_that_is_no_object(node, value):
    node.networks("a")
    assert "runtimeConfig" in node.add(annotations=None, runtimeConfig=value).error(7)["msg"]
    assert node.said() == []


@pytest.mark.parametrize("annotations", [[], "x", {"cni": 7}, {"cni": None}, {"cni": ["a"]}])
def test_a54_annotations_that_are_no_strings(node, annotations):
    node.networks("a")
    assert "annotation" in node.add(annotations=annotations).error(7)["msg"]
    assert node.said() == []


def test_a55_a_state_directory_that_cannot_be(node):
    node.networks("a")
    (node.root / "file").write_text("")
    for path in (node.root / "file", node.root / "file" / "below"):
        assert str(node.root / "file") in node.add(state_dir=str(path)).error(5)["msg"]
    assert node.said() == []


@pytest.mark.parametrize("code", [1, 2, 4, 7, 11, 50, 51, 99, 100, 110, 999])
def test_a56_a_delegates_code_is_kept_and_its_network_named(node, code):
    node.network("blue", "a")
    node.fail("ADD", "a", code=code, msg="wrong colour", details="more")
    document = node.add().error(code)
    assert document["msg"] == 'network "blue" (eth0): plugin type="a" failed (add): wrong colour'
    assert document["details"].startswith("more")


def test_a56_code_3_would_mean_that_no_del_is_needed(node):
    node.networks("a", "b")
    node.fail("ADD", "b", code=3)
    assert node.add("a,b").error(101)


def test_a57_an_api_server_that_is_down_means_try_again(node):
    node.networks("a")
    reply = node.add(
        annotations=None, kubernetes={"k8s_api_root": "http://127.0.0.1:1"}, api_timeout_seconds=0.3
    )
    reply.error(11)
    assert node.said() == []


def test_a57_no_source_of_annotations_means_try_again(node):
    node.networks("a")
    assert "ns/p" in node.add(annotations=None).error(11)["msg"]


def test_a58_nothing_but_the_document_is_on_stdout(node):
    node.networks("a", "b")
    for name in ("a", "b"):
        node.answer(
            "ADD", name, stderr='{"not": "yours"}\nWARNING\n', stdout={"ips": [{"address": "10.1.1.2/24"}]}
        )
    reply = node.add("a,b", log_level="debug", env={"PYTHONWARNINGS": "always", "PYTHONVERBOSE": "1"})
    assert reply.result["ips"]
    assert reply.stdout.count(b"\n") == 1
    assert "WARNING" in reply.stderr


def secrets(node):
    return {
        "kubernetes": {"k8s_api_root": "http://127.0.0.1:1", "kubeconfig": ""},
        "policy": {"k8s_auth_token": SECRET, "type": "k8s", "k8s_api_root": "http://127.0.0.1:1"},
        "api_timeout_seconds": 0.3,
        "log_level": "debug",
        "log_file": str(node.root / "genie.log"),
        "etcd_password": SECRET,
    }


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
@pytest.mark.parametrize("fate", ["well", "failing", "bad setting"])
def test_a59_x14_no_secret_is_printed(node, verb, fate):
    for name in ("a", "b"):
        node.network(name, version="1.1.0")
    changes = {**secrets(node), "prevResult": {"cniVersion": "1.1.0"}, "cni.dev/valid-attachments": []}
    if verb in ("CHECK", "DEL"):
        assert node.add("a,b").result
    if fate == "failing":
        node.fail(verb, code=7, msg="delegate's own words")
    if fate == "bad setting":
        changes |= {"conf_dirs": SECRET}
    reply = node.call(verb, annotations={"cni": "a,b"}, env={"TOKEN": SECRET}, **changes)
    log = (node.root / "genie.log").read_text() if (node.root / "genie.log").exists() else ""
    if fate != "bad setting":
        assert reply.status == (fate == "failing")
        assert log
    assert SECRET not in reply.stdout.decode() + reply.stderr + log


def test_a59_without_annotations_the_token_is_used_and_not_printed(node):
    reply = node.add(annotations=None, **secrets(node))
    reply.error(11)
    assert SECRET not in reply.stdout.decode() + reply.stderr + (node.root / "genie.log").read_text()


def test_x33_an_error_is_one_sentence_without_noise(node):
    document = node.add("nobody").error(7)
    for noise in ("%!", "<nil>", "None", "error:", "\n", "internal"):
        assert noise not in document["msg"]
    assert "generate-config" in document["details"]


# --- being stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_an_add_undoes_it(node, number):
    """The running delegate is killed with its children, every attempt is released, and the answer has code 11."""
    node.networks("a", "b", "c")
    node.answer("ADD", "b", shell="sleep 300 & echo $! >$home/child; wait")
    running = node.start("ADD", annotations={"cni": "a,b,c"}).feed()
    wait_until((node.root / "child").exists)
    reply = running.signal(number).wait()
    assert str(int(number)) in reply.error(11)["msg"]
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]
    assert node.leftovers() == []
    wait_until(lambda: has_ended(int((node.root / "child").read_text())))


def test_a_second_signal_does_not_stop_the_undoing(node):
    node.networks("a")
    node.answer("ADD", "a", sleep=300)
    node.answer("DEL", "a", shell=': >"$home/undoing"', sleep=0.5)
    running = node.start("ADD", annotations={}).feed()
    wait_until(lambda: node.said() == ["ADD a@eth0"])
    running.signal(signal.SIGTERM)
    wait_until((node.root / "undoing").exists)
    running.signal(signal.SIGTERM).signal(signal.SIGINT).wait().error(11)
    assert node.calls("DEL")[0].ended
    assert node.leftovers() == []


def test_a_signal_while_stdin_is_read(node):
    running = node.start("ADD", annotations={})
    wait_until(lambda: listens(running.process.pid))
    running.signal(signal.SIGTERM)
    assert running.process.wait(100) == 1  # before stdin is fed
    running.wait().error(11)


def test_a_signal_during_a_del_tries_the_other_networks(node):
    node.networks("a", "b")
    assert node.add("a,b").result
    node.answer("DEL", "b", sleep=300)
    running = node.start("DEL").feed()
    wait_until(lambda: "DEL b@eth1" in node.said())
    running.signal(signal.SIGTERM).wait().error(11)
    assert node.said("DEL") == ["DEL b@eth1", "DEL a@eth0"]
    node.heal()
    assert node.delete().is_silent_success
    assert node.said("DEL") == ["DEL b@eth1", "DEL a@eth0", "DEL b@eth1"]
    assert node.leftovers() == []


# --- a runtime that is not there any more


def start_with_closed_reader(node, which, **options):
    """Begin a call whose stdout or stderr has no reader: writing to it fails (EPIPE)."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [node.genie],
        env=node.environment("ADD"),
        stdin=subprocess.PIPE,
        stdout=writer if which == "stdout" else subprocess.PIPE,
        stderr=writer if which == "stderr" else subprocess.PIPE,
        start_new_session=True,
    )
    os.close(writer)
    return process, node.stdin(annotations={"cni": "a,b"}, **options)


def test_a_stderr_without_a_reader_does_no_harm(node):
    node.networks("a", "b")
    node.answer("ADD", "b", stderr="a warning", stdout={"ips": [{"address": "10.1.1.2/24"}]})
    process, stdin = start_with_closed_reader(node, "stderr", log_level="debug")
    stdout, _ = process.communicate(stdin, timeout=100)
    assert process.returncode == 0, stdout
    assert len(json.loads(stdout)["ips"]) == 2


def test_a_stdout_without_a_reader_leaves_a_state_for_del(node):
    node.networks("a", "b")
    process, stdin = start_with_closed_reader(node, "stdout")
    process.communicate(stdin, timeout=100)
    assert process.returncode == 1
    assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]


def test_b25_a_delegates_stderr_is_read_while_it_runs(node):
    """One MiB of a delegate's stderr arrives as its end; Genie's own log lines stay whole."""
    node.networks("a")
    node.answer("ADD", "a", shell="head -c 1048576 /dev/zero | tr '\\0' x >&2; echo THE END >&2; echo '{}'")
    reply = node.add()
    assert reply.result
    assert "THE END" in reply.stderr
    assert reply.events("done")


def test_lessons11_an_error_that_is_known_comes_with_its_remedy(node):
    """The plugin's own code, message and details stay; what to do stands behind them."""
    node.networks("a", "b")
    node.fail("ADD", "b", code=999, msg="failed to add route {Dst: 0.0.0.0/0}: file exists", details="mine")
    document = node.add("a,b").error(999)
    assert "failed to add route" in document["msg"]
    assert document["details"].startswith("mine; ")
    assert "genie dry-run" in document["details"]

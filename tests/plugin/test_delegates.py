"""Finding and running delegates of every behaviour (conformance B15-B35, A56, X20, X34)."""

import os
import threading
import time

import pytest

from genie_core.spec.request import DELEGATE_MARK

MIB = 1 << 20
RESULT = '{"cniVersion": "1.0.0", "ips": [{"address": "10.5.0.2/24"}]}'


def test_b16_a_type_is_a_file_name(node):
    for type_ in ("../evil", "a/b", "a\\b", "..", ".", "a\x00", "a\nb"):
        node.file("10-n.conflist", {"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": type_}]})
        assert "invalid plugin name" in node.add("n").error(7)["msg"]


@pytest.fixture
def second(node):
    directory = node.root / "bin2"
    directory.mkdir()
    return directory


def test_b17_the_first_directory_that_has_the_file(node, second):
    node.networks("a")
    node.install("a", directory=second)
    path = f"{node.root}/missing:{second}:{node.bin}"
    assert node.add("a", env={"CNI_PATH": path}).result
    assert node.calls()[0].argv0 == str(second / "a")
    assert node.calls()[0].env["CNI_PATH"] == path


def test_b17_a_directory_of_that_name_is_passed_over(node, second):
    node.networks("a")
    (second / "a").mkdir()
    assert node.add("a", env={"CNI_PATH": f"{second}:{node.bin}"}).result


def test_b17_b32_a_file_that_cannot_be_executed_is_an_error_and_is_not_passed_over(node, second):
    node.networks("a")
    (second / "a").write_text("#!/bin/sh\n")
    document = node.add("a", env={"CNI_PATH": f"{second}:{node.bin}"}).error(101)
    assert f"cannot execute {second}/a: it is not executable" in document["msg"]
    assert node.said("ADD") == []


def test_b17_not_found(node, second):
    node.networks("a")
    (node.bin / "a").unlink()
    document = node.add("a", env={"CNI_PATH": f"{node.bin}:{second}"}, bin_dirs=[str(node.root)]).error(7)
    assert f'failed to find plugin "a" in path [{node.bin} {second} {node.root}]' in document["msg"]


@pytest.mark.parametrize("path", [":{bin}", "{bin}:", "::{bin}::"])
def test_b18_empty_elements_of_cni_path_are_nothing(node, path):
    node.networks("a")
    path = path.format(bin=node.bin)
    assert node.add(env={"CNI_PATH": path}).result
    assert node.calls()[0].env["CNI_PATH"] == path  # B19: as it was


def test_b19_cni_path_comes_before_the_configured_directories(node, second):
    node.networks("a", "b")
    node.install("a", directory=second)
    (node.bin / "b").rename(second / "b")
    assert node.add("a,b", bin_dirs=[str(second)]).result
    assert [call.argv0 for call in node.calls()] == [str(node.bin / "a"), str(second / "b")]


# --- the environment


def test_b20_b22_x34_the_callers_environment_with_only_cni_changed(node):
    node.networks("a", "b")
    own = {
        "FOO": "bar",
        "TRACEPARENT": "00-x",
        "CNI_NETNS_OVERRIDE": "0",
        "LD_LIBRARY_PATH": "/opt/lib",
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere",
        "EMPTY": "",
    }
    assert node.add("a,b@net7", env=own).result
    first, second = node.calls()
    assert first.env == {**node.environment("ADD", **own), DELEGATE_MARK: "1"}
    assert second.env == {**first.env, "CNI_IFNAME": "net7"}
    for call in (first, second):
        assert len(call.environ) == len(call.env)  # no duplicates


@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C"}, {"LC_CTYPE": "POSIX"}, {"LANG": "C.UTF-8"}, {"LC_ALL": "xx_YY"}]
)
def test_b22_the_interpreter_adds_nothing(node, locale):
    """Python coerces the C locale and writes LC_CTYPE into its own environment (PEP 538)."""
    node.networks("a")
    assert node.add(env=locale).result
    assert node.calls()[0].env == {**node.environment("ADD", **locale), DELEGATE_MARK: "1"}


def test_b22_bytes_that_are_no_text(node):
    node.networks("a")
    odd = os.fsdecode(b"\xff\xfe=\xc3")
    assert node.add(env={"ODD": odd, odd.replace("=", ""): "1"}).result
    assert node.calls()[0].env["ODD"] == odd


# --- input and output


def test_b23_a_delegate_need_not_read_a_megabyte(node):
    node.network("a", {"type": "a", "padding": "x" * MIB})
    (node.bin / "a").unlink()
    (node.bin / "a").write_text(f"#!/bin/sh\nprintf '%s' '{RESULT}'\n")
    (node.bin / "a").chmod(0o755)
    assert node.add().result["ips"][0]["address"] == "10.5.0.2/24"


def test_b23_stdin_ends(node):
    """The probe reads to the end: it would hang otherwise."""
    node.network("a", {"type": "a", "padding": "x" * MIB})
    assert node.add().result
    assert len(node.calls()[0].stdin) > MIB


def test_b24_a_megabyte_on_both_outputs_at_once(node):
    node.networks("a")
    zeros = "head -c 1048576 /dev/zero | tr '\\0' ' '"
    node.answer("ADD", "a", shell=f"{zeros} & {zeros} >&2 & {zeros}; wait; printf '%s' '{RESULT}'")
    assert node.add().result["ips"]


def test_b24_a_flood_is_stopped(node):
    node.networks("a")
    node.answer("ADD", "a", shell="exec cat /dev/zero")
    assert "more than 16 MiB" in node.add().error(101)["msg"]
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


def test_b25_stderr_is_passed_on(node):
    node.networks("a")
    node.answer("ADD", "a", stderr="a warning of mine\n", stdout=RESULT)
    assert "a warning of mine\n" in node.add().stderr


def test_b26_an_error_document_is_kept(node):
    node.networks("a")
    node.answer(
        "ADD", "a", stdout={"cniVersion": "1.0.0", "code": 110, "msg": "m", "details": "d"}, status=77
    )
    document = node.add().error(110)
    assert document["msg"].endswith(": m")
    assert document["details"] == "d"


@pytest.mark.parametrize(
    "answer,message",
    [
        ({"status": 3, "stderr": "boom"}, 'netplugin failed: "boom": exit status 3'),
        ({"status": 3}, "netplugin failed with no error message: exit status 3"),
        ({"kill": "KILL"}, "netplugin failed with no error message: signal: killed"),
        ({"kill": "SEGV", "stderr": "oh"}, 'netplugin failed: "oh": signal: segmentation fault'),
        (
            {"status": 1, "stdout": "panic: x"},
            'netplugin failed but error parsing its diagnostic message "panic: x"',
        ),
        ({"status": 1, "stdout": "[1]"}, 'netplugin failed but error parsing its diagnostic message "[1]"'),
        ({"status": 1, "stdout": "{}"}, "netplugin failed with no error message: exit status 1"),
        ({"status": 1, "stdout": '{"code": "7", "msg": 5}'}, ": 5"),
        ({"status": 1, "stdout": '{"code": -1, "msg": "m"}'}, ": m"),
        ({"status": 1, "stdout": '{"code": 1e999, "msg": "m"}'}, "error parsing its diagnostic message"),
        ({"status": 1, "stdout": '{"code": true, "msg": "m"}'}, ": m"),
        ({"status": 1, "stdout": '{"code": 18446744073709551616, "msg": "m"}'}, ": m"),
        ({"status": 1, "stdout": '{"msg": "half \\ud800 a letter"}'}, "half"),
        ({"status": 1, "shell": "printf '\\377\\376'"}, "error parsing its diagnostic message"),
    ],
)
def test_b26_b27_b28_whatever_a_failing_delegate_says(node, answer, message):
    node.networks("a")
    node.answer("ADD", "a", **answer)
    document = node.add().error(101)
    assert document["msg"].startswith('network "a" (eth0): plugin type="a" failed (add): ')
    assert message in document["msg"]
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


@pytest.mark.parametrize("key", ["Code", "CODE"])
def test_b35_keys_in_any_case(node, key):
    node.networks("a")
    node.answer("ADD", "a", stdout={key: 117, "Msg": "m"}, status=1)
    assert node.add().error(117)["msg"].endswith(": m")
    node.answer("ADD", "a", stdout={"CNIVersion": "0.2.0", "IP4": {"IP": "10.6.0.2/24"}})
    assert node.add().result["ips"][0]["address"] == "10.6.0.2/24"


@pytest.mark.parametrize(
    "printed",
    [
        "",
        " \n",
        "ok",
        "[]",
        "7",
        '"x"',
        "{",
        RESULT + RESULT,
        '{"ips": 7}',
        '{"ips": [{"address": "10.0.0.1"}]}',
    ],
)
def test_b29_success_without_a_result_is_a_failure_and_is_undone(node, printed):
    node.networks("a", "b")
    node.answer("ADD", "b", stdout=printed)
    reply = node.add("a,b")
    assert reply.status == 1
    assert (
        'network "b" (eth1): plugin type="b" failed (add): '
        in reply.error(101 if not printed.strip() else 6)["msg"]
    )
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]
    assert node.leftovers() == []


@pytest.mark.parametrize("printed", ["null", "{}", " {}\n"])
def test_b29_the_empty_result(node, printed):
    node.networks("a")
    node.answer("ADD", "a", stdout=printed)
    assert node.add().result == {"cniVersion": "1.1.0"}


def test_b30_what_the_other_verbs_print_is_ignored(node):
    node.network("a", version="1.1.0")
    for verb in ("DEL", "GC", "STATUS"):
        node.answer(verb, stdout='garbage {"code": 7}')
    assert node.add().result
    assert node.call("STATUS").is_silent_success
    assert node.gc(("cid1", "eth0")).is_silent_success
    assert node.delete().is_silent_success


# --- starting and ending


def test_b31_a_busy_binary_is_tried_again(node):
    node.networks("a")
    binary = node.bin / "a"
    binary.unlink()
    with open(
        "/bin/true", "rb"
    ) as true:  # a program that is written to cannot be executed (execve(2), ETXTBSY)
        content = true.read()
    writer = binary.open("wb")
    writer.write(content)
    writer.flush()
    binary.chmod(0o755)
    threading.Timer(0.7, writer.close).start()
    started = time.monotonic()
    document = node.add().error(101)
    assert "printed no result" in document["msg"]  # /bin/true has run, and is no plugin
    assert time.monotonic() - started >= 0.7


@pytest.mark.parametrize(
    "content,mode,why",
    [
        ("#!/bin/sh\n", 0o644, "it is not executable"),
        ("#!/no/such/interpreter\n", 0o755, "the interpreter in its first line, or the loader"),
        ("neither program nor script\n", 0o755, "it is neither a program for this machine nor a script"),
        ("", 0o755, "it is neither a program"),
    ],
)
def test_b32_files_that_cannot_be_executed(node, content, mode, why):
    node.networks("a", "b")
    binary = node.bin / "b"
    binary.unlink()
    binary.write_text(content)
    binary.chmod(mode)
    document = node.add("a,b").error(101)
    assert f'plugin type="b" failed (add): cannot execute {binary}: {why}' in document["msg"]
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.states()  # DEL of b cannot be run either: the runtime's DEL tries again
    binary.unlink()
    node.install("b")
    assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0", "DEL b@eth1"]


def test_b33_a_hung_delegate_is_killed_with_its_children(node):
    node.networks("a", "b")
    node.answer("ADD", "b", shell="trap '' TERM; sleep 300 & echo $! >$home/child; wait")
    document = node.add("a,b", delegate_timeout_seconds=2).error(11)
    assert "no answer after 2 seconds" in document["msg"]
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]
    child = int((node.root / "child").read_text())
    assert not os.path.exists(f"/proc/{child}/fd/0")  # a zombie has none


def test_b33_a_daemon_that_a_delegate_leaves_does_not_hold_the_answer(node):
    node.networks("a")
    node.answer("ADD", "a", shell=f"setsid sleep 300 & echo $! >$home/child; printf '%s' '{RESULT}'")
    assert node.add().result
    os.kill(int((node.root / "child").read_text()), 9)


def test_b33_a_hung_del_is_killed_and_tried_again(node):
    node.networks("a", "b")
    assert node.add("a,b").result
    node.answer("DEL", "b", sleep=60)
    node.delete(delegate_timeout_seconds=2).error(11)
    node.heal()
    assert node.delete().is_silent_success
    assert node.said("DEL") == ["DEL b@eth1", "DEL a@eth0", "DEL b@eth1"]


@pytest.mark.parametrize("version", [None, "", 7, "0.3.1", "0.1.0"])
def test_b34_a_result_without_version_has_the_configurations(node, version):
    """A version that is no string counts as absent; another known one is honoured."""
    node.network("a", version="0.3.1")
    body = (
        {"ip4": {"ip": "10.5.0.2/24"}}
        if version == "0.1.0"
        else {"ips": [{"version": "4", "address": "10.5.0.2/24"}]}
    )
    node.answer("ADD", "a", stdout=body if version is None else {"cniVersion": version, **body})
    assert node.add().result["ips"][0]["address"] == "10.5.0.2/24"


@pytest.mark.parametrize("version", ["9.9.9", "1.0", "foo"])
def test_b34_an_unknown_version_of_a_result(node, version):
    node.networks("a")
    node.answer("ADD", "a", stdout={"cniVersion": version})
    assert f'unsupported CNI result version "{version}"' in node.add().error(1)["msg"]
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]


def test_b76_b77_delegates_are_not_asked_for_their_version(node):
    node.networks("a", "b")
    assert node.add("a,b").result
    assert node.calls("VERSION") == []
    node.delete()
    node.fail(
        "ADD",
        "b",
        code=1,
        msg="incompatible CNI versions",
        details='config is "1.0.0", plugin supports ["0.4.0"]',
    )
    assert node.add("a,b").error(1)["details"].startswith('config is "1.0.0"')


@pytest.mark.parametrize("printed", ["[" * 200_000, '{"ips":' * 200_000, '{"dns": ' + "9" * 5000 + "}"])
def test_b29_output_that_breaks_a_parser_is_a_failure_of_that_delegate(node, printed):
    node.networks("a")
    (node.root / "printed").write_text(printed)
    node.answer("ADD", "a", shell='cat "$home/printed"')
    assert 'network "a" (eth0): plugin type="a" failed (add): ' in node.add().error(6)["msg"]
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]

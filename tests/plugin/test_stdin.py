"""stdin: whole, broken, late or missing (conformance A19-A24)."""

import json
import os
import subprocess

import pytest

MIB = 1 << 20


def test_a19_eight_megabytes_are_fine(node):
    node.network("a")
    assert node.add(padding="x" * (8 * MIB)).result
    assert node.delete(padding="x" * (8 * MIB)).is_silent_success


def test_a19_twenty_megabytes_are_refused(node):
    reply = node.add(padding="x" * (20 * MIB))
    assert reply.error(5)["msg"] == "error reading from stdin: more than 16 MiB"


def run_with_stdin(node, redirection, verb="ADD"):
    """The plugin's exit status and document, with stdin as a shell's redirection makes it."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {redirection}', node.genie],
        env=node.environment(verb),
        capture_output=True,
        check=False,
        timeout=240,
    )
    return done.returncode, json.loads(done.stdout)


def test_a20_closed_stdin_is_an_empty_one(node):
    status, document = run_with_stdin(node, "<&-")
    assert (status, document["code"]) == (1, 6)


def test_a20_everything_closed(node):
    """The interpreter must not take descriptor 0, 1 or 2 for one of its files."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" <&- >&- 2>&-', node.genie], env=node.environment("ADD"), check=False
    )
    assert done.returncode == 1


def test_a20_a_directory_is_no_stdin(node):
    """CPython does not start on one (Python/pylifecycle.c init_sys_streams): the launcher's first lines answer."""
    node.network("a")
    status, document = run_with_stdin(node, "</tmp")
    assert (status, document["code"]) == (1, 5)
    assert document["msg"] == "error reading from stdin: it is a directory"
    assert node.said() == []


@pytest.mark.parametrize("stdin", ["</tmp", "<&-"])
def test_a01_a24_where_stdin_is_not_read_it_may_be_anything(node, stdin):
    for verb in ("VERSION", ""):
        env = {"CNI_COMMAND": verb} if verb else {}
        command = ["sh", "-c", f'exec "$0" {stdin}', node.genie]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=240)
        assert ("supportedVersions" in done.stdout, "CNI protocol versions" in done.stderr) == (
            bool(verb),
            not verb,
        )


def test_a20_a_descriptor_that_cannot_be_read(node):
    status, document = run_with_stdin(node, f"0>{node.root}/write-only")
    assert (status, document["code"]) == (1, 6)  # EBADF, as if it were closed


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n",
        b"{",
        b"{} x",
        b"[]",
        b"[null]",
        b'"x"',
        b"17",
        b"nul",
        b'{"name":1}',
        b'{"name":["a"]}',
        b'{"name":"a"}{"name":"a"}',
        b'{"name":"a",}',
        b"{'name':'a'}",
        b'{"name":"a","cniVersion":NaN}',
        b"\x00",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_a21_stdin_that_is_no_json_object(node, verb, text):
    document = node.call(verb, stdin=text).error(6)
    assert document["msg"].startswith("error unmarshall network config")


@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"a":' * 200_000, b'{"name":"a","x":' + b"1" * 5000 + b"}"]
)
def test_a21_json_that_breaks_a_parser(node, text):
    node.add(stdin=text).error(6)


@pytest.mark.parametrize(
    "text", [b"null", b"{}", b'{"name":""}', b'{"name":null}', b'{"cniVersion":"1.0.0"}']
)
def test_a22_a_name_is_needed(node, text):
    assert node.add(stdin=text).error(7)["msg"] == "missing network name"


@pytest.mark.parametrize("name", ["a/b", "a\n", "-a", ".a", "a b", "ä", "../../x", "a\x7f"])
def test_a22_the_name_is_checked_whole(node, name):
    document = node.add(name=name).error(7)
    shown = name.replace("\x7f", "\\x7f")
    assert (document["msg"], document["details"]) == ("invalid characters found in network name", shown)


def test_a23_invalid_utf8_in_the_name(node):
    node.add(stdin=b'{"name":"a\xff"}').error(7)


def test_a23_invalid_utf8_elsewhere_does_no_harm(node):
    node.network("a")
    assert node.add(stdin=node.stdin(annotations={}, comment="?").replace(b"?", b"\xff\xc3")).result


def test_a23_byte_order_marks(node):
    document = node.add(stdin=b"\xef\xbb\xbf" + node.stdin()).error(6)
    assert "byte order mark" in document["details"]
    node.add(stdin=node.stdin().decode().encode("utf-16")).error(6)


def test_a24_version_reads_nothing(node):
    """stdin is a pipe that stays open and empty."""
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [node.genie],
            env={"CNI_COMMAND": "VERSION"},
            stdin=reader,
            capture_output=True,
            check=True,
            timeout=240,
        )
        assert json.loads(done.stdout)["cniVersion"] == "1.1.0"
    finally:
        os.close(reader)
        os.close(writer)

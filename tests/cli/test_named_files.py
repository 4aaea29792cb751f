"""A file that a flag names and that cannot be used is wrong usage: the message has the flag, the file and the place."""

import json
import os

import pytest

from genie_cli.app import main

POD = {"kind": "Pod", "metadata": {"namespace": "shop", "name": "web-0"}}
# Each ends with the flag that names the file.
COMMANDS = [
    "debug pod shop/web-0 --from",
    "debug pod shop/web-0 --pod-file",
    "debug pod shop/web-0 --objects-file",
    "trace shop/web-0 192.0.2.1 --from",
    "explain pod shop/web-0 --pod-file",
    "sync pod shop/web-0 --dry-run --pod-file",
    "policy render --objects-file",
    "dry-run --plan --pod",
    "dry-run --plan --nad",
    "dry-run --plan --policy",
]
UNUSABLE = {
    "missing": (None, ": No such file or directory"),
    "latin-1": (b"name: caf\xe9", ": it is not UTF-8 text"),
    "json": (b'{\n"kind": [', ":2:10: neither JSON nor YAML: "),
    "yaml": (b"a: [b\n", ":2:1: neither JSON nor YAML: "),
    "deep": (b"[" * 100_000, ": it is nested too deep"),
}


def refused(words, capsys):
    assert main([*words, "-o", "json"]) == 2
    return json.loads(capsys.readouterr().out)["message"]


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_used(command, kind, tmp_path, capsys):
    content, reason = UNUSABLE[kind]
    file = tmp_path / "file.yaml"
    if content is not None:
        file.write_bytes(content)
    words = command.split()
    assert refused([*words, str(file)], capsys).startswith(f"{words[-1]} {file}{reason}")


@pytest.mark.parametrize("flag", ["--from", "--check"])
def test_a_configuration_that_is_not_there(flag, tmp_path, capsys):
    message = refused(["generate-config", flag, str(tmp_path / "none")], capsys)
    assert message == f"{flag} {tmp_path / 'none'}: No such file or directory"


def test_what_a_shell_makes_of_a_commands_output(capsys):
    """bash: genie debug pod shop/web-1 --pod-file <(kubectl get pod web-0 -o json)"""
    read, write = os.pipe()
    os.write(write, json.dumps(POD | {"kind": "Service"}).encode())
    os.close(write)
    message = refused(["debug", "pod", "shop/web-0", "--pod-file", f"/dev/fd/{read}"], capsys)
    os.close(read)
    assert message == f"--pod-file /dev/fd/{read}: a Pod was expected"


def test_standard_input_in_a_locale_that_is_not_utf_8(monkeypatch, capsys, tmp_path):
    (tmp_path / "café").write_text("name: café\n", encoding="utf-8")
    with open(tmp_path / "café", encoding="latin-1") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert "café is not checked" not in refused(["generate-config", "--check", "-"], capsys)
        assert stdin.encoding == "utf-8"

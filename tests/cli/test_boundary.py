"""Exceptions become words on stderr, a document where one was promised, and an exit code (ux: exit codes)."""

import json
import os
import signal
import subprocess
import sys

import pytest
import typer
import yaml

from genie_cli import terminal
from genie_cli.app import main
from genie_cli.boundary import guard, wanted_output
from genie_cli.views.findings import say_denied
from genie_core import errors


@pytest.fixture(autouse=True)
def own_signal_handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def failing(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    "error,code",
    [
        (errors.InvalidConfig("m"), 1),
        (errors.NetworkNotFound("m"), 3),
        (errors.NotFound("m"), 3),
        (errors.Denied("m"), 4),
        (errors.GenieError("m", exit_code=errors.EXIT_INCOMPLETE), 5),
        (PermissionError(13, "Permission denied", "/etc/x"), 4),
        (FileNotFoundError(2, "No such file or directory", "/etc/x"), 1),
        (TimeoutError("m"), 124),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (typer.BadParameter("m"), 2),
        (typer.Exit(7), 7),
        (ValueError("m"), 1),
    ],
)
def test_exit_codes(error, code):
    assert guard(failing(error), []) == code


@pytest.mark.parametrize(
    "error, code",
    [
        (errors.GenieError("m"), 5),
        (errors.GenieError("m", exit_code=errors.EXIT_TIMEOUT), 11),
        (errors.WrongUsage("m"), 7),
        (errors.NotFound("m"), 7),
        (errors.Denied("m"), 5),
        (errors.TryAgain("m"), 11),
        (typer.BadParameter("m"), 7),
        (ValueError("m"), 999),
    ],
)
def test_the_document_calls_only_a_bug_a_bug(capsys, error, code):
    """`genie explain CNI999` says: a bug in Genie."""
    guard(failing(error), ["-o", "json"])
    assert json.loads(capsys.readouterr().out)["code"] == code


def test_a_missing_argument_is_one_line_with_the_values_that_it_takes(capsys):
    assert main(["completion"]) == 2
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        "error: missing argument '{bash|zsh|fish|powershell}'. Choose from: bash, zsh, fish, powershell"
    )


def test_the_command_for_root_is_one_that_sudo_finds(capsys, monkeypatch, tmp_path):
    """The DaemonSet's copy on a node and a virtual environment are in no directory that sudo searches."""
    error = errors.Denied("m", hint="run it as root: sudo genie debug node")
    for called, named in (
        (str(tmp_path / "genie"), f"{tmp_path}/genie"),
        ("/x/genie_cli/__main__.py", "genie"),
    ):
        monkeypatch.setattr(sys, "argv", [called])
        guard(failing(error), [])
        assert capsys.readouterr().err == f"error: m\n  hint: run it as root: sudo {named} debug node\n"
        say_denied(["m"], "genie discover")
        assert f"  hint: run it as root: sudo {named} discover\n" in capsys.readouterr().err


def test_an_error_says_what_where_and_what_to_do(capsys):
    error = errors.InvalidConfig(
        "plugins[1].type must be a string", details="read from a.conf", hint="give it a type"
    )
    guard(failing(error), [])
    shown = capsys.readouterr()
    assert (
        shown.err == "error: plugins[1].type must be a string\n  read from a.conf\n  hint: give it a type\n"
    )
    assert not shown.out


@pytest.mark.parametrize("output,load", [("json", json.loads), ("yaml", yaml.safe_load)])
def test_a_machine_gets_its_document_on_failure_too(capsys, output, load):
    guard(failing(errors.NetworkNotFound("no such network", details="d", hint="h")), ["x", "-o", output])
    shown = capsys.readouterr()
    assert load(shown.out) == {
        "apiVersion": "genie/v1alpha1",
        "kind": "Error",
        "code": 7,
        "exitCode": 3,
        "message": "no such network",
        "details": "d",
        "hint": "h",
    }
    assert shown.err.startswith("error: no such network")


@pytest.mark.parametrize(
    "arguments,output",
    [
        ("-o json", "json"),
        ("-ojson", "json"),
        ("-o=yaml", "yaml"),
        ("-vojson", "json"),
        ("-qvo yaml", "yaml"),
        ("-njson", "table"),
        ("--output yaml", "yaml"),
        ("--output=JSON", "json"),
        ("-o table", "table"),
        ("-o", "table"),
        ("-o json -o wide", "table"),
        ("-- -o json", "table"),
        ("", "table"),
    ],
)
def test_wanted_output(arguments, output):
    assert wanted_output(["dry-run", *arguments.split()]) == output


def test_a_bug_is_one_line_and_with_v_says_where(capsys):
    guard(failing(ZeroDivisionError("division by zero")), [])
    assert capsys.readouterr().err == (
        "error: unexpected ZeroDivisionError: division by zero\n"
        "  hint: this is a bug in genie; run it again with -v to see where\n"
    )
    token = terminal.current.set(terminal.Terminal(verbosity=1))
    try:
        guard(failing(ZeroDivisionError("division by zero")), [])
    finally:
        terminal.current.reset(token)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_it_cleans_up_like_after_ctrl_c(name):
    code = (
        "import os, signal, sys; from genie_cli.boundary import guard\n"
        "def command():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "    finally:\n"
        "        print('cleaned up')\n"
        "    return 0\n"
        "sys.exit(guard(command, []))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleaned up\n", "error: interrupted\n")


def test_a_reader_that_goes_away_is_no_failure():
    """`genie ... | head`: no traceback, and the exit code of a program that SIGPIPE ended."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "genie_cli", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["version", "-o", "json"], ["schema", "NodeReport"], ["explain"], ["no", "-o", "json"]]
)
def test_a_result_that_cannot_be_written_is_a_failure(arguments, unbuffered):
    """It is named, also where the output is longer than a buffer, and where there is none."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "genie_cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: standard output: No space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(closed):
    """The output has no reader; the exit code is unchanged."""
    line = f"{sys.executable} -m genie_cli explain GN0402 {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("GN0402: ") is (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_characters_that_the_encoding_lacks(tmp_path, encoding):
    """An annotation may have any: it is escaped, and a document is the same as in UTF-8."""
    pod = {"kind": "Pod", "metadata": {"name": "a", "annotations": {"cni": "é→🙂"}}}
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(pod))
    line = [
        sys.executable,
        "-m",
        "genie_cli",
        "explain",
        "--pod-file",
        str(file),
        "--conf-dir",
        str(tmp_path),
    ]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    for form in ("table", "json"):
        done = subprocess.run([*line, "-o", form], capture_output=True, env=env, check=False)
        assert b"UnicodeEncodeError" not in done.stdout + done.stderr
        assert b"\\u2192\\ud83d\\ude42" in done.stdout
    assert json.loads(done.stdout.decode(encoding))["annotations"] == {"cni": "é→🙂"}

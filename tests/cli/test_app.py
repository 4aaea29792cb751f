"""The tree of commands: its help, its errors, and its few imports."""

import json
import os
import shlex
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from genie_cli import schemas, terminal
from genie_cli.app import main
from genie_cli.arrange import arranged
from genie_cli.table import COMMANDS, EXAMPLES
from genie_cli.tree import import_command
from tests.test_lint import ROOT

LEAVES = {words: entry for words, entry in COMMANDS.items() if entry.module}


@pytest.fixture(autouse=True)
def own_terminal():
    token = terminal.current.set(terminal.Terminal())
    yield
    terminal.current.reset(token)


def genie(*arguments, **options):
    command = [sys.executable, "-m", "genie_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, **options)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_of_the_root(capsys, arguments):
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert not shown.err
    for words in COMMANDS:
        assert words.split(" ")[0] in shown.out
    assert shown.out.index("Examples:") < shown.out.index("Usage:")
    assert all(len(line) <= 80 for line in shown.out.splitlines())


@pytest.mark.parametrize("words", LEAVES)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_a_command(capsys, words, flag):
    assert main([*words.split(" "), flag]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    assert shown.out.startswith(COMMANDS[words].summary)
    assert shown.out.index("Examples:") < shown.out.index(f"Usage: genie {words}")
    usage = shown.out.partition("Usage: ")[2].partition("\n\n")[0]
    assert "{" not in usage.replace("{bash|zsh|fish|powershell}", "")
    assert ("-o, --output" in shown.out) is (words not in ("help", "completion", "agent", "serve"))
    assert "-v, --verbose" in shown.out


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in LEAVES])
def test_help_of_a_group_begins_with_an_example_of_each_command(capsys, words):
    assert main([words]) == 0
    shown = capsys.readouterr().out
    inside = [one for one in LEAVES if one.startswith(f"{words} ")]
    places = [shown.index(f"  genie {one} ") for one in inside if f"genie {one} " in shown]
    assert places == sorted(places)
    assert shown.count("  # ") == len(inside) > 0
    assert shown.index("Examples:") < shown.index("Usage:")


@pytest.mark.parametrize("words", COMMANDS)
def test_summaries_are_one_line(words):
    entry = COMMANDS[words]
    assert len(entry.summary) <= 70
    assert entry.section
    assert not entry.summary.endswith(".")


@pytest.mark.parametrize("of", ["", *LEAVES])
def test_examples_are_right_usage(of):
    """Every example of the root and of each command parses: its flags exist and its arguments fit."""
    found = import_module(f"genie_cli.commands.{LEAVES[of].module}").EXAMPLES if of else EXAMPLES
    for _, line in found:
        assert_right_usage(line)


def assert_right_usage(line):
    name, *arguments = shlex.split(line.partition(" | ")[0])
    assert name == "genie"
    words = max((words for words in LEAVES if (" ".join(arguments) + " ").startswith(words + " ")), key=len)
    command = import_command(words, LEAVES[words])
    command.make_context(words, arguments[len(words.split(" ")) :])  # raises where it is not


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["dryrun"], "did you mean dry-run?"),
        (["instal"], "did you mean install"),
        (["pod", "web-0"], "there is no command 'pod'; did you mean debug pod or sync pod?"),
        (["-n", "shop", "pod"], "there is no command 'pod'; did you mean debug pod or sync pod?"),
        (["--kubeconfig", "x", "statsu"], "there is no command 'statsu'; did you mean status?"),
        (["xyzzy"], "there is no command 'xyzzy'"),
        (["dry-run", "--con", "x"], "no such option: --con"),
        (["dry-run", "--timeout", "soon"], "expected a duration"),
        (["dry-run", "-o", "xml"], "'xml' is not one of 'table'"),
    ],
)
def test_wrong_usage_says_what_is_right(capsys, arguments, said):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert said in shown.err
    assert "Usage: genie" in shown.err
    assert "--help" in shown.err


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("-n shop debug pod web-0", "debug pod -n shop web-0"),
        ("--no-color -o json version", "version --no-color -o json"),
        ("-v=3 dry-run --cni a", "dry-run -vvv --cni a"),
        ("discover --verbose=2", "discover -vv"),
        ("debug pod web-0 -- -n", "debug pod web-0 -- -n"),
        ("--version", "--version"),
        ("-h", "-h"),
        ("-v --version", "--version -v"),
        ("--cri-socket /x debug node", "debug node --cri-socket /x"),
        ("--cri-socket=/x -vq debug node --no-files", "debug node --cri-socket=/x -vq --no-files"),
        ("-n debug debug pod web-0", "debug pod -n debug web-0"),
        ("-ngc gc -n gc debug pod web-0", "gc -ngc -n gc debug pod web-0"),
        ("--set version=1 install", "install --set version=1"),
        ("--conf-dir version discover", "discover --conf-dir version"),
        ("--name explain --write generate-config bridge", "generate-config --name explain --write bridge"),
        ("--no-such x debug node", "debug node --no-such x"),
        ("-vojson version", "version -vojson"),
        ("--cni", "--cni"),
        ("debug -n shop pod web-0", "debug pod -n shop web-0"),
        ("policy -A list", "policy list -A"),
        ("debug --list-checks", "debug --list-checks"),
        ("debug pod -n node web-0", "debug pod -n node web-0"),
        ("debug -n pod node", "debug -n pod node"),
    ],
)
def test_flags_before_the_command_belong_to_it(typed, meant):
    """As kubectl's do."""
    assert arranged(typed.split(), COMMANDS) == meant.split()


def test_every_flag_of_every_command_may_stand_before_it():
    for words in LEAVES:
        command: Any = import_command(words, COMMANDS[words])
        for param in (param for param in command.params if param.param_type_name == "option"):
            for flag in (*param.opts, *param.secondary_opts):
                typed = [flag] if param.is_flag or param.count else [flag, "gc"]
                assert arranged([*typed, *words.split()], COMMANDS) == [*words.split(), *typed], flag


def test_help_has_values_as_they_are_written(capsys):
    for words in LEAVES:
        main([*words.split(), "--help"])
        text = capsys.readouterr().out
        for odd in ("<str>", "<int range>", "<path>", "list[str]", "[[", "[]"):
            assert odd not in text.replace("[[NAMESPACE/]POD]", ""), words
    main(["install", "--help"])
    assert "[default: 24h]" in capsys.readouterr().out


def test_quiet_is_silent_about_failures_but_not_about_usage(capsys, tmp_path):
    assert main(["explain", "-q", "GN9999"]) == 3
    assert capsys.readouterr() == ("", "")
    assert main(["explain", "-q", "--nonsense"]) == 2
    assert "no such option" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["generate-config bridge --schema", "schema", "schema GCReport", "completion bash", "help exit-codes"],
)
def test_quiet_is_silent_where_a_text_is_printed(line, capsys):
    assert main([*line.split(), "-q"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", ["discover", "debug pod"])
def test_the_list_of_checks_in_every_form(words, capsys):
    assert main([*words.split(), "--list-checks", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(json.loads(schemas.text("CheckList"))).validate(document)
    assert main([*words.split(), "--list-checks", "-o", "name"]) == 0
    assert capsys.readouterr().out.split() == [check["id"] for check in document["checks"]]


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "4", "5", "124", "130", "141"])
def test_exit_codes_are_explained(capsys, code):
    assert main(["help", "exit-codes"]) == 0
    assert code in [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]


def test_help_as_a_command(capsys):
    main(["help", "dry-run"])
    spelled = capsys.readouterr().out
    main(["dry-run", "--help"])
    assert capsys.readouterr().out == spelled
    assert main(["help", "xyzzy"]) == 2


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("genie 1.")


def test_kubectl_plugin_is_called_by_its_own_name(tmp_path):
    """kubectl runs `kubectl genie` as the program `kubectl-genie`."""
    plugin = tmp_path / "kubectl-genie"
    plugin.write_text("import sys; from genie_cli.start import main; sys.exit(main())")
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, plugin, "-h"], capture_output=True, text=True, check=True, env=environment
    )
    assert "Usage: kubectl genie" in done.stdout
    assert "\n  kubectl genie debug pod shop/web-0\n" in done.stdout


def test_interrupted_while_it_is_loaded(tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environment = dict(os.environ, PYTHONPATH=f"{tmp_path}:{ROOT}")
    done = subprocess.run(
        [sys.executable, "-m", "genie_cli", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd="/",
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_completion_does_not_import_commands():
    code = (
        "import sys; from genie_cli.completing import complete; print([c.value for c in complete([], 'd')[0]])\n"
        "print('commands:', *[name for name in sys.modules if name.startswith('genie_cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['debug', 'discover', 'dry-run']", "commands:"]


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from genie_cli.app import main; main(['--help'])\n"
        "heavy = {'rich', 'yaml', 'kubernetes', 'pyroute2', 'genie_core.plugin'} & set(sys.modules)\n"
        "print('heavy:', *heavy)\n"
        "print(len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, heavy, modules = done.stdout.splitlines()
    assert heavy == "heavy:"
    assert int(modules) < 200  # scripts and completion call it often: 170 are a twentieth of a second

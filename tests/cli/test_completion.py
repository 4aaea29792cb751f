"""What the shells complete: the protocol, the real shells, kubectl's way, and the files that are shipped."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from genie_cli import candidates
from genie_cli.completing import complete
from genie_cli.flags import Directive
from genie_cli.shells import FILES as SHELLS
from genie_cli.shells import script
from genie_cli.table import COMMANDS
from tests.apiserver import API, APIServer, Objects
from tests.test_lint import ROOT

NAMES = [words for words in COMMANDS if " " not in words]


def values(words, current):
    return [candidate.value for candidate in complete(words, current)[0]]


def test_behind_flags_that_stand_before_the_command():
    assert [item.value for item in complete(["-n", "shop"], "dry")[0]] == ["dry-run"]
    assert [item.value for item in complete(["-n", "shop", "debug"], "po")[0]] == ["pod"]


def test_every_command_is_completed_with_what_it_does():
    candidates, directive = complete([], "")
    assert sorted(candidate.value for candidate in candidates) == sorted(NAMES)
    assert all(candidate.help for candidate in candidates)
    assert directive == Directive.NOTHING_ELSE
    assert values(["debug"], "") == ["pod", "node", "bundle"]


@pytest.mark.parametrize("words", [words for words, entry in COMMANDS.items() if entry.module])
def test_every_commands_flags(words):
    found = values(words.split(), "--")
    assert "--verbose" in found
    assert all(value.startswith("--") for value in found)


@pytest.mark.parametrize(
    "words, current, found, directive",
    [
        (["dry-run", "-o"], "j", ["json"], Directive.NOTHING_ELSE),
        (["dry-run"], "--output=j", ["--output=json"], Directive.NOTHING_ELSE),
        (["dry-run", "--conf"], "", [], Directive.FILES),
        (["dry-run", "--conf-dir"], "", [], Directive.DIRECTORIES),
        (["agent", "--repair"], "", ["off", "report", "fix"], Directive.NOTHING_ELSE),
        (["--kubeconfig"], "", [], Directive.FILES),
        (["-n", "shop", "--color"], "a", ["auto", "always"], Directive.NOTHING_ELSE),
        (["gc", "--timeout"], "", [], Directive.NOTHING_ELSE),
        (["completion"], "f", ["fish"], Directive.NOTHING_ELSE),
        (["schema"], "Node", ["NodeReport"], Directive.NOTHING_ELSE),
        (["help", "debug"], "", ["pod", "node", "bundle"], Directive.NOTHING_ELSE),
        (["help"], "unin", ["uninstall"], Directive.NOTHING_ELSE),
        (["explain", "code", "GN0402"], "", [], Directive.NOTHING_ELSE),
        (["explain"], "CNI10", ["CNI100", "CNI101", "CNI102", "CNI103", "CNI104"], Directive.NOTHING_ELSE),
        (["explain"], "default_p", ["default_plugin"], Directive.NOTHING_ELSE),
        (["help"], "exit", ["exit-codes"], Directive.NOTHING_ELSE),
    ],
)
def test_values(words, current, found, directive):
    candidates, answered = complete(words, current)
    assert ([candidate.value for candidate in candidates], answered) == (found, directive)


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Networks of the node's directory."""
    monkeypatch.setattr("genie_core.settings.CONF_DIRS", (str(tmp_path),))
    for name in ("blue", "black", "red"):
        (tmp_path / f"{name}.conf").write_text(
            f'{{"cniVersion": "1.0.0", "name": "{name}", "type": "bridge"}}'
        )
    (tmp_path / "broken.conf").write_text("{")


@pytest.mark.usefixtures("networks")
def test_networks_of_the_node_also_behind_a_comma():
    assert values(["dry-run", "--cni"], "bl") == ["black", "blue"]
    assert values(["dry-run", "--cni"], "red,bl") == ["red,black", "red,blue"]
    assert values(["dry-run"], "--cni=re") == ["--cni=red"]


@pytest.fixture
def kubeconfig(tmp_path):
    """Of an API server with pods and network attachments."""
    attachment = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "spec": {}}
    objects = Objects(
        *(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}}
            for name in ("web-0", "web-1", "db")
        ),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns", "namespace": "kube-system"}},
        attachment | {"metadata": {"name": "storage", "namespace": "shop"}},
        attachment | {"metadata": {"name": "lan", "namespace": "default"}},
    )
    with APIServer(API(objects)) as server:
        yield str(server.write_kubeconfig(tmp_path / "kubeconfig", user={}))


def test_names_of_the_cluster_that_the_flags_mean(kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    monkeypatch.setattr(candidates, "SECONDS", 60)
    flags = ["--kubeconfig", kubeconfig]
    assert values(["debug", "pod", *flags], "shop/w") == ["shop/web-0", "shop/web-1"]
    assert values(["debug", "pod", *flags, "-n", "shop"], "w") == ["web-0", "web-1"]
    assert values(["debug", "pod", *flags], "kube") == ["kube-system/dns"]
    assert values(["dry-run", *flags, "--pod"], "shop/d") == ["shop/db"]
    assert values(["dry-run", *flags, "--networks"], "lan,shop/") == ["lan,shop/storage"]
    assert values(["dry-run", *flags, "-n", "shop", "--networks"], "") == ["default/lan", "storage"]
    assert values(["explain", "pod", *flags], "shop/w") == ["shop/web-0", "shop/web-1"]
    assert values(["explain", "pod", *flags, "-n", "shop"], "") == ["db", "web-0", "web-1"]
    for words in (["networks"], ["explain", "network"]):
        assert values([*words, *flags], "") == ["default/lan", "shop/storage"]
        assert values([*words, *flags, "-n", "shop"], "") == ["storage"]
    assert complete(["dry-run", *flags, "--pod"], "./we") == ([], Directive.FILES)


def program(folder):
    """A directory with `genie` of this checkout in it, for PATH."""
    folder.mkdir()
    for name, entry in (
        ("genie", "genie_cli.app import main"),
        ("kubectl_complete-genie", "genie_cli.completing import kubectl as main"),
    ):
        path = folder / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom {entry}\nsys.exit(main())\n"
        )
        path.chmod(0o755)
    return folder


@pytest.fixture
def environment(tmp_path):
    """The environment of a user with an empty home, and genie on PATH."""
    found = program(tmp_path / "bin")
    return {
        "PATH": f"{found}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


def test_a_garbled_line_is_answered_in_silence(environment):
    done = subprocess.run(
        ["genie", "__complete", "--line", "genie nonsense 'x"],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] in (b":0", b":4")
    assert not done.stderr


def test_a_server_that_hangs_is_done_without(environment, tmp_path):
    """A port that takes connections and never answers stands for it; the state has no pods."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        config = tmp_path / "kubeconfig"
        cluster = {"server": f"http://127.0.0.1:{server.getsockname()[1]}"}
        document = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        config.write_text(json.dumps(document))
        done = subprocess.run(
            ["genie", "__complete", "--", "debug", "pod", ""],
            env={**environment, "KUBECONFIG": str(config)},
            capture_output=True,
            check=True,
        )
    assert done.stdout.splitlines()[-1] in (b":0", b":4")
    assert done.stderr == b""


def test_kubectl_is_answered_in_its_own_form(environment):
    """kubernetes#105867: the words after `kubectl genie`; values with tabs, and a directive of Cobra's."""
    done = subprocess.run(
        ["kubectl_complete-genie", "dry"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"dry-run\t{COMMANDS['dry-run'].summary}\n:4\n"


def test_bash_function(environment):
    """The function itself, with readline's variables set by hand: it completes after the last `=`, `:` or `@`."""
    line = "genie dry-run --output=j"
    variables = f"COMP_LINE='{line}' COMP_POINT={len(line)}"
    code = f"{script('bash')}\n{variables}\n_genie 2>/dev/null\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "--norc", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "json\n"


READY = "ready> "  # the first prompt
TYPED = [
    ("genie disc", "genie discover "),
    ("genie debug no", "genie debug node "),
    ("genie dry-run -o y", "genie dry-run -o yaml "),
    ("genie completion z", "genie completion zsh "),
]


@pytest.mark.parametrize("typed, completed", TYPED)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_typed_at_a_prompt(shell, typed, completed, environment):
    """The real shell on a terminal: what is on the line after TAB."""
    start = {
        "bash": ["bash", "--norc", "--noprofile", "-i"],
        "zsh": ["zsh", "-f", "-i"],
    }[shell]
    environment["PS1"] = READY
    prepare = {
        "bash": "source <(genie completion bash)",
        "zsh": "unsetopt prompt_cr prompt_sp; autoload -Uz compinit; compinit -D -u; "
        "source <(genie completion zsh)",
    }[shell]
    seen = at_terminal(start, prepare, typed, completed, environment)
    assert completed in seen


def at_terminal(start, prepare, typed, wanted, environment):
    """Start a shell on a terminal, prepare it, type and press TAB: everything on the screen since.

    The terminal repeats what is typed: there the second prompt, `@@`, stands in two parts.
    """
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(start[0], start, environment)
    try:
        assert READY.encode() in read_until(fd, READY.encode())
        os.write(fd, f"{prepare}; PS1='@'@\n".encode())
        assert b"@@" in read_until(fd, b"@@")
        os.write(fd, f"{typed}\t".encode())
        return read_until(fd, wanted.encode()).decode(errors="replace")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)


def read_until(fd, wanted, seconds=60):
    """The output up to `wanted`; all of it where `wanted` does not come in time."""
    seen = b""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and wanted not in seen:
        if select.select([fd], [], [], left)[0]:
            try:
                seen += os.read(fd, 4096)
            except OSError:
                break
    return seen


@pytest.mark.parametrize("typed, completed", TYPED)
def test_fish(typed, completed, environment):
    code = f"{script('fish')}\ncomplete --do-complete '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert completed.split()[-1] in [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert len(done.stdout.splitlines()) < 4


def test_fish_completes_files_where_files_are_wanted(environment, tmp_path):
    (tmp_path / "blue.conflist").write_text("{}")
    code = f"cd {tmp_path}\n{script('fish')}\ncomplete --do-complete 'genie dry-run --conf bl'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\t")[0].strip() == "blue.conflist"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shipped_scripts_are_current(shell, capsys):
    """`make generated` writes them."""
    from genie_cli.app import main

    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == (ROOT / "completions" / SHELLS[shell]).read_text()


def test_scripts_are_right_syntax(tmp_path):
    for shell, check in {
        "bash": ["bash", "-n"],
        "zsh": ["zsh", "-n"],
        "fish": ["fish", "--no-execute"],
    }.items():
        assert shutil.which(shell)
        subprocess.run([*check, ROOT / "completions" / SHELLS[shell]], check=True)


def test_a_shell_that_has_gone_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "genie_cli", "__complete", "--", ""],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")

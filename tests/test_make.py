"""`make demo` and `make tour`, as users call them; the tour with its commands as standard input."""

import os
import re
import subprocess
from shlex import quote

import pytest

from tests import machine, warm
from tests.test_lint import ROOT

README = (ROOT / "README.md").read_text()
PLUGINS = "CNI_BINS=/usr/lib/cni"
# Whatever this run says to pytest-xdist and make is not for the programs.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "PYTEST"))}


def make(target, text="", inside=()):
    return subprocess.run(
        [*inside, "make", "--silent", target, PLUGINS],
        cwd=ROOT,
        input=text,
        env=ENVIRONMENT | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.root
def test_the_demo_is_one_page_and_ends_with_what_to_do_next():
    done = make("demo")
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert "eth0  10.22.0.2/16" in done.stdout
    assert "net1  192.0.2.100/24" in done.stdout
    assert "after   0 things of the pod were left" in done.stdout
    at = lines.index("What to do next:")
    for target in re.findall(r"\bmake (\w+)", "\n".join(lines[at:])):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for page in re.findall(r"docs/\S+\.md", "\n".join(lines[at:])):
        assert (ROOT / page).exists()


def commands(welcome):
    """The commands that the tour proposes."""
    return re.findall(r"^  (genie .*?)(?:  .*)?$", welcome, re.MULTILINE)


# A machine on which Genie is installed already: its code lies in the directory of plugins.
_INSTALLED = """
cp -a /usr/lib/cni/. "$1"; mkdir -p "$1/.genie/1.0.0"; mount --bind "$1" /usr/lib/cni; shift; exec "$@"
"""


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """Run what the tour proposes, with the fix of the broken pod: outputs and exit codes by command."""
    inside = ["unshare", "--mount", "sh", "-ec", _INSTALLED, "sh", str(tmp_path_factory.mktemp("cni"))]
    proposed = commands((ROOT / "docs/tour.py").read_text())
    debug = "genie debug pod shop/web-0"
    fix = f"eval \"$({debug} 2>/dev/null | grep -o '^ *ip link set veth.*')\""
    steps = [
        *proposed[: proposed.index("genie explain GN0402")],
        fix,
        debug,
        *proposed[proposed.index("genie explain GN0402") :],
    ]
    path = quote(str(warm.client(tmp_path_factory.mktemp("program") / "bin").parent))
    text = f"PATH={path}:$PATH\n"
    text += "".join(f'echo {quote(f"=== {step}")}; {step} 2>/dev/null; echo "=== $?"\n' for step in steps)
    before = machine.snapshot()
    done = make("tour", text, inside)
    assert done.returncode == 0, done.stderr
    assert not machine.difference(before, machine.snapshot())
    parts = re.split(r"^=== (.*)\n", done.stdout, flags=re.MULTILINE)
    outputs = [(parts[at], parts[at + 1], int(parts[at + 2])) for at in range(1, len(parts) - 2, 4)]
    assert [step for step, _, _ in outputs] == steps
    return parts[0], outputs, parts[-1]


def outputs_of(toured, command):
    return [(output, code) for step, output, code in toured[1] if step == command]


@pytest.mark.first
@pytest.mark.root
def test_the_tour_has_what_it_says(toured):
    welcome, _, goodbye = toured
    assert "shop/web-0   is broken" in welcome
    assert "The private node is gone" in goodbye
    for page in re.findall(r"docs/\S+\.md", goodbye):
        assert (ROOT / page).exists()
    assert "1  00-genie.conflist" in outputs_of(toured, "genie discover")[0][0]
    (output, code), mended = outputs_of(toured, "genie debug pod shop/web-0")
    assert (code, "FATAL [GN0402]" in output) == (1, True)
    assert (mended[1], "GN0402" in mended[0]) == (0, False), mended[0]
    ((output, code),) = outputs_of(toured, "genie debug pod shop/web-1")
    assert (code, "FATAL" in output) == (0, False)
    assert outputs_of(toured, "genie dry-run --cni bridge,macvlan@net1")[0][1] == 0
    assert "did you mean macvlan?" in outputs_of(toured, "genie dry-run --cni bridge,macvlna")[0][0]
    assert "pod shop/old-0" in outputs_of(toured, "genie gc --yes --interval 1s")[0][0]
    assert outputs_of(toured, "genie explain GN0402")[0][1] == 0
    assert "00-genie.conflist" in outputs_of(toured, "genie uninstall")[0][0]


def test_the_tour_has_each_command_of_the_readme_after_its_set_up():
    """In the README's order: the tour contains all of it."""
    shown = re.findall(r"^\$ (genie .*)$", README, re.MULTILINE)
    proposed = commands((ROOT / "docs/tour.py").read_text())
    set_up = ("genie generate-config", "genie install")
    asked = [command for command in shown if not command.startswith(set_up)]
    assert [command for command in proposed if command in asked] == asked

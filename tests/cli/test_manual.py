"""The manual pages: current, without a warning from either formatter, one for each command."""

import re
import subprocess

import pytest

from genie_cli.manual import pages
from genie_cli.table import COMMANDS
from tests.test_lint import ROOT

MAN = ROOT / "docs" / "man"


def test_the_shipped_pages_are_current():
    """`make generated` writes them."""
    assert {path.name: path.read_text() for path in MAN.iterdir()} == pages()


def test_every_command_has_a_page():
    wanted = {f"genie-{words.replace(' ', '-')}.1" for words, entry in COMMANDS.items() if entry.module}
    assert set(pages()) == wanted | {"genie.1"}


@pytest.mark.parametrize("page", sorted(path.name for path in MAN.glob("*.1")))
def test_a_formatter_has_nothing_to_say(page):
    """The date is left out, so that a page changes only with its command."""
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MAN / page], capture_output=True, text=True, check=False
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
    assert not complaints


def test_a_page_reads_well():
    shown = subprocess.run(
        ["mandoc", "-T", "ascii", MAN / "genie-gc.1"], capture_output=True, text=True, check=True
    ).stdout
    plain = re.sub(".\b", "", shown)
    assert "genie gc --dry-run" in plain
    assert "EXIT STATUS" in plain
    assert "--min-age DURATION" in plain

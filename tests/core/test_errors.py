"""An error is one printable line of limited length, whatever it quotes."""

import pytest

from genie_core.errors import LONGEST_TEXT, DelegateFailed, GenieError, InvalidConfig
from genie_core.steps import NotReleased


@pytest.mark.parametrize(
    "quoted, shown",
    [
        ("plain é 🧞", "plain é 🧞"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202e\u2028", r"\u202e\u2028"),
        ("\udcff", r"\udcff"),
        ("\0", r"\x00"),
    ],
)
def test_unprintable_characters_are_escaped(quoted, shown):
    error = InvalidConfig(f"<{quoted}>", details=quoted)
    assert error.msg == f"<{shown}>"
    assert str(error).isprintable() or "\n" in quoted  # details may have lines


def test_lines_of_delegates_and_of_details_stay():
    """A56: a delegate's words are its own."""
    error = DelegateFailed("one\ntwo\x1b", details="three\nfour\x7f")
    assert (error.msg, error.details) == ("one\ntwo\\x1b", "three\nfour\\x7f")


def test_a_text_that_is_too_long_is_cut():
    error = GenieError("x" * 1_000_000, details="y" * (LONGEST_TEXT + 1), hint="z" * 1_000_000)
    assert error.msg == "x" * LONGEST_TEXT + "..."
    assert error.details == "y" * LONGEST_TEXT + "..."
    assert len(str(error)) < 4 * LONGEST_TEXT
    assert GenieError("x" * LONGEST_TEXT).msg == "x" * LONGEST_TEXT


def test_a_changed_copy_is_of_the_same_kind_and_leaves_the_error_as_it_is():
    error = NotReleased(DelegateFailed("no", details="d", hint="h", code=123), holds_nothing=True)
    changed = error.replace(msg="eth0: no", code=11)
    assert (changed.msg, changed.details, changed.hint, changed.code) == ("eth0: no", "d", "h", 11)
    assert isinstance(changed, NotReleased)
    assert changed.holds_nothing
    assert (error.msg, error.code) == ("no", 123)

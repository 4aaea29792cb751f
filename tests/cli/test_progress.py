"""Progress: nothing within a second, then the step that is under way, and those that follow."""

import threading

import pytest

from genie_cli import progress, terminal


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Timers that expire when a test says so, on a machine of any speed."""
    monkeypatch.setattr(progress, "PATIENCE", 3600)


def a_second_passes():
    """Call the functions of the timers that were not cancelled."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and not thread.finished.is_set():
            thread.function()


def test_a_quick_command_says_nothing(capsys):
    with progress.Progress() as announce:
        announce("one")
        announce("two")
    a_second_passes()
    assert capsys.readouterr() == ("", "")


def test_a_step_that_takes_long_is_said_while_it_does(capsys):
    with progress.Progress() as announce:
        announce("quick")
        announce("slow")
        a_second_passes()
        assert capsys.readouterr().err == "slow\n"
        announce("next")
    assert capsys.readouterr() == ("", "next\n")


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress.Progress() as announce:
        announce("reading pods: 500 of 2000", 0.25)
        a_second_passes()
        assert capsys.readouterr().err == "\r\x1b[Kreading pods: 500 of 2000 [#####---------------] 25%"
        announce("reading nodes: 3")
        assert capsys.readouterr().err == "\r\x1b[Kreading nodes: 3 ..."
    assert capsys.readouterr().err == "\r\x1b[K"


def test_elsewhere_each_tenth_is_a_line(capsys):
    with progress.Progress() as announce:
        a_second_passes()
        for done in range(1, 101):
            announce(f"{done} of 100", done / 100)
    assert capsys.readouterr().err.splitlines() == [f"{ten}0 of 100" for ten in range(1, 11)]


def test_while_it_rests_nothing_is_said(capsys):
    """The shell of --keep has the terminal then."""
    with progress.Progress() as announce:
        announce("before the shell")
        announce.rest()
        a_second_passes()
        assert capsys.readouterr().err == ""
        announce("after it")
        assert capsys.readouterr().err == "after it\n"


def test_quiet(capsys):
    token = terminal.current.set(terminal.Terminal(quiet=True))
    try:
        with progress.Progress() as announce:
            announce("slow")
            a_second_passes()
    finally:
        terminal.current.reset(token)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("term, drawn", [("xterm", True), ("dumb", False)])
def test_a_terminal_that_cannot_redraw_a_line_gets_lines(term, drawn, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", term)
    assert terminal.Terminal().interactive() is drawn

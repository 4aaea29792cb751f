"""The flags that commands share."""

import pytest
import typer

from genie_cli.options import parse_duration


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("30s", 30),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("5", 5),
        (".5s", 0.5),
        ("2us", 2e-6),
        (60.0, 60),
    ],
)
def test_durations_are_written_as_in_go(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1x", "1m 30s", "-5s", "0", "0s", "nan", "inf", "1e9", "1s2"])
def test_an_invalid_duration(text):
    with pytest.raises(typer.BadParameter):
        parse_duration(text)

"""Each requirement that code and tests name by its number has a row in docs/requirements.md, once."""

import re
from collections import Counter

from tests.test_lint import ROOT

NUMBER = re.compile(r"\b[ABCDX]\d\d\b")
IN_A_NAME = re.compile(r"(?<=_)[abcdx]\d\d(?=_|\b)")
LESSONS = re.compile(r"\blessons? (\d+(?:(?:, | and )\d+)*)")
ROW = re.compile(r"^\| ([ABCDXL]\d\d) \| (.+?) \|", re.MULTILINE)


def rows():
    return ROW.findall((ROOT / "docs" / "requirements.md").read_text())


def named():
    """Number -> a file that names it."""
    found: dict[str, str] = {}
    for folder in ("genie_core", "genie_cli", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            numbers = NUMBER.findall(text) + [name.upper() for name in IN_A_NAME.findall(text)]
            numbers += [f"L{int(n):02}" for group in LESSONS.findall(text) for n in re.findall(r"\d+", group)]
            found |= dict.fromkeys(numbers, str(path.relative_to(ROOT)))
    return found


def test_every_number_is_explained():
    known = {number for number, _ in rows()}
    used = named()
    assert len(used) > 200
    assert {number: path for number, path in used.items() if number not in known} == {}


def test_no_number_has_two_rows():
    assert [number for number, count in Counter(number for number, _ in rows()).items() if count > 1] == []

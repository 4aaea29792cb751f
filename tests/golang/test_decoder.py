"""The reference decoder reads as a real Go program did, and Genie folds keys as Go does."""

import json
from pathlib import Path

import pytest

from genie_core.gojson import GoObject, Members, fold, refuse_ambiguous, strings_of, view
from genie_core.jsontext import JSONError
from tests.golang.decoder import GoError, decode, with_floats
from tests.golang.plugin import PLUGIN

# {"text": what was decoded, a byte that is no UTF-8 as PEP 383 writes it, "go": the fields that were not left at their
# zero value, null where json.Unmarshal returned an error}. Go 1.27, the same with GOEXPERIMENT=jsonv2 and nojsonv2.
RECORDED = [json.loads(line) for line in Path(__file__).with_name("recorded.jsonl").read_text().splitlines()]
# What bytes.EqualFold says of all characters beyond ASCII and each one in it.
FOLDS_TO_ASCII = {"\u017f": "s", "\u212a": "k"}


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_recorded_output_of_a_go_program(case):
    data = case["text"].encode("utf-8", "surrogateescape")
    if case["go"] is None:
        with pytest.raises(GoError):
            decode(PLUGIN, data)
        return
    assert with_floats(decode(PLUGIN, data)) == with_floats({**PLUGIN.zero, **case["go"]})


def test_the_recorded_cases_are_of_both_kinds():
    kinds = [case["go"] is None for case in RECORDED]
    assert min(kinds.count(True), kinds.count(False)) > 50


def test_every_character_folds_as_in_go():
    for char in map(chr, range(0x110000)):
        if char.isascii():
            assert fold(char) == char.lower()
        elif char in FOLDS_TO_ASCII:
            assert fold(char) == FOLDS_TO_ASCII[char]
        else:
            assert not fold(char).isascii(), hex(ord(char))


def test_a_view_finds_the_last_of_several():
    found = view('{"Type": 1, "type": 2, "MA\u017fTER": {"A": 3}, "x": [{"Y": 4}]}')
    assert isinstance(found, GoObject)
    assert (found["TYPE"], found.get("type"), found["master"]["a"], found["x"][0]["y"]) == (2, 2, 3, 4)
    assert "typE" in found
    assert "typ" not in found
    assert list(found) == ["Type", "type", "MA\u017fTER", "x"]
    assert found.get("nothing", 5) == 5


def test_members_are_edited_in_every_spelling():
    parts = Members('{"Type":1.10,"type":2.20,"k":9007199254740993,"PREVRESULT":{},"CNI.dev/x":1}')
    assert (parts.get("TYPE"), parts.get("none"), "\u212a" in parts) == ("2.20", "null", True)
    parts.set("TYPE", "3.30")
    parts.drop_reserved()
    parts.update({"new": "[ ]"})
    assert parts.text() == '{"TYPE":3.30,"k":9007199254740993,"new":[ ]}'
    parts.drop("K")
    parts.drop("k")
    assert parts.text() == '{"TYPE":3.30,"new":[ ]}'


@pytest.mark.parametrize("text", ["", "[]", "{", "5", '{"a": 1} x'])
def test_an_invalid_object_is_refused(text):
    with pytest.raises(JSONError):
        Members(text)


def test_types_are_found_at_any_depth_also_those_that_are_shadowed():
    text = '{"type": "a", "TYPE": "b", "x": [[{"tYpe": "c", "type": null, "typ": "d"}], {"type": {"type": "e"}}]}'
    assert strings_of(text, "type") == {"a", "b", "c", "e"}


@pytest.mark.parametrize("depth", [900, 200_000])
def test_depth_is_an_error_or_judged_and_no_crash(depth):
    text = '{"x":' * depth + "1" + "}" * depth
    for work in (view, lambda text: strings_of(text, "type"), lambda text: refuse_ambiguous(text, "here")):
        try:
            work(text)
        except JSONError as error:
            assert error.problem == "nested too deeply"

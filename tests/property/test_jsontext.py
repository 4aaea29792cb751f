"""jsontext beside the standard library's json: the same values, and parts that are the text they were."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.jsontext import JSONError, decode, elements, encode, join_members, members

pytestmark = pytest.mark.property

TEXT = st.text(st.characters() | st.sampled_from('"\\/\n\0\ud800\udcff,:{}[]'))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
SPACE = st.text(" \t\n\r", max_size=3)


@st.composite
def written(draw, value):
    """A text for a value, with space wherever JSON allows it."""
    space = lambda: draw(SPACE)  # noqa: E731
    if isinstance(value, dict):
        pairs = [f"{space()}{json.dumps(k)}{space()}:{draw(written(v))}" for k, v in value.items()]
        return space() + "{" + (",".join(pairs) or space()) + "}" + space()
    if isinstance(value, list):
        return space() + "[" + (",".join(draw(written(v)) for v in value) or space()) + "]" + space()
    return space() + json.dumps(value, ensure_ascii=draw(st.booleans())) + space()


@given(VALUES)
def test_a_round_trip(value):
    text = encode(value)
    assert text.isascii()
    assert "\n" not in text
    assert decode(text) == value
    assert json.loads(text) == value


@given(VALUES.flatmap(written))
def test_it_decodes_as_json_does(text):
    assert decode(text) == json.loads(text)


@given(st.dictionaries(TEXT, VALUES, max_size=5).flatmap(written))
def test_the_members_are_parts_of_the_text(text):
    parts = members(text)
    assert {name: json.loads(raw) for name, raw in parts.items()} == json.loads(text)
    position = 0
    for raw in parts.values():
        assert raw == raw.strip()
        position = text.index(raw, position) + len(raw)  # each is there, letter by letter, in order
    assert members(join_members(parts)) == parts


@given(st.lists(VALUES, max_size=5).flatmap(written))
def test_the_elements_are_parts_of_the_text(text):
    parts = elements(text)
    assert [json.loads(raw) for raw in parts] == json.loads(text)


JSONISH = st.text('{}[]",:0123456789.eE+-truefalsn \n\\u/', max_size=40)


@given(JSONISH | st.text(string.printable, max_size=40))
def test_invalid_json_is_refused_with_a_place(text):
    try:
        value = json.loads(text, parse_constant=refuse)
    except ValueError:
        with pytest.raises(JSONError) as caught:
            decode(text)
        lines = text.split("\n")
        assert 1 <= caught.value.line <= len(lines)
        assert 1 <= caught.value.column <= len(lines[caught.value.line - 1]) + 1
    else:
        assert decode(text) == value


def refuse(name):
    raise ValueError(name)

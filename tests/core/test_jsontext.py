"""JSON text without `json`: the same answers, raw parts, and errors that say where (B39, B64)."""

import json

import pytest

from genie_core.jsontext import (
    MOST_LEVELS,
    JSONError,
    decode,
    elements,
    encode,
    is_deep,
    join_members,
    members,
)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[1,2.5,-0,1e3,true,false,null,"\\u00fc\\n\\""]}',
        "[]",
        "{}",
        '""',
        " 7 ",
        "\n[ 1 ,\t2 ]\r\n",
        '{"a":1,"a":2}',
    ],
)
def test_it_decodes_as_json_does(text):
    assert decode(text) == json.loads(text)


@pytest.mark.parametrize(
    "text,problem,line,column",
    [
        ("", "the text is empty", 1, 1),
        ("  \n ", "the text is empty", 1, 1),
        ("{", "the text ends too early", 1, 2),
        ('{"a": [1, 2', "the text ends too early", 1, 12),
        ('{"a": 1,}', "trailing comma", 1, 8),
        ('{"a": 1,\n }', "trailing comma", 1, 8),
        ("[1,]", "trailing comma", 1, 3),
        ("{'a': 1}", "strings take double quotes", 1, 2),
        ("{\"a\": 'x'}", "strings take double quotes", 1, 7),
        ('{"a": 1} x', "text behind the JSON value", 1, 10),
        ('{\n  "a" 1\n}', "expecting ':' delimiter", 2, 7),
        ('{"a": NaN}', "NaN is not a JSON value", 1, 1),
        ("[Infinity]", "Infinity is not a JSON value", 1, 1),
        ("-Infinity", "-Infinity is not a JSON value", 1, 1),
        ('["\t"]', "invalid control character at", 1, 3),
        ('["\\x"]', "invalid \\escape", 1, 3),
        ("[" * 100_000, "nested too deeply", 1, 1),
        ("[" + "1" * 5000 + "]", "a number has too many digits", 1, 1),
        ('{"a": 1e400}', "a number is out of range", 1, 1),
        ("-1e400", "a number is out of range", 1, 1),
        ("nope", "a value was expected", 1, 1),
        ("{1: 2}", "expecting property name enclosed in double quotes", 1, 2),
        ("\ufeff{}", "a byte order mark comes first", 1, 1),
    ],
)
def test_errors_say_what_and_where(text, problem, line, column):
    with pytest.raises(JSONError) as caught:
        decode(text)
    assert caught.value.problem.startswith(problem)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value) == f"{caught.value.problem} (line {line} column {column})"


def test_errors_hold_nothing_of_the_text():
    with pytest.raises(JSONError) as caught:
        decode('{"token": "SECRET", }')
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", float("nan"), float("inf"), [1j]])
def test_values_beyond_json_are_not_encoded(value):
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_members_keep_each_value_as_it_was_written():
    text = ' { "a" : 1.10 ,"b":{ "x":[ 1 ] }, "\\u0063":"\\/" , "d" : -0 }\n'
    assert members(text) == {"a": "1.10", "b": '{ "x":[ 1 ] }', "c": '"\\/"', "d": "-0"}
    assert join_members(members(text)) == '{"a":1.10,"b":{ "x":[ 1 ] },"c":"\\/","d":-0}'


def test_elements_keep_each_value_as_it_was_written():
    assert elements(' [ 1.10 , {"a" : 1},[ ],"," ] ') == ["1.10", '{"a" : 1}', "[ ]", '","']


def test_of_a_member_that_comes_twice_the_last_counts_as_everywhere():
    text = '{"a": 1, "a": 2}'
    assert members(text) == {"a": "2"}
    assert decode(text) == {"a": 2}


@pytest.mark.parametrize("text", ["[]", "7", "null", '"{}"'])
def test_members_are_an_objects(text):
    with pytest.raises(JSONError, match="an object was expected"):
        members(text)


@pytest.mark.parametrize("text", ["{}", "7", "null", '"[]"'])
def test_elements_are_an_arrays(text):
    with pytest.raises(JSONError, match="an array was expected"):
        elements(text)


@pytest.mark.parametrize("text", ['{"a": }', '{"a": 1}}', "{", ""])
def test_parts_of_invalid_json(text):
    with pytest.raises(JSONError):
        members(text)


@pytest.mark.parametrize("inner", ["", "1", '{"a": {}}', '[], "x", {"b": 1}'])
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a": [', "]}")])
def test_levels_are_counted(inner, opening, closing):
    """Objects and arrays, the outermost included."""
    own = 1 + max(inner.count("{"), inner[:1] == "[")
    fitting = (MOST_LEVELS - own) // len(closing)
    for times, deep in [(1, False), (fitting, False), (fitting + 1, True)]:
        assert is_deep(decode(opening * times + f"[{inner}]" + closing * times)) is deep

"""Typed getters: the value, the default, or an error with the place."""

import pytest

from genie_core import fields
from genie_core.errors import InvalidConfig

VALUES = {
    "null": None,
    "a boolean": True,
    "a number": 7,
    "an empty string": "",
    "a string": "SECRET",
    "an array": ["SECRET"],
    "an object": {"SECRET": 1},
}
GETTERS = {
    "get_str": ("a string", {"a string", "an empty string"}, ""),
    "get_bool": ("true or false", {"a boolean"}, False),
    "get_object": ("an object", {"an object"}, {}),
    "get_list": ("an array", {"an array"}, []),
    "get_strings": ("an array", {"an array"}, []),
}


@pytest.mark.parametrize("getter", GETTERS)
@pytest.mark.parametrize("kind", VALUES)
def test_each_getter_takes_its_kind_and_names_the_place_of_another(getter, kind):
    wanted, taken, default = GETTERS[getter]
    data = {"key": VALUES[kind]}
    get = getattr(fields, getter)
    if kind == "null":
        assert get(data, "key") == get({}, "key") == default
    elif kind in taken:
        assert get(data, "key") == VALUES[kind]
    else:
        with pytest.raises(InvalidConfig) as caught:
            get(data, "key", where="plugins[1]")
        assert caught.value.msg == f"plugins[1].key must be {wanted}, not {kind}"
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("word,value", [("true", True), ("TRUE", True), ("False", False)])
def test_b10_booleans_as_words(word, value):
    assert fields.get_bool({"key": word}, "key", not value) is value


@pytest.mark.parametrize("value", [0.5, 1, 99.5, 100])
def test_numbers_within_bounds(value):
    assert fields.get_number({"key": value}, "key", 7, at_least=0.5, at_most=100) == value


@pytest.mark.parametrize("value", [0.4, 100.1, -1, True, "5", [], 10**400, float("nan"), float("inf")])
def test_numbers_out_of_bounds(value):
    with pytest.raises(InvalidConfig, match=r"key must be a number from 0\.5 to 100") as caught:
        fields.get_number({"key": value}, "key", 7, at_least=0.5, at_most=100)
    assert "not a number" not in caught.value.msg


def test_a_string_list_names_the_element():
    with pytest.raises(InvalidConfig, match=r"^dns\.servers\[1\] must be a string, not a number$"):
        fields.get_strings({"servers": ["a", 7]}, "servers", where="dns")


def test_places():
    assert fields.place(fields.place("plugins", 1), "type") == "plugins[1].type"
    assert fields.place("", "type") == "type"


@pytest.mark.parametrize(
    "text, can", [("", True), ("ü\n", True), ("\udc80", True), ("a\0", False), ("\ud83e", False)]
)
def test_what_a_path_or_a_variable_can_hold(text, can):
    """Bytes that are no UTF-8 (PEP 383) can be passed on; a lone surrogate stands for none."""
    assert fields.can_be_passed(text) is can

"""Where a member is in its text: the same as a decoder finds there, for any document."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.catalog.positions import positions

TEXT = '{\n  "name": "a",\n  "plugins": [\n    {"type": "b"},\n    {"type": "c", "ipam": {"subnet": "x"}}\n  ]\n}\n'


@pytest.mark.parametrize(
    "path,place",
    [
        ("name", (2, 3)),
        ("plugins[1].ipam.subnet", (5, 28)),
        ("plugins[1]", (5, 5)),
        ("plugins[1].ipam.gateway", (5, 19)),
        ("plugins[7].type", (3, 3)),
        ("nothing", (1, 1)),
        ("", (1, 1)),
    ],
)
def test_places(path, place):
    assert positions(TEXT).of(path) == place


def test_repeated_keys():
    assert positions('{"a":1,"b":{"c":1,"c":2},"a":3}').repeated == ("b.c", "a")
    assert positions('{"mtu":1,"b":{"C":1,"c":2},"MTU":3,"ma\u017fter":1,"MASTER":2}').repeated == (
        "b.c",
        "MTU",
        "MASTER",
    )


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":}', "nope", "[1", '"' * 3])
def test_text_that_is_not_json_has_no_places(text):
    assert positions(text).of("a") == (1, 1)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.property
@given(DOCUMENTS, st.sampled_from([None, 1, 4]))
def test_every_offset_is_where_the_value_is(document, indent):
    text = json.dumps(document, indent=indent)
    found = positions(text).offsets

    def walk(value, path):
        if isinstance(value, dict):
            for key, inner in value.items():
                place = f"{path}.{key}" if path else key
                assert text.startswith(json.dumps(key), found[place])
                walk(inner, place)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                assert json.JSONDecoder().raw_decode(text, found[f"{path}[{index}]"])[0] == inner
                walk(inner, f"{path}[{index}]")

    walk(document, "")

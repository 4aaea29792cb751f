"""The patterns of `allowed_networks`, compared with the shell's; which entry applies to which namespace."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.select.allowed import allowed_by_name, is_allowed, matches

TEXTS = st.text(st.sampled_from("ab*-/="), max_size=8)


@given(TEXTS, TEXTS)
def test_a_star_is_any_text(pattern, text):
    """`fnmatch` knows two more special characters, which are not among these."""
    assert matches(pattern, text) == fnmatchcase(text, pattern)


def unread():
    raise AssertionError("labels were read")


@pytest.mark.parametrize(
    "rules, network, allowed",
    [
        ({}, "a", False),
        ({"shop": []}, "a", False),
        ({"shop": ["a"]}, "a", True),
        ({"shop": ["a"]}, "ab", False),
        ({"shop": ["a*"]}, "ab", True),
        ({"other": ["a"]}, "a", False),
        ({"sh*": ["a"]}, "a", True),
        ({"shopping": ["a"], "sho": ["a"]}, "a", False),
        ({"*": ["a"]}, "a", True),
        ({"shop": ["*"]}, "infra/a", False),
        ({"shop": ["infra/*"]}, "infra/a", True),
        ({"shop": ["infra/*"]}, "a", False),
        ({"shop": ["*/a"]}, "infra/a", True),
        ({"shop": ["infra/a"], "tier=gold": ["b"]}, "infra/a", True),
        ({"shop": ["a"], "tier=gold": ["a"]}, "a", True),
        ({"tier=gold": ["b"]}, "a", False),
    ],
)
def test_a_name_decides_without_labels(rules, network, allowed):
    assert is_allowed(rules, "shop", network, unread) is allowed


@pytest.mark.parametrize(
    "who, allowed",
    [
        ("tier=gold", True),
        ("tier=silver", False),
        ("tier=*", True),
        ("zone=*", False),
        ("tier=gold,team=a", True),
        ("tier=gold, team=a", True),
        ("tier=gold,team=b", False),
    ],
)
def test_labels_must_all_be_there(who, allowed):
    labels = {"tier": "gold", "team": "a"}
    assert is_allowed({who: ["net"]}, "shop", "net", lambda: labels) is allowed


def test_the_networks_allowed_to_a_namespace():
    rules = {"shop": ["a", "b"], "tier=gold": ["c"], "*": ["b", "d"], "x": ["e"]}
    assert allowed_by_name(rules, "shop") == ["a", "b", "d"]

"""CNI_ARGS: every text is read as pairs or refused, and pairs come back as they were (conformance A11-A15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import InvalidEnvironment
from genie_core.spec.request import parse_args, pod_of

pytestmark = pytest.mark.property

KEYS = st.text(st.characters(exclude_characters=";="), min_size=1).filter(lambda key: key != "IgnoreUnknown")
TEXTS = st.text(st.characters(exclude_characters=";"))
PAIRS = st.dictionaries(KEYS, TEXTS)


@given(PAIRS, st.randoms())
def test_pairs_come_back_in_any_order_with_empty_ones_between(pairs, random):
    parts = [f"{key}={value}" for key, value in pairs.items()] + [""] * 3
    random.shuffle(parts)
    assert parse_args(";".join(parts)) == pairs


@given(PAIRS, st.sampled_from(["1", "0", "true", "FALSE", "True"]), st.booleans())
def test_ignore_unknown_may_stand_anywhere(pairs, word, first):
    parts = [f"{key}={value}" for key, value in pairs.items()]
    parts.insert(0 if first else len(parts), f"IgnoreUnknown={word}")
    assert parse_args(";".join(parts)) == {**pairs, "IgnoreUnknown": word}


@given(st.text(st.characters() | st.sampled_from(";=")))
def test_every_text_is_read_or_refused(text):
    try:
        pairs = parse_args(text)
    except InvalidEnvironment as error:
        assert "CNI_ARGS" in error.msg
        return
    assert all(";" not in key + value and "=" not in key and key for key, value in pairs.items())
    pod = pod_of(pairs)
    assert pod is None or (pod.namespace and pod.name)

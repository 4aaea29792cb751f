"""The counters' text: Prometheus' own parser reads it, calls add up, damage starts afresh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from genie_core.metrics import BOUNDS, MAX_SERIES, Run, counted, families_of

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=20)


def samples(text):
    """(name, labels as pairs) -> value, by Prometheus' own parser."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_calls_and_runs_add_up():
    runs = [Run("ADD", "blue", "bridge", 0.25), Run("ADD", "blue", "portmap", 0.5)]
    found = samples(counted(counted("", "ADD", 7, 1, runs), "ADD", 7, 0.5, runs))
    calls = {key: value for key, value in found.items() if key[0].startswith("genie_calls")}
    assert calls == {("genie_calls_total", ("code", "7"), ("verb", "ADD")): 2}
    assert found["genie_call_seconds_sum", ("verb", "ADD")] == 1.5
    assert found["genie_call_seconds_count", ("verb", "ADD")] == 2
    bridge, portmap = (
        [("network", "blue"), ("plugin", "bridge")],
        [("network", "blue"), ("plugin", "portmap")],
    )
    assert found["genie_plugin_seconds_count", *bridge, ("verb", "ADD")] == 2
    assert found["genie_plugin_seconds_sum", *portmap, ("verb", "ADD")] == 1


def test_a_histogram_has_cumulative_buckets_in_order():
    runs = [Run("ADD", "blue", "bridge", seconds) for seconds in (0.004, 0.03, 0.03, 100)]
    text = counted("", "ADD", 0, 1, runs)
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "genie_plugin_seconds"]
    buckets = [(s.labels["le"], s.value) for s in family.samples if s.name.endswith("_bucket")]
    assert [bound for bound, _ in buckets] == [*BOUNDS, "+Inf"]
    assert [value for _, value in buckets] == [1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4]


def test_each_family_stands_together_with_its_type():
    text = counted(counted("", "ADD", 0, 1, [Run("ADD", "a", "a", 1)]), "DEL", 0, 1, [])
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert families == {
        "genie_calls": "counter",
        "genie_call_seconds": "histogram",
        "genie_plugin_seconds": "histogram",
    }
    assert text.count("# TYPE") == 3


def test_of_another_text_only_the_own_families_are_taken():
    own = counted("", "ADD", 0, 1, [])
    assert families_of("node_load1 0.5\ngenie_sync_total 3\n" + own) == own


@pytest.mark.parametrize(
    "damage", ["\0\0", "garbage", "genie_calls_total{verb=", "x nan\ny inf\nz -1\n", "\n \n"]
)
def test_an_invalid_sample_is_dropped(damage):
    assert counted(damage, "DEL", 0, 1, []) == counted("", "DEL", 0, 1, [])


@pytest.mark.property
@given(network=NAMES, plugin=NAMES)
def test_any_name_is_a_label(network, plugin):
    text = counted("", "ADD", 0, 0, [Run("ADD", network, plugin, 0.1)])
    labels = {sample[1:] for sample in samples(text) if sample[0] == "genie_plugin_seconds_count"}
    assert labels == {(("network", network), ("plugin", plugin), ("verb", "ADD"))}
    assert counted(text, "ADD", 0, 0, []).count("\n") == text.count("\n")  # it reads its own text


def test_the_file_does_not_grow_without_end():
    text = ""
    for number in range(3):
        runs = [Run("ADD", f"n{number}-{count}", "a", 0) for count in range(MAX_SERIES)]
        text = counted(text, "ADD", 0, 0, runs)
    assert MAX_SERIES - 20 < len(samples(text)) <= MAX_SERIES
    assert samples(text)["genie_calls_total", ("code", "0"), ("verb", "ADD")] == 3

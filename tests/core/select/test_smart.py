"""`cni: ""` alone: the candidates, the indicators, and what happens without either (conformance D13, D16-D18, X29)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import GenieError
from genie_core.indicators import INDICATORS, Measures, judge
from tests.core.cadvisor import cadvisor, sample

BLANK = {"cni": ""}


@pytest.fixture
def node(desk):
    for name in ("calico", "flannel", "weave"):
        desk.file(name)
    return desk


def chosen(desk, **settings):
    (choice,) = desk.choose(BLANK, **settings)
    return choice


# --- candidates


def test_d16_ties_go_by_cni_genies_order(node):
    assert chosen(node).network.name == "flannel"


def test_d17_the_choice_is_written_to_the_pod_with_its_reason(node):
    choice = chosen(node)
    assert choice.annotations == {"cni": "flannel"}
    assert "least load of " in choice.selection.origin
    assert ("info", "chosen by load") in [(level, event) for level, event, _ in node.log.lines]


def test_x29_a_network_that_is_not_installed_is_no_candidate(node):
    (node.bin / "flannel").unlink()
    assert chosen(node).network.name == "calico"


def test_x29_broken_files_and_genie_itself_are_no_candidates(node):
    (node.conf / "05-aaa.conflist").write_text("{")
    node.file("0", {"type": "genie"}, file="00-genie.conflist")
    assert chosen(node).network.name == "flannel"


def test_x29_a_list_of_candidates(node):
    assert chosen(node, smart_selection={"candidates": ["weave", "calico"]}).network.name == "calico"
    assert chosen(node, smart_selection={"candidates": ["nobody", "weave"]}).network.name == "weave"
    assert "candidate left out" in node.warnings()


def test_of_two_files_of_one_name_the_first_counts(node):
    node.file("second", "ptp", file="20-flannel.conflist")
    assert chosen(node).network.name == "flannel"


def test_d16_the_annotation_holds_the_name_by_which_the_file_is_found(desk):
    desk.file("k8s-pod-network", "calico", file="10-calico.conflist")
    choice = chosen(desk)
    assert choice.annotations == {"cni": "calico"}
    assert desk.choose({"cni": "calico"})[0].network.name == choice.network.name == "k8s-pod-network"


def two_samples(**received):
    """What cAdvisor says after a second in which these interfaces received so many bytes."""
    return {
        "stats": [
            sample(0, **dict.fromkeys(received, (0, 0))),
            sample(1, **{name: (count, 0) for name, count in received.items()}),
        ]
    }


def test_d16_the_least_downlink_among_those_that_cadvisor_knows(node):
    """A network of which nothing is measured is not the least loaded one, unless it is listed as a candidate."""
    node.file("aaa", "bridge")
    with cadvisor(two_samples(flannel1=500, cali7=20, weave=300, lo=1)) as (address, _):
        assert chosen(node, cAdvisor_address=address).network.name == "calico"
        listed = {"candidates": ["weave", "aaa"]}
        assert chosen(node, cAdvisor_address=address, smart_selection=listed).network.name == "aaa"


def test_d17_the_default_network_where_cadvisor_has_no_numbers(node):
    with cadvisor(two_samples(lo=1, eth0=5)) as (address, _):
        choice = chosen(node, default_plugin="weave", cAdvisor_address=address)
    assert (choice.network.name, choice.annotations) == ("weave", {})
    assert "no choice by load, default network used" in node.warnings()


@pytest.mark.parametrize(
    "settings", [{"smart_selection": {"candidates": ["nobody"]}}, {"cAdvisor_address": "http://127.0.0.1:1"}]
)
def test_d13_d17_the_default_network_where_it_cannot_choose(node, settings):
    choice = chosen(node, default_plugin="weave", **settings)
    assert choice.network.name == "weave"
    assert choice.annotations == {}
    assert "no choice by load, default network used" in node.warnings()


def test_d13_nothing_at_all(desk):
    with pytest.raises(GenieError) as caught:
        desk.choose(BLANK)
    assert caught.value.code == 11


# --- indicators


def test_each_indicator_is_a_share():
    measures = {
        "x": Measures(received=30, sent=0, attachments=1, addresses_used=5, addresses=10),
        "y": Measures(received=10, sent=0, attachments=3, addresses_used=0, addresses=0),
    }
    assert {name: indicator.of(measures) for name, indicator in INDICATORS.items()} == {
        "received_rate": {"x": 0.75, "y": 0.25},
        "sent_rate": {"x": 0.0, "y": 0.0},
        "attachments": {"x": 0.25, "y": 0.75},
        "address_use": {"x": 0.5, "y": 0.0},
    }


@pytest.mark.parametrize("indicator", INDICATORS)
def test_weights_decide(indicator):
    busy = Measures(received=9, sent=9, attachments=9, addresses_used=9, addresses=10)
    alone = dict.fromkeys(INDICATORS, 0.0) | {indicator: 1.0}
    assert judge({"a": busy, "b": Measures()}, alone).name == "b"
    assert judge({"a": busy, "b": Measures()}, dict.fromkeys(INDICATORS, 0.0)).name == "a"


def test_x29_a_nearly_full_network_loses_against_a_busier_one():
    measures = {
        "full": Measures(addresses_used=95, addresses=100),
        "busy": Measures(received=1, addresses=100),
    }
    assert judge(measures, {"received_rate": 0.5}).name == "busy"


def test_an_own_indicator_counts_as_a_share():
    measures = {"a": Measures(others={"rtt": 30.0}), "b": Measures(others={"rtt": 10.0})}
    assert judge(measures, {}).loads == {"a": 0.75, "b": 0.25}
    assert judge(measures, {"rtt": 2}).loads == {"a": 1.5, "b": 0.5}
    measures["c"] = Measures()  # it has no number of it: then it says nothing
    assert judge(measures, {}).loads == {"a": 0, "b": 0, "c": 0}


def full(desk, name):
    """The network's IPv4 range is used up."""
    leases = desk.conf.parent / "leases"
    (leases / name).mkdir(parents=True)
    (leases / name / "10.1.0.2").touch()
    sets = [[{"subnet": "10.1.0.0/30"}], [{"subnet": "fd00::/64"}]]
    ipam = {"type": "host-local", "dataDir": str(leases), "ranges": sets}
    desk.file(name, {"type": name, "ipam": ipam})


def test_a_dual_stack_network_without_ipv4_is_not_chosen(node):
    full(node, "flannel")
    assert chosen(node).network.name == "calico"
    assert "networks without a free address left out" in node.warnings()


def test_where_all_are_full_the_default_network_counts(node):
    full(node, "flannel")
    choice = chosen(node, smart_selection={"candidates": ["flannel"]}, default_plugin="weave")
    assert choice.network.name == "weave"
    assert "no choice by load, default network used" in node.warnings()


def test_an_own_indicator_decides(node, tmp_path):
    script = tmp_path / "prefer"
    script.write_text('#!/bin/sh\n[ "$1" = weave ] && echo 0 || echo 5\n')
    script.chmod(0o755)
    own = [{"name": "prefer", "exec": str(script)}]
    assert chosen(node, smart_selection={"indicators": own}).network.name == "weave"
    assert (
        chosen(node, smart_selection={"indicators": own, "weights": {"prefer": 0}}).network.name == "flannel"
    )


NUMBERS = st.floats(0, 1e12, allow_nan=False)
MEASURES = st.builds(
    Measures, NUMBERS, NUMBERS, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
)
NAMES = st.sampled_from(["flannel", "calico", "weave", "lo", "x", "bridge"])


@pytest.mark.property
@given(
    st.dictionaries(NAMES, MEASURES, min_size=1),
    st.dictionaries(st.sampled_from(list(INDICATORS)), st.floats(0, 10)),
)
def test_x29_the_same_numbers_give_the_same_choice_in_any_order(measures, weights):
    verdict = judge(measures, weights)
    backwards = dict(reversed(list(measures.items())))
    assert judge(backwards, weights) == verdict
    assert verdict.loads[verdict.name] == min(verdict.loads.values())
    assert all(name in str(verdict) for name in measures)

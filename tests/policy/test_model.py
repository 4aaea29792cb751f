"""The compiled rules equal the policies' semantics: generated clusters, every pair of addresses, several ports."""

from random import Random

import pytest

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from tests.policy import reference
from tests.policy.generated import PORTS, world
from tests.policy.journeys import verdict

CASES = [("TCP", number) for number in PORTS] + [("UDP", 80), ("UDP", 443), ("SCTP", 81), ("ICMP", 0)]


def differences(seed):
    """(checked, the cases in which the compiled rules differ from the reference) of one generated cluster."""
    random = Random(seed)
    made = world(random)
    ruleset = compile_node(Cluster(made.documents()), "n1")
    ends, checked, wrong = made.ends(), 0, []
    for source in ends:
        for target in ends:
            if source[0] is target[0] or (":" in source[2]) != (":" in target[2]):
                continue
            protocol, number = random.choice(CASES)
            wanted = reference.allowed(made, source, target, protocol, number)
            checked += 1
            if verdict(ruleset, source, target, protocol, number) != wanted:
                wrong.append((seed, source[1:], target[1:], protocol, number, wanted))
    return checked, wrong


@pytest.mark.property
def test_compiled_rules_are_the_reference():
    found = [differences(seed) for seed in range(20)]
    assert [one for _, wrong in found for one in wrong] == []
    assert sum(checked for checked, _ in found) > 10_000


def test_the_order_of_the_objects_does_not_matter():
    for seed in range(15):
        documents = world(Random(seed)).documents()
        texts = set()
        for shuffle in range(3):
            Random(shuffle).shuffle(documents)
            documents[-1] = dict(reversed(documents[-1].items()))
            ruleset = compile_node(Cluster(documents), "n1")
            texts.add((ruleset.host_text, tuple(one.as_json()["text"] for one in ruleset.pods)))
        assert len(texts) == 1

"""What grows with the pods and policies of a node, and what does not."""

import pytest

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from genie_core.tasks.policy.counts import Counts
from genie_core.tasks.policy.enforce import Applied
from tests.bench import policies


def documents(count, *, shared=False):
    """So many pods of a bridge, and policies with two ports, each of which selects one of them, or all."""
    rest = policies._rest(lambda _: [{"podSelector": {}}])
    definition, attached = rest[-2:]
    own = [policies._policy(number, [{"podSelector": {}}]) for number in range(count)]
    for number, policy in enumerate(own):
        policy["spec"]["podSelector"] = {} if shared else {"matchLabels": {"number": str(number)}}
        policy["spec"]["egress"] = [{"ports": [{"port": 80 + number}, {"port": 8000 + number}]}]
    items = [policies._attachment(index) for index in range(count)]
    pods = [policies._pod(index) for index in range(count)]
    return [*pods, *own, definition, {**attached, "items": items}]


@pytest.mark.parametrize("shared", [True, False])
def test_sets_without_a_name_do_not_grow_in_number(shared):
    """The kernel walks over the whole transaction for each of them: 10,000 took 9 s, under the lock of ADD's guards."""

    def unnamed(count):
        tables = compile_node(Cluster(documents(count, shared=shared)), "n1").host
        return sum("{" in rule.text() for table in tables for chain in table.chains for rule in chain.rules)

    assert unnamed(20) == unnamed(2)


def test_attachments_of_the_same_policies_share_what_is_compiled_of_them():
    """1,000 policies that select all of 1,000 pods took 77 s, under the lock of ADD's guards."""
    ruleset = compile_node(Cluster(documents(20, shared=True)), "n1")
    assert len({id(one) for found in ruleset.isolated for one in found.isolations}) == 2
    assert len({id(gate.guarded.rules) for gate in ruleset.gates}) == 2


def test_a_policy_that_is_deleted_takes_its_counter_along():
    """A pipeline may make policies of its own at each run: their metrics would grow as long as the agent runs."""
    counts = Counts()
    items = documents(2)
    counts.applied(Applied(ruleset=compile_node(Cluster(items), "n1")))
    assert counts.as_json()["drops"] == {"shop/policy0": 0, "shop/policy1": 0}
    without = [item for item in items if item.get("metadata", {}).get("name") != "policy0"]
    counts.applied(Applied(ruleset=compile_node(Cluster(without), "n1")))
    assert counts.as_json()["drops"] == {"shop/policy1": 0}

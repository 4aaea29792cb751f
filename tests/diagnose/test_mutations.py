"""Some random changes of healthy nodes in every test run; `make diagnose-bench SEED=n` makes 504 of them."""

import random

import pytest

from tests.diagnose.mutations import __main__ as mutations
from tests.diagnose.mutations.changes import change
from tests.diagnose.mutations.node import KINDS

pytestmark = pytest.mark.root
# Of the seed 1: a kind of node, and the numbers of changes of it.
SOME = {"bridge and vxlan": (0, 6, 12, 438), "routed": (391, 397)}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.id in SOME], ids=lambda kind: kind.id)
def test_a_change_that_breaks_traffic_is_named_first_and_another_is_not_reported(kind):
    rows = list(mutations.of_kind(kind, 1, list(SOME[kind.id])))
    assert [(row.number, row.word, row.first) for row in rows if row.word not in mutations.RIGHT] == []
    assert len(rows) == len(SOME[kind.id])


def test_a_seed_gives_the_same_changes():
    made = [change(kind, random.Random(f"7 {number}")) for number, kind in enumerate(KINDS * 20)]
    assert made == [change(kind, random.Random(f"7 {number}")) for number, kind in enumerate(KINDS * 20)]
    assert {one.family for one in made} == {"route", "rule", "sysctl", "link", "neighbour", "filter"}
    assert len({one.make for one in made}) > 90

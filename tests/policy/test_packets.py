"""Real packets follow the policies' semantics: on bridges, over macvlan and ptp, and routed between them."""

from random import Random

import pytest

from tests.policy.generated import world
from tests.policy.lab import Lab, warm_up
from tests.policy.packets import compare


@pytest.fixture(scope="module")
def lab(cni_bin):
    made = Lab()
    try:
        warm_up(made, world(Random(0)))
        yield made
    finally:
        made.close()


def test_packets_do_what_policies_mean(lab):
    found = [compare(lab, seed, 120) for seed in range(4)]
    assert [one for _, wrong in found for one in wrong] == []
    assert sum(checked for checked, _ in found) == 480

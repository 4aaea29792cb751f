"""A part of the bench in every test run: faults of each kind, pairs, and healthy pods, through the real command.

`make diagnose-bench` runs all of them, and carries out the remedies of all.
"""

import pytest

from tests.diagnose import bench, healthy
from tests.diagnose.faults import LISTED
from tests.diagnose.unlisted import UNLISTED

BY_ID = {fault.id.split()[0]: fault for fault in (*LISTED, *UNLISTED)}
QUICK = ("F01", "F14", "F20", "F34", "F36", "F38", "F43", "F62", "F72", "F76", "F81", "F86", "U10", "U39")
CONTROLS = ("H3 service mesh", "H4 calico style", "H6 policy routing", "H12 Completed", "dual stack")

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", QUICK)
def test_the_cause_is_the_first_finding_and_its_remedy_mends(name):
    row = bench.run_fault(BY_ID[name], bench.FACTS_ONLY)
    assert (row.points, row.notes) == (2, []), row.first


def test_probes_tell_what_no_fact_on_this_node_does():
    row = bench.run_fault(BY_ID["F68"], ())
    assert (row.points, row.notes) == (2, []), row.first


@pytest.mark.parametrize("pair", [("F01", "F31"), ("F27", "F57")])
def test_two_faults_at_once_are_both_found(pair):
    row = bench.run_pair(BY_ID[pair[0]], BY_ID[pair[1]], bench.FACTS_ONLY)
    assert (row.points, row.notes) == (2, [])


@pytest.mark.parametrize("control", [c for c in healthy.CONTROLS if c.id in CONTROLS], ids=lambda c: c.id)
def test_a_healthy_pod_is_called_healthy(control):
    assert healthy.run_control(control, ()) == []


@pytest.mark.parametrize("way", ["bridge portmap firewall", "macvlan", "source based routing"])
def test_a_pod_that_the_real_plugins_attached_is_healthy(way):
    assert healthy.run_attached(way, bench.FACTS_ONLY) == []

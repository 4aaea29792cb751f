"""A part of the bench in every test run: faults of each kind, pairs, and healthy pods, through the real command.

`make diagnose-bench` runs all of them, and carries out the remedies of all.
"""

import pytest

from tests.diagnose import bench, healthy
from tests.diagnose.classes.kinds import KINDS
from tests.diagnose.faults import LISTED
from tests.diagnose.frequent import FREQUENT
from tests.diagnose.invented import INVENTED, INVENTED_HEALTHY
from tests.diagnose.unlisted import UNLISTED

CLASSED = [fault for kind in KINDS for fault in kind.faults]
BY_ID = {fault.id.split()[0]: fault for fault in (*LISTED, *UNLISTED, *INVENTED, *FREQUENT, *CLASSED)}
# One of each kind: neighbour, firewall, translation, overlay, path MTU, several interfaces, files, ARP,
# policy (asked with --to), a subnet, a next hop, a route between nodes, loopback, a rule, IPv6, a duplicate, a second
# interface.
QUICK = (
    *("F14", "F34", "F36", "F62", "F72", "F76", "F86", "U48"),
    *(
        "U96",
        "U119",
        "U121",
        "U116",
        "U146",
        "U170",
        "U172",
        "U173",
        "U189",
        "U198",
        "U203",
        "U206",
        "U208",
        "U210",
        "U211",
        "U213",
        "U222",
        "U223",
        "U262",
        "U273",
    ),
)
# One of each class that is diagnosed in about a second; those of classes 2 and 12 need probes.
OF_CLASSES = (
    *("K101", "K301", "K403", "K501", "K604", "K701", "K801", "K901"),
    *("K1005", "K111", "K131", "K1404"),
)
CONTROLS = ("H3 service mesh", "calico policies", "nftables proxy", "IPv6 routed beside the tunnel")
STRANGE = (
    "many unusual settings",
    "two interfaces of each pod on one bridge",
    "a pod of the second NIC",
    "a gateway beside its bridge",
)
PROBED = ("H3 service mesh", "the other node refuses echoes", "macvlan, gateway elsewhere")

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", [*QUICK, *OF_CLASSES])
def test_the_cause_is_the_first_finding_and_its_remedy_mends(name):
    row = bench.run_fault(BY_ID[name], bench.FACTS_ONLY)
    assert (row.points, row.notes) == (2, []), row.first


@pytest.mark.parametrize("name", ["F68", "U125"])
def test_probes_find_what_no_fact_on_this_node_shows(name):
    row = bench.run_fault(BY_ID[name])
    assert (row.points, row.notes) == (2, []), row.first


def test_every_fault_is_seen_to_break_something_or_says_why_nothing_can():
    assert [f.id for f in BY_ID.values() if bool(f.breaks or f.fails) is bool(f.silent)] == []


@pytest.mark.parametrize("pair", [("F27", "F57")])
def test_two_faults_at_once_are_both_found(pair):
    row = bench.run_pair(BY_ID[pair[0]], BY_ID[pair[1]], bench.FACTS_ONLY)
    assert (row.points, row.notes) == (2, [])


@pytest.mark.parametrize(
    "control", [c for c in healthy.CONTROLS if c.id in (*CONTROLS, *PROBED, *STRANGE)], ids=lambda c: c.id
)
def test_a_healthy_pod_is_called_healthy(control):
    """With probes: they must leave nothing behind, and an address that answers no echo is not a finding."""
    assert healthy.run_control(control, () if control.id in PROBED else bench.FACTS_ONLY) == []


@pytest.mark.parametrize(
    "control", [c for c in INVENTED_HEALTHY if c.id[:2] in ("I1", "I2")], ids=lambda c: c.id
)
def test_a_node_that_looks_like_an_invented_fault_is_healthy(control):
    assert healthy.run_control(control, bench.FACTS_ONLY) == []


@pytest.mark.parametrize("way", ["bridge portmap firewall", "two bridges, CRI-O"])
def test_a_pod_that_the_real_plugins_attached_is_healthy(way):
    assert healthy.run_attached(way, bench.FACTS_ONLY) == []

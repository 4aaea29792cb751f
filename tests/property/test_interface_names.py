"""Interface names are unique, fixed by the list alone, and valid (conformance C43, C44, D34, X18)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig
from genie_core.model import Choice, NetConf, Selection
from genie_core.plan import name_interfaces
from genie_core.spec.request import ifname_problem

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["", "", "", "eth0", "eth1", "eth2", "eth3", "eth10", "net1", "net2", "x"])
LISTS = st.lists(NAMES, min_size=1, max_size=8)
PRIMARIES = st.sampled_from(["eth0", "eth1", "net1", "y"])
PREFIXES = st.sampled_from(["", "eth", "net", "abcdefghijk"])


def names_of(asked, primary, prefix=""):
    network = NetConf("n", "1.0.0", [], "f")
    return name_interfaces(
        [Choice(Selection("n", ifname, "here"), network) for ifname in asked], primary, prefix
    )


def can_be_named(asked, primary):
    explicit = [name for name in asked if name]
    return len(set(explicit)) == len(explicit) and ("" in asked or primary in explicit)


@given(LISTS, PRIMARIES, PREFIXES)
def test_names_are_given_or_refused(asked, primary, prefix):
    if not can_be_named(asked, primary):
        with pytest.raises(InvalidConfig):
            names_of(asked, primary, prefix)
        return
    names = names_of(asked, primary, prefix)
    assert len(set(names)) == len(asked)
    assert all(
        want in ("", got) for want, got in zip(asked, names, strict=True)
    )  # what is asked for is given
    assert primary in names
    assert not any(map(ifname_problem, names))


@given(LISTS, PRIMARIES)
def test_the_first_without_a_name_has_the_primary_unless_another_asks_for_it(asked, primary):
    assume(can_be_named(asked, primary) and primary not in asked)
    assert names_of(asked, primary)[asked.index("")] == primary


@given(LISTS, PRIMARIES)
def test_d34_the_rest_is_counted_without_gaps_but_for_names_that_are_taken(asked, primary):
    assume(can_be_named(asked, primary))
    names = names_of(asked, primary)
    counted = [got for want, got in zip(asked, names, strict=True) if not want and got != primary]
    free = [f"eth{n}" for n in range(1, 30) if f"eth{n}" not in {*asked, primary}]
    assert counted == free[: len(counted)]


@given(LISTS, PRIMARIES, st.integers(0, 7))
def test_x02_names_do_not_change_when_asked_for_explicitly(asked, primary, which):
    """What was given can be asked for: the same list, so DEL and a second ADD agree."""
    assume(can_be_named(asked, primary))
    names = names_of(asked, primary)
    which %= len(asked)
    assert (
        names_of([*asked[:which], names[which], *asked[which + 1 :]], primary) == names or asked[which] == ""
    )
    assert names_of(names, primary) == names

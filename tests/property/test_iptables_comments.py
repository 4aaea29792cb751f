"""Comments in what iptables-save prints, quoted as xtables_save_string does it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.net.firewall.iptables import parse

pytestmark = pytest.mark.property


@given(st.text("ab '\"\\-#", min_size=1, max_size=12))
def test_a_comment_is_read_back(comment):
    quoted = re.sub(r'(["\\])', r"\\\1", comment)
    text = f'*filter\n:A - [0:0]\n[0:0] -A A -s 10.0.0.1/32 -m comment --comment "{quoted}" -j DROP\nCOMMIT\n'
    (chain,) = parse(text, "iptables", {})
    assert (chain.rules[0].comment, chain.rules[0].action.kind) == (comment, "drop")

"""Address blocks without their exceptions, and what a policy with very many costs."""

import ipaddress
import time
from random import Random

from genie_core.policy.rules import Block, subtract
from genie_core.policy.ruleset import Set

START = int(ipaddress.ip_address("10.0.0.0"))


def block(random, least):
    number = START + random.randrange(1 << 16)
    return ipaddress.ip_network((number, random.randint(least, 32)), strict=False)


def test_a_set_has_the_blocks_without_their_exceptions():
    random = Random(7)
    for _ in range(100):
        blocks = [
            (block(random, 20), [block(random, 18) for _ in range(random.randint(0, 4))]) for _ in range(2)
        ]
        made = subtract([Block(str(one), tuple(map(str, holes))) for one, holes in blocks])
        found = Set("b", "ipv4_addr", tuple(made[4]), interval=True)
        ends = [int(net[0]) for one, holes in blocks for net in (one, *holes)]
        for number in (end + step for end in ends for step in (-1, 0, 1, 255)):
            address = ipaddress.ip_address(number)
            wanted = any(
                address in one and not any(address in hole for hole in holes) for one, holes in blocks
            )
            assert (str(address) in found) == wanted, (blocks, address, made)


def test_few_prefixes_stay_prefixes():
    assert subtract([Block("10.0.0.0/14", ("10.1.0.0/16",)), Block("fd00::/64")]) == {
        4: ["10.0.0.0/16", "10.2.0.0/15"],
        6: ["fd00::/64"],
    }


def test_thousands_of_exceptions_keep_no_node_busy():
    """As prefixes they would be half a million, and take minutes on every node of the cluster."""
    began = time.process_time()
    whole = Block("::/0", tuple(f"2001:db8::{number:x}:1/128" for number in range(5000)))
    found = subtract([whole])[6]
    assert len(found) == 5001
    assert time.process_time() - began < 10

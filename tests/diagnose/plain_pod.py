"""A pod as a bridge makes it, for facts made by hand: its interface, and the address that it holds."""

from genie_core.survey.kernel import Address, Link

ETH0 = Link(index=5, name="eth0", kind="veth", up=True, mac="02:00:00:00:00:05", peer=2, peer_nsid=0)
HELD = Address(index=5, ip="10.0.0.5", prefix=24)

"""Real packets follow the policies' semantics: on bridges, over macvlan and ptp, and routed between them."""

import socket
import subprocess
from random import Random

import pytest

from genie_core.edges.netns import inside
from tests.policy.generated import NETWORKS, addresses, port, world
from tests.policy.lab import Lab, warm_up
from tests.policy.packets import compare
from tests.policy.test_command import policy
from tests.policy.test_hostile import cluster, load, only


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


@pytest.mark.parametrize("network", ["shop/one", "cni/direct"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_pod_reaches_itself_by_a_service(lab, network, version):
    """The node gives its packet back to it; no policy is about that."""
    own = addresses(NETWORKS[network][1], 1)[version == 6]
    service, family = ("10.99.0.1", "ip") if version == 4 else ("fd99::1", "ip6")
    rules = f"""
        table {family} service {{
            chain in {{ type nat hook prerouting priority dstnat; {family} daddr {service} dnat to {own}; }}
            chain out {{
                type nat hook postrouting priority srcnat;
                {family} saddr {own} {family} daddr {own} masquerade;
            }}
        }}"""
    if network == "shop/one":  # the bridge plugin's hairpinMode
        end = port(NETWORKS[network][1], 1)
        lab.node.run("ip", "link", "set", end, "type", "bridge_slave", "hairpin", "on")
    both = policy(networks=network, podSelector=only(1), policyTypes=["Ingress", "Egress"])
    load(lab, cluster(lab, both))
    argv = ["ip", "netns", "exec", lab.node.name, "nft", "-f", "-"]
    subprocess.run(argv, input=rules, text=True, check=True)

    def connect():
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6) as one:
            one.settimeout(20)
            one.bind((own, 0))
            one.connect((service, 80))

    try:
        inside(str(lab.pods[1].path), connect)
    finally:
        lab.node.run("nft", "delete", "table", family, "service")
        lab.receivers.hang_up()
        load(lab, cluster(lab))

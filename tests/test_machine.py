"""The check for changes of the machine finds each kind of change."""

import subprocess
import sys

import pytest

from tests.machine import difference
from tests.test_lint import ROOT

TRACES = {
    "link": ("ip link add gt-trace type bridge", "+ link gt-trace"),
    "address": ("ip address add 192.0.2.77/32 dev lo", "+ address lo 192.0.2.77/32"),
    "route": ("ip route add blackhole 198.51.100.0/24", "dst=198.51.100.0/24"),
    "rule": ("ip rule add to 203.0.113.0/24 table 77", "+ rule -4"),
    "iptables chain": ("iptables -t nat -N CNI-0123", "CNI-0123"),
    "nftables table": ("nft add table inet gt-trace", "gt-trace"),
    "sysctl": ("sysctl -w net.ipv4.ip_forward=1", "+ sysctl net/ipv4/ip_forward = 1"),
}


def snapshot_of(namespace):
    return set(
        namespace.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.machine").stdout.splitlines()
    )


@pytest.mark.parametrize("trace", TRACES)
def test_a_trace_is_seen(netns, trace):
    namespace = netns()
    command, expected = TRACES[trace]
    namespace.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    before = snapshot_of(namespace)
    namespace.run(*command.split())
    assert expected in difference(before, snapshot_of(namespace))


def test_a_namespace_is_seen_until_it_is_removed(netns):
    observer, other = netns(), netns()
    with_both = snapshot_of(observer)
    other.remove()
    assert f"- file {other.path}" in difference(with_both, snapshot_of(observer))


def test_looking_with_iptables_changes_nothing(netns):
    namespace = netns()
    before = snapshot_of(namespace)
    namespace.run("iptables", "-t", "nat", "-S")
    assert not difference(before, snapshot_of(namespace))


@pytest.mark.root
def test_mounts_of_other_programs_containers_are_not_the_nodes():
    """They vanish when those programs end, and the run would be blamed for it."""
    place = "/var/lib/containers/storage/overlay/x/merged"
    look = "from tests import own_node; own_node.enter(); print(open('/proc/self/mountinfo').read())"
    script = f'mount -t tmpfs none /var/lib && mkdir -p {place} && mount -t tmpfs none {place} && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", look]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    mounted = [line.split()[4] for line in done.stdout.splitlines() if line]
    assert "/var/lib" in mounted
    assert place not in mounted

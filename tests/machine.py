"""What a test run could leave behind on a machine, as lines of text that two snapshots are compared by.

Counters, handles and times are left out: they change by themselves. `python -m tests.machine` prints a snapshot.
"""

import json
import subprocess
from pathlib import Path

# The default directories of CNI plugins and of Genie.
FOLDERS = ("/etc/cni", "/opt/cni", "/run/cni", "/run/genie", "/run/netns", "/var/lib/cni")
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables")

IPTABLES = ("filter", "mangle", "nat", "raw", "security")


def snapshot():
    """The lines: `link eth0`, `address ...`, `route ...`, `firewall ...`, `file ...`, `mount ...`, `sysctl ...`."""
    return {*_links(), *_addresses(), *_routes(), *_firewall(), *_files(), *_mounts(), *_sysctls()}


def difference(before, after):
    """What appeared (+) and what vanished (-), one line each; "" where nothing did."""
    return "\n".join(
        sorted([f"+ {line}" for line in after - before] + [f"- {line}" for line in before - after])
    )


def _output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _links():
    return {f"link {path.name}" for path in Path("/sys/class/net").iterdir()}


def _addresses():
    for link in json.loads(_output("ip", "-json", "address")):
        for address in link["addr_info"]:
            yield f"address {link['ifname']} {address['local']}/{address['prefixlen']}"


def _routes():
    for family in ("-4", "-6"):
        for route in json.loads(_output("ip", "-json", family, "route", "show", "table", "all")):
            yield f"route {family} " + " ".join(
                f"{key}={route[key]}" for key in sorted(route) if key != "expires"
            )
        for rule in json.loads(_output("ip", "-json", family, "rule")):
            yield f"rule {family} " + " ".join(f"{key}={rule[key]}" for key in sorted(rule))


def _firewall():
    """Tables, chains, sets and rules, but not the tables and base chains that iptables makes by looking."""
    for item in json.loads(_output("nft", "--stateless", "--json", "list", "ruleset"))["nftables"]:
        ((kind, body),) = item.items()
        table = body["name"] if kind == "table" else body.get("table")
        if kind == "metainfo" or (table in IPTABLES and (kind == "table" or "hook" in body)):
            continue
        yield f"firewall {kind} " + json.dumps(
            {k: v for k, v in body.items() if k != "handle"}, sort_keys=True
        )


def _files():
    for folder in FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            status = path.lstat()
            yield f"file {path} {status.st_mode:o} {status.st_size if path.is_file() else ''}"


def _mounts():
    """Mount points. The first `ip netns add` makes /run/netns one, for good."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if not point.endswith("/run/netns"):
            yield f"mount {point}"


def _sysctls():
    for name in SYSCTLS:
        path = Path("/proc/sys", name)
        if path.exists():
            yield f"sysctl {name} = {path.read_text().strip()}"


if __name__ == "__main__":
    print("\n".join(sorted(snapshot())))

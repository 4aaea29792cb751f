"""Rules of both tools, evaluated for given packets, and compared with the kernel's documentation."""

import pytest

from genie_core.net.firewall.evaluate import at_hook
from genie_core.net.firewall.load import ruleset_of
from genie_core.net.firewall.rules import Packet
from genie_core.survey.kernel import Firewall

PACKET = Packet(source="10.244.1.10", target="10.244.2.2", protocol="tcp", dport=8080, iif="cni0", oif="eth0",
    smac="02:00:00:00:00:0a",
)  # fmt: skip


IPSETS = """create nets hash:net family inet hashsize 1024 maxelem 65536
add nets 10.244.1.0/28
create ports hash:ip,port family inet
add ports 10.244.2.2,tcp:8080
create several list:set size 8
add several nets
create but hash:net family inet
add but 10.244.0.0/16
add but 10.244.1.10/32 nomatch
create here hash:net,iface family inet
add here 10.244.1.0/24,cni0
"""


def iptables(*rules, table="filter", chain="FORWARD", policy="ACCEPT", more=""):
    lines = [
        f"*{table}",
        f":{chain} {policy} [0:0]",
        *more.split("\n"),
        *(f"[3:180] {rule}" for rule in rules),
        "COMMIT",
    ]
    return ruleset_of(Firewall(iptables={"ip": "\n".join(line for line in lines if line)}, ipsets=IPSETS))


def verdicts(rules, packet=PACKET, hook="forward"):
    return {(o.verdict, round(o.chance, 2)) for o in at_hook(rules, hook, packet)}


@pytest.mark.parametrize(
    "rule, drops",
    [
        ("-A FORWARD -s 10.244.1.0/24 -j DROP", True),
        ("-A FORWARD ! -s 10.244.1.0/24 -j DROP", False),
        ("-A FORWARD -i cni+ -o eth0 -j DROP", True),
        ("-A FORWARD -p udp -j DROP", False),
        ("-A FORWARD -p tcp -m tcp --dport 8000:8100 -j DROP", True),
        ("-A FORWARD -p tcp -m multiport --dports 80,443 -j DROP", False),
        ("-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j DROP", False),
        ("-A FORWARD -m mark --mark 0x1/0x1 -j DROP", False),
        ("-A FORWARD -m mark ! --mark 0x1/0x1 -j DROP", True),
        ('-A FORWARD -m comment --comment "a -j DROP" -j ACCEPT', False),
        ("-A FORWARD -m iprange --src-range 10.244.1.5-10.244.1.20 -j DROP", True),
        ("-A FORWARD -m set --match-set unheard src -j DROP", False),
        ("-A FORWARD -m set --match-set nets src -j DROP", True),
        ("-A FORWARD -m set --match-set nets dst -j DROP", False),
        ("-A FORWARD -m set ! --match-set nets dst -j DROP", True),
        ("-A FORWARD -m set --match-set ports dst,dst -j DROP", True),
        ("-A FORWARD -m set --match-set ports src,dst -j DROP", False),
        ("-A FORWARD -m set --match-set several src -j DROP", True),
        ("-A FORWARD -m set --match-set but src -j DROP", False),
        ("-A FORWARD -m set --match-set here src,src -j DROP", False),
        ("-A FORWARD -m mac --mac-source 02:00:00:00:00:0A -j DROP", True),
        ("-A FORWARD -m mac --mac-source 02:00:00:00:00:0b -j DROP", False),
        ("-A FORWARD -p icmp -m icmp --icmp-type 8 -j DROP", False),
        ("-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", True),
        ("-A FORWARD -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j DROP", False),
        ("-A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", False),
        ("-A FORWARD -p tcp -m tcp --tcp-flags ALL NONE -j DROP", False),
        ("-A FORWARD -p tcp -m tcp --tcp-flags FIN,RST NONE -j DROP", True),
        ("-A FORWARD -m recent --set --name web --mask 255.255.255.255 --rsource -j DROP", True),
        (
            "-A FORWARD -m recent --rcheck --seconds 9 --reap --name web --mask 255.255.255.255 --rsource -j DROP",
            False,
        ),
        ('-A FORWARD -m comment --comment "--j ACCEPT" -j DROP', True),
    ],
)
def test_iptables_matches(rule, drops):
    assert verdicts(iptables(rule)) == {("drop" if drops else "accept", 1.0)}


@pytest.mark.parametrize("options", ["-f", "-m socket --nowildcard", "-m recent --update --name s --rsource"])
def test_an_option_without_an_argument_does_not_take_the_target(options):
    """The verdict was lost, so that the rule was not even a doubt."""
    (outcome,) = at_hook(iptables(f"-A FORWARD {options} -j DROP"), "forward", PACKET)
    assert (outcome.verdict, [rule.action.kind for _, rule in outcome.doubts]) == ("accept", ["drop"])


def test_the_options_of_a_target_are_no_conditions():
    rule = "-A POSTROUTING -j SNAT --to-source 192.0.2.1 --random-fully --persistent"
    (outcome,) = at_hook(iptables(rule, table="nat", chain="POSTROUTING"), "postrouting", PACKET)
    assert outcome.packet.source == "192.0.2.1"


def test_a_drop_behind_a_jump_that_may_be_made_is_a_doubt():
    """It was taken for certain: a chain for the night cut the pod off at noon."""
    chains = ":NIGHT - [0:0]\n:SEEN - [0:0]"
    rules = iptables(
        "-A FORWARD -m time --timestart 22:00 -j NIGHT", "-A FORWARD -m time --timestop 06:00 -g SEEN",
        "-A NIGHT -s 10.244.1.0/24 -j DROP", "-A SEEN -j REJECT", more=chains,
    )  # fmt: skip
    (outcome,) = at_hook(rules, "forward", PACKET)
    assert (outcome.verdict, [chain.name for chain, _ in outcome.doubts]) == ("accept", ["NIGHT", "SEEN"])


def test_a_service_with_session_affinity_is_translated():
    """kube-proxy's rules for it: a client that was here before gets the same endpoint, and each one is noted."""
    noted = "-m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource"
    known = "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-A --mask 255.255.255.255 --rsource"
    rules = iptables(
        f"-A PREROUTING {known} -j KUBE-SEP-A", "-A PREROUTING -j KUBE-SEP-B",
        f"-A KUBE-SEP-A -p tcp {noted} -m tcp -j DNAT --to-destination 10.0.0.8:80",
        f"-A KUBE-SEP-B -p tcp {noted} -m tcp -j DNAT --to-destination 10.0.0.9:80",
        table="nat", chain="PREROUTING", more=":KUBE-SEP-A - [0:0]\n:KUBE-SEP-B - [0:0]",
    )  # fmt: skip
    (outcome,) = at_hook(rules, "prerouting", PACKET)
    assert (outcome.packet.target, outcome.packet.dport) == ("10.0.0.9", 80)


@pytest.mark.parametrize(
    "rule, before, verdict, after",
    [
        ("-m ttl --ttl-eq 63 -j DROP", 63, "drop", 63),
        ("-m ttl --ttl-eq 63 -j DROP", 64, "accept", 64),
        ("-m ttl --ttl-lt 64 -j DROP", 64, "accept", 64),
        ("-m ttl ! --ttl-gt 63 -j DROP", 63, "drop", 63),
        ("-m ttl --ttl-lt 64 -j DROP", None, "accept", None),  # a doubt
        ("-j TTL --ttl-set 1", None, "accept", 1),
        ("-j TTL --ttl-dec 5", 3, "accept", 0),
        ("-j TTL --ttl-inc 1", 64, "accept", 65),
        ("-j TTL --ttl-inc 1", None, "accept", None),
    ],
)
def test_the_time_to_live_is_read_and_changed(rule, before, verdict, after):
    (outcome,) = at_hook(iptables(f"-A FORWARD {rule}"), "forward", PACKET.with_(ttl=before))
    assert (outcome.verdict, outcome.packet.ttl) == (verdict, after)
    assert bool(outcome.aged) is ("-j TTL" in rule)
    assert bool(outcome.doubts) is (before is None and "DROP" in rule)


def test_a_dormant_table_has_no_effect():
    chain = {"family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0}
    for flags, verdict in ((("dormant",), "accept"), ("dormant", "accept"), ((), "drop")):
        table = {"family": "ip", "name": "t", "flags": flags}
        rules = ruleset_of(Firewall(nft=({"table": table}, {"chain": {**chain, "policy": "drop"}})))
        assert verdicts(rules) == {(verdict, 1.0)}


def test_a_connections_mark_is_not_the_packets():
    """The packet's own mark is known to be 0; a connection's is not known, so the drop is a doubt."""
    (outcome,) = at_hook(iptables("-A FORWARD -m connmark --mark 0x5 -j DROP"), "forward", PACKET)
    assert (outcome.verdict, len(outcome.doubts)) == ("accept", 1)


def test_family_inet_has_devices_ingress_too():
    chain = {
        "family": "inet",
        "table": "f",
        "name": "in",
        "type": "filter",
        "hook": "ingress",
        "dev": "eth0",
        "prio": 0,
    }
    rule = {"family": "inet", "table": "f", "chain": "in", "handle": 2, "expr": [{"drop": None}]}
    rules = ruleset_of(
        Firewall(nft=({"table": {"family": "inet", "name": "f"}}, {"chain": chain}, {"rule": rule}))
    )
    assert [o.verdict for o in at_hook(rules, "ingress", PACKET, "netdev", "eth0")] == ["drop"]
    assert [o.verdict for o in at_hook(rules, "ingress", PACKET, "netdev", "eth1")] == ["accept"]


def test_a_jump_returns_and_a_goto_does_not():
    chains = ":A - [0:0]\n:B - [0:0]"
    jump = iptables("-A FORWARD -j A", "-A FORWARD -j DROP", "-A A -j RETURN", more=chains)
    goto = iptables("-A FORWARD -g A", "-A FORWARD -j DROP", "-A A -s 1.2.3.4 -j DROP", more=chains)
    assert verdicts(jump) == {("drop", 1.0)}
    assert verdicts(goto) == {("accept", 1.0)}


def test_chance_splits_a_packet():
    rules = iptables("-A FORWARD -m statistic --mode random --probability 0.25 -j DROP")
    assert verdicts(rules) == {("drop", 0.25), ("accept", 0.75)}


def test_a_policy_is_met_last_and_has_no_rule():
    outcome = at_hook(iptables(policy="DROP"), "forward", PACKET)[0]
    assert (outcome.verdict, outcome.rule) == ("drop", None)
    assert outcome.chain
    assert outcome.chain.place == "iptables filter/FORWARD"


def test_translation_is_for_new_connections_only():
    rules = iptables(
        "-A PREROUTING -d 10.244.2.2/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80",
        table="nat", chain="PREROUTING",
    )  # fmt: skip
    new = at_hook(rules, "prerouting", PACKET)[0].packet
    reply = at_hook(rules, "prerouting", PACKET.with_(state="established"))[0].packet
    assert (new.target, new.dport) == ("10.0.0.9", 80)
    assert reply.target == "10.244.2.2"


def test_untracked_packets_are_not_translated():
    text = "*raw\n:PREROUTING ACCEPT [0:0]\n[1:1] -A PREROUTING -j CT --notrack\nCOMMIT\n"
    text += "*nat\n:PREROUTING ACCEPT [0:0]\n[1:1] -A PREROUTING -j DNAT --to-destination 10.0.0.9\nCOMMIT"
    outcome = at_hook(ruleset_of(Firewall(iptables={"ip": text})), "prerouting", PACKET)[0]
    assert outcome.packet.target == "10.244.2.2"
    assert outcome.untracked is not None


def nft(*expressions, policy="accept", extra=()):
    chain = {
        "family": "inet",
        "table": "t",
        "name": "f",
        "type": "filter",
        "hook": "forward",
        "prio": 0,
        "policy": policy,
    }
    rules = [
        {"rule": {"family": "inet", "table": "t", "chain": "f", "handle": n, "expr": e}}
        for n, e in enumerate(expressions)
    ]
    return ruleset_of(Firewall(nft=({"chain": chain}, *extra, *rules)))


@pytest.mark.parametrize(
    "rule, statement, read, verdict, doubt",
    [
        ("--queue-num 5", {"num": 5}, (), "drop", False),
        ("--queue-num 5", {"num": 5}, (5,), "accept", False),
        ("--queue-num 5", {"num": 5}, None, "accept", False),  # which queues are read is not known
        ("--queue-num 5 --queue-bypass", {"num": 5, "flags": "bypass"}, (), "accept", False),
        ("--queue-balance 0:3", {"num": {"range": [0, 3]}, "flags": ["fanout"]}, (), "drop", False),
        ("--queue-balance 0:3", {"num": {"range": [0, 3]}}, (0, 1, 2), "accept", True),  # a quarter is lost
    ],
)
def test_a_queue_that_no_program_reads_drops(rule, statement, read, verdict, doubt):
    text = f"*filter\n:FORWARD ACCEPT [0:0]\n[1:84] -A FORWARD -j NFQUEUE {rule}\nCOMMIT"
    chain = {"family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}  # fmt: skip
    listed = ({"chain": chain}, {"rule": {"family": "ip", "table": "t", "chain": "f", "handle": 1, "expr": [{"queue": statement}]}})  # fmt: skip
    for firewall in (Firewall(iptables={"ip": text}, queues=read), Firewall(nft=listed, queues=read)):
        (outcome,) = at_hook(ruleset_of(firewall), "forward", PACKET)
        assert (outcome.verdict, bool(outcome.doubts)) == (verdict, doubt)


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
NAMED = (
    {
        "set": {
            "family": "inet",
            "table": "t",
            "name": "s",
            "elem": ["10.244.1.10", {"prefix": {"addr": "10.9.0.0", "len": 16}}],
        }
    },
)


@pytest.mark.parametrize(
    "condition, extra, drops",
    [
        (match(SADDR, "10.244.1.10"), (), True),
        (match(SADDR, {"prefix": {"addr": "10.244.0.0", "len": 16}}), (), True),
        (match(SADDR, "@s"), NAMED, True),
        (match(SADDR, "@s", "!="), NAMED, False),
        (match(DPORT, {"set": [80, {"range": [8000, 8100]}]}), (), True),
        (match(DPORT, 1024, "<"), (), False),
        (match({"meta": {"key": "iifname"}}, "cni*"), (), True),
        (match({"ct": {"key": "state"}}, ["established", "related"], "in"), (), False),
        (match({"meta": {"key": "nfproto"}}, "ipv6"), (), False),
        (match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}), (), True),
        (match({"concat": [SADDR, DPORT]}, {"set": [{"concat": ["10.244.1.10", 8080]}]}), (), True),
        (match(FLAGS, "syn", "in"), (), True),
        (match(FLAGS, ["fin", "rst"], "in"), (), False),
        (match(FLAGS, "syn"), (), True),
        (match({"&": [FLAGS, {"|": ["fin", "syn", "ack"]}]}, "syn"), (), True),
        (match({"&": [FLAGS, {"|": ["syn", "ack"]}]}, {"|": ["syn", "ack"]}), (), False),
        (match({"&": [FLAGS, "syn"]}, 0, "!="), (), True),
        (match({"&": [FLAGS, ["fin", "syn", "rst", "ack"]]}, "syn"), (), True),  # as nft 1.0 prints it
        (match({"&": [FLAGS, ["syn", "ack"]]}, ["syn", "ack"]), (), False),
        (match(FLAGS, ["fin", "rst"], "!"), (), True),
        (match(FLAGS, "syn", "!"), (), False),
        (match({"&": [FLAGS, {"|": ["syn", {"|": ["rst", "ack"]}]}]}, "syn", "!="), (), False),
        ({"limit": {"rate": 5, "per": "second", "inv": True}}, (), False),
        ({"xt": {"type": "match", "name": "bpf"}}, (), False),
    ],
)
def test_nft_matches(condition, extra, drops):
    assert verdicts(nft([condition, {"drop": None}], extra=extra)) == {("drop" if drops else "accept", 1.0)}


@pytest.mark.parametrize("name", ["ipencap", "ipv4", 4])
def test_nft_names_a_protocol_as_the_distribution_does(name):
    rules = nft([match({"meta": {"key": "l4proto"}}, name), {"drop": None}])
    assert verdicts(rules, PACKET.with_(protocol="ipencap", dport=0)) == {("drop", 1.0)}


def test_nft_verdict_maps_and_jumps():
    goto = {
        "vmap": {"key": DPORT, "data": {"set": [[80, {"accept": None}], [8080, {"jump": {"target": "g"}}]]}}
    }
    inner = (
        {"chain": {"family": "inet", "table": "t", "name": "g"}},
        {
            "rule": {
                "family": "inet",
                "table": "t",
                "chain": "g",
                "handle": 9,
                "expr": [{"reject": {"type": "tcp reset"}}],
            }
        },
    )
    assert verdicts(nft([goto], extra=inner)) == {("reject", 1.0)}
    assert verdicts(nft([goto], extra=inner), PACKET.with_(dport=80)) == {("accept", 1.0)}


def test_iptables_tables_in_nftables_are_read_once():
    chain = {
        "family": "ip",
        "table": "filter",
        "name": "FORWARD",
        "type": "filter",
        "hook": "forward",
        "prio": 0,
        "policy": "drop",
    }
    rules = ruleset_of(
        Firewall(nft=({"chain": chain},), iptables={"ip": "*filter\n:FORWARD DROP [0:0]\nCOMMIT"})
    )
    assert [c.tool for c in rules.chains] == ["iptables"]


def frame(*expressions, family, hook="input"):
    chain = {
        "family": family,
        "table": "t",
        "name": "f",
        "type": "filter",
        "hook": hook,
        "prio": 0,
        "policy": "accept",
    }
    rule = {"family": family, "table": "t", "chain": "f", "handle": 1, "expr": [*expressions, {"drop": None}]}
    return ruleset_of(Firewall(nft=({"chain": chain}, {"rule": rule})))


def of(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


ARP = Packet(protocol="arp", source="10.244.1.10", target="10.244.1.1", iif="cni0", smac="02:00:00:00:00:0a")


@pytest.mark.parametrize(
    "family, conditions, arp, ip",
    [
        (
            "arp",
            [match(of("arp", "htype"), 1), match(of("arp", "hlen"), 6), match(of("arp", "plen"), 4)],
            True,
            None,
        ),
        ("arp", [match(of("arp", "operation"), "reply")], False, None),
        ("arp", [match(of("arp", "daddr ip"), "10.244.1.1")], True, None),
        ("bridge", [match(of("ether", "type"), "arp")], True, False),
        ("bridge", [match(of("ether", "type"), "ip")], False, True),
        ("bridge", [match(of("ether", "saddr"), "02:00:00:00:00:0a")], True, True),
        ("bridge", [match(of("ether", "daddr"), "02:00:00:00:00:0b")], False, False),
        ("bridge", [match(of("ip", "saddr"), "10.244.1.10")], False, True),
    ],
)
def test_frames(family, conditions, arp, ip):
    """ARP passes the arp and bridge families only; a MAC that is not known makes no drop."""
    rules = frame(*conditions, family=family)
    for packet, drops in ((ARP, arp), (PACKET, ip)):
        if drops is not None:
            found = {o.verdict for o in at_hook(rules, "input", packet, family)}
            assert found == {"drop" if drops else "accept"}


@pytest.mark.parametrize(
    "value, mark",
    [
        ({"^": [{"meta": {"key": "mark"}}, 3]}, 6),
        ({"&": [{"meta": {"key": "mark"}}, 4]}, 4),
        ({"|": [{"meta": {"key": "mark"}}, 2]}, 7),
        (9, 9),
    ],
)
def test_marks_and_zones_are_set(value, mark):
    zone = {"mangle": {"key": {"ct": {"key": "zone"}}, "value": 7}}
    rules = nft([{"mangle": {"key": {"meta": {"key": "mark"}}, "value": value}}], [zone])
    outcome = at_hook(rules, "forward", PACKET.with_(mark=5))[0]
    assert (outcome.packet.mark, outcome.packet.zone) == (mark, 7)

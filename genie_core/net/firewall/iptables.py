"""iptables-save text -> chains. Options that are not modelled become a match on "unknown"."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace

from genie_core.net.firewall import ipsets, queues, tcp_flags
from genie_core.net.firewall.ipsets import IPSets
from genie_core.net.firewall.rules import Action, Chain, FirewallRule, Match, Value, span

# What iptables-save quotes (xtables_save_string), in which a backslash stands before a quotation mark and a backslash.
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"\\]+)')
_PLAIN = re.compile(rf"(?:(?:{_WORD.pattern})(?:\s+|$))*")
_ESCAPED = re.compile(r'\\(["\\])')

PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
NAT_PRIORITIES = {"PREROUTING": -100, "OUTPUT": -100, "INPUT": 100, "POSTROUTING": 100}
HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "reject",
    "RETURN": "return",
    "MASQUERADE": "masquerade",
}
PASSING = {
    "LOG",
    "NFLOG",
    "TRACE",
    "CONNMARK",
    "SET",
    "TCPMSS",
    "CHECKSUM",
    "TOS",
    "DSCP",
    "CLASSIFY",
    "CT",
}
PASSING |= {
    "AUDIT",
    "ULOG",
    "SECMARK",
    "CONNSECMARK",
    "ECN",
    "TEE",
    "HMARK",
    "IDLETIMER",
    "LED",
    "RATEEST",
}
STATEMENTS = {"--dport": "dport", "--destination-port": "dport", "--sport": "sport", "--source-port": "sport"}
STATEMENTS |= {
    "--dports": "dport",
    "--destination-ports": "dport",
    "--sports": "sport",
    "--source-ports": "sport",
    "--ports": "ports",
}
# Options that are no conditions: texts, and those that a condition of their own module stands for.
SILENT = {"--reject-with", "--log-level", "--limit-burst", "--nflog-group", "--mode", "--packet", "--name"}
# The module recent: `--set` holds for every packet, and the others belong to `--rcheck` and `--update`.
SILENT |= {"--set", "--seconds", "--reap", "--hitcount", "--rttl", "--mask", "--rsource", "--rdest"}
# Other names of protocols; iptables-save prints a number where /etc/protocols has none.
PROTOCOLS = {"icmpv6": "ipv6-icmp", "4": "ipencap", "ipv4": "ipencap", "41": "ipv6", "47": "gre"}
TEXTS = ("--comment", "--log-prefix", "--nflog-prefix")  # their argument may look like an option
OPTION = re.compile(r"--?[a-zA-Z]|!$")


def _ports(text: str) -> tuple[Value, ...]:
    spans: list[Value] = []
    for part in text.split(","):
        low, _, high = part.replace("-", ":").partition(":")
        spans.append((int(low or 0), int(high or (low if ":" not in part else 65535))))
    return tuple(spans)


def _mark(text: str) -> tuple[int, int]:
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF


def _interface(text: str) -> str:
    return text[:-1] + "*" if text.endswith("+") else text


def _words(text: str) -> tuple[Value, ...]:
    return tuple(text.lower().split(","))


def _flags(text: str) -> frozenset[str]:
    """`FIN,SYN`, `ALL` or `NONE`."""
    named = {"ALL": tcp_flags.ALL, "NONE": frozenset[str]()}
    return named[text] if text in named else frozenset(text.lower().split(","))


# Option -> the field that it looks at, and how its argument is read.
MATCHES: dict[str, tuple[str, Callable[[str], tuple[Value, ...]]]] = {
    "--ctstate": ("state", _words),
    "--state": ("state", _words),
    "--dst-type": ("target_type", _words),
    "--src-type": ("source_type", _words),
    "--src-range": ("source", lambda text: (span(text),)),
    "--dst-range": ("target", lambda text: (span(text),)),
    "--physdev-in": ("physical_in", lambda text: (_interface(text),)),
    "--physdev-out": ("physical_out", lambda text: (_interface(text),)),
    "--physdev-is-bridged": ("bridged", lambda _: ("yes",)),
    "--icmp-type": ("icmp_type", lambda text: (text,)),
    "--icmpv6-type": ("icmp_type", lambda text: (text,)),
    "--length": ("length", _ports),
    "--mac-source": ("smac", _words),
    **{f"--{name}-eq": ("ttl", _ports) for name in ("ttl", "hl")},
    **{f"--{name}-lt": ("ttl", lambda text: ((0, int(text) - 1),)) for name in ("ttl", "hl")},
    **{f"--{name}-gt": ("ttl", lambda text: ((int(text) + 1, 255),)) for name in ("ttl", "hl")},
}


class _Parser:
    """Reads the words of one rule: what has been understood so far."""

    def __init__(self, words: list[str], sets: IPSets) -> None:
        self.words = words
        self.sets = sets
        self.matches: list[Match] = []
        self.action = Action("continue")
        self.comment = ""
        self.invert = False
        self.of_connection = False
        self.is_targeted = False  # what follows -j are no conditions

    def run(self) -> _Parser:
        while self.words:
            word = self.words.pop(0)
            if word == "!":
                self.invert = True
                continue
            self._option(word, self._argument(word))
            self.invert = False
        return self

    def _argument(self, option: str = "") -> str:
        """The next word, unless it is an option itself."""
        is_there = self.words and (option in TEXTS or not OPTION.match(self.words[0]))
        return self.words.pop(0) if is_there else ""

    def _add(self, name: str, *values: Value, mask: int | None = None, chance: float = 1.0) -> None:
        self.matches.append(Match(name, values, self.invert, mask, chance))

    def _option(self, word: str, value: str) -> None:
        if word in ("-s", "-d"):
            self._add("source" if word == "-s" else "target", span(value))
        elif word == "-p":
            self._add("protocol", *(() if value == "all" else (PROTOCOLS.get(value, value),)))
        elif word in ("-i", "-o"):
            self._add("iif" if word == "-i" else "oif", _interface(value))
        elif word in STATEMENTS:
            self._add(STATEMENTS[word], *_ports(value))
        elif word in ("-j", "-g"):
            self.action, self.is_targeted = _target(value, word == "-g"), True
        elif word in ("-m", "--match"):
            self._module(value)
        elif word == "--comment":
            self.comment = value
        elif not (
            self._target_option(word, value)
            or self._match_option(word, value)
            or self.is_targeted
            or word in (*SILENT, *TEXTS)
        ):
            self._add("unknown", word)

    def _module(self, value: str) -> None:
        self.of_connection = value == "connmark"  # its --mark is the connection's, which is not known
        if value == "limit":
            self._add("under")
        elif value in (
            "hashlimit",
            "connlimit",
            "quota",
            "nfacct",
            "bpf",
            "u32",
            "string",
            "time",
        ):
            self._add("rate" if value in ("hashlimit", "connlimit") else "unknown", value)

    def _match_option(self, word: str, value: str) -> bool:
        if word in MATCHES:
            name, read = MATCHES[word]
            self._add(name, *read(value))
        elif word == "--mark" and self.of_connection:
            self._add("unknown", "connmark")
        elif word == "--mark":
            number, mask = _mark(value)
            self._add("mark", (number, number), mask=mask)
        elif word == "--match-set":
            self.matches.append(ipsets.match(self.sets, value, self._argument(), self.invert))
        elif word == "--tcp-flags":
            self._add("state", *tcp_flags.states_of(_flags(value), _flags(self._argument())))
        elif word in ("--probability", "--every"):
            self._add("chance", chance=float(value) if word == "--probability" else 1 / int(value))
        else:
            # implied by their modules
            return word.startswith(("--limit", "--hashlimit", "--connlimit", "--quota"))
        return True

    def _target_option(self, word: str, value: str) -> bool:
        kind = self.action.kind
        if word in ("--to-destination", "--to-source", "--to", "--to-ports") and kind in (
            "dnat",
            "snat",
            "redirect",
        ):
            self.action = _translation(kind, f":{value}" if kind == "redirect" else value)
        elif word in ("--set-xmark", "--set-mark") and kind == "mark":
            number, mask = _mark(value)
            self.action = Action("mark", value=number, mask=mask if word == "--set-xmark" else mask | number)
        elif word == "--or-mark":
            self.action = Action("mark", value=_mark(value)[0], mask=_mark(value)[0])
        elif word == "--notrack":
            self.action = Action("notrack")
        elif kind == "ttl" and word.endswith(("-set", "-dec", "-inc")):
            self.action = _lifetime(word[-3:], int(value))
        elif word == "--on-port":
            self.action = replace(self.action, port=int(value))
        elif queued := queues.of_option(self.action, word, value):
            self.action = queued
        elif word in ("--zone", "--zone-orig") and value.isdigit():
            self.action = Action("zone", value=int(value))
        else:
            return False
        return True


def _target(name: str, goto: bool) -> Action:
    if name in VERDICTS:
        return Action(VERDICTS[name])
    if name in ("DNAT", "SNAT", "REDIRECT", "MARK", "NOTRACK"):
        return Action(name.lower())
    if name in ("TTL", "HL"):
        return Action("ttl")
    if name in PASSING:
        return Action("continue")
    if name == "NFQUEUE":
        return queues.queue(0, 0)
    if name in ("QUEUE", "TPROXY", "NETMAP", "SYNPROXY"):
        return Action("foreign", target=name)
    return Action("goto" if goto else "jump", target=name)


def _lifetime(verb: str, number: int) -> Action:
    """`--ttl-set 1`, `--ttl-dec 1`, `--hl-inc 1`."""
    return Action("ttl", value=-number if verb == "dec" else number, mask=0 if verb == "set" else 0xFFFFFFFF)


def _translation(kind: str, text: str) -> Action:
    """`10.0.0.1:80`, `10.0.0.1-10.0.0.9`, `[fd00::1]:80`, `:80`."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.lstrip(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    number = port.split("-")[0]
    return Action(kind, address=host.split("-")[0], port=int(number) if number.isdigit() else 0)


def _counter(line: str) -> tuple[int | None, str]:
    if not line.startswith("["):
        return None, line
    counts, _, rest = line[1:].partition("] ")
    return int(counts.split(":")[0]), rest


def _split(spec: str) -> list[str]:
    """The words as shlex.split gives them, which takes five times as long: each pod has three rules with a comment."""
    if "'" not in spec and _PLAIN.fullmatch(spec):
        return [_ESCAPED.sub(r"\1", text) if text else word for text, word in _WORD.findall(spec)]
    return shlex.split(spec)


def _rule(spec: str, number: int, packets: int | None, sets: IPSets) -> FirewallRule:
    parsed = _Parser(_split(spec), sets).run()
    return FirewallRule(
        text=spec,
        matches=tuple(m for m in parsed.matches if m.values or m.name != "protocol"),
        action=parsed.action,
        number=number,
        packets=packets,
        comment=parsed.comment,
    )


def parse(text: str, tool: str, sets: IPSets) -> list[Chain]:
    """The chains in what `<tool>-save -c` printed; `sets` are those that rules name."""
    chains: dict[tuple[str, str], Chain] = {}
    rules: dict[tuple[str, str], list[FirewallRule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy, counts = [*line[1:].split(), ""][:3]
            chains[table, name] = _base(tool, table, name, policy, counts)
            rules[table, name] = []
        else:
            packets, rest = _counter(line)
            if rest.startswith("-A "):
                _, name, *spec = rest.split(" ", 2)
                into = rules.setdefault((table, name), [])
                into.append(_rule(spec[0] if spec else "", len(into) + 1, packets, sets))
    return [replace(chain, rules=tuple(rules[key])) for key, chain in chains.items()]


def _base(tool: str, table: str, name: str, policy: str, counts: str) -> Chain:
    hooked = name in HOOKS
    is_nat = table == "nat"
    return Chain(
        tool=tool,
        family="ip6" if tool.startswith("ip6") else "ip",
        table=table,
        name=name,
        hook=name.lower() if hooked else "",
        kind="nat" if is_nat else "filter",
        priority=NAT_PRIORITIES.get(name, 0) if is_nat else PRIORITIES.get(table, 0),
        policy=policy.lower() if hooked else "accept",
        policy_packets=int(counts[1:].split(":", maxsplit=1)[0]) if counts.startswith("[") else None,
    )

"""The generated clusters' node for real: namespaces, bridges, macvlan, ptp, and packets of every protocol."""

import itertools
import json
import os
import select
import socket
import struct
import subprocess
import time
from functools import partial
from pathlib import Path

from genie_core.edges.netns import inside
from tests.netns import Namespace
from tests.policy.generated import HAS, NETWORKS, PORTS, addresses, bridge_of, mac, port
from tests.policy.journeys import UPLINK

GRACE_SECONDS = 0.06  # a packet that is missing so long after all allowed ones was dropped
MOST_SECONDS = 60.0
ICMP6 = 58


class Lab:
    """One node and its pods. `node` is the node's namespace, `pods` those of the pods."""

    def __init__(self):
        self.node = Namespace()
        self.pods = [Namespace() for _ in HAS]
        self._ids = itertools.count(1)
        self._make_node()
        for index in range(len(HAS)):
            self._make_pod(index)
        self.receivers = Receivers(self)
        self.sandboxes = {index: str(pod.path) for index, pod in enumerate(self.pods)}

    def close(self):
        """Take it apart."""
        self.receivers.close()
        for namespace in (*self.pods, self.node):
            namespace.remove()

    # --- wires -------------------------------------------------------------------------------------------

    def _make_node(self):
        lines = []
        for kind, number in NETWORKS.values():
            device = bridge_of(number)
            if kind == "bridge":
                lines.append(f"link add {device} type bridge forward_delay 0 mcast_snooping 0")
            elif kind == "macvlan":
                device = f"{UPLINK}{number}"
                lines += [
                    f"link add {device} type veth peer name parent{number}",
                    f"link set parent{number} up",
                ]
            else:
                continue
            lines += [
                f"link set {device} up",
                *(f"address add {ip} dev {device} nodad" for ip in _gateways(number)),
            ]
        _batch(self.node, lines)
        for key in (
            "ipv4.ip_forward",
            "ipv6.conf.all.forwarding",
            "ipv4.icmp_ratelimit 0",
            "ipv6.icmp.ratelimit 0",
        ):
            name, _, value = key.partition(" ")
            self.write_sysctl(self.node, name, value or "1")
        for name in ("all", "default"):
            self.write_sysctl(self.node, f"ipv4.conf.{name}.send_redirects", "0")

    def _make_pod(self, index):
        pod, inner, outer = self.pods[index], [], []
        for name in ("all", "default"):  # link-local addresses are of use at once
            self.write_sysctl(pod, f"ipv6.conf.{name}.accept_dad", "0")
        for position, network in enumerate(HAS[index]):
            kind, number = NETWORKS[network]
            ifname = f"net{position}" if position else "eth0"
            if kind == "macvlan":
                own = f"link parent{number} address {mac(number, index)} netns {pod.name}"
                outer.append(f"link add {ifname} {own} type macvlan mode bridge")
            else:
                end = port(number, index)
                outer.append(
                    f"link add {end} type veth peer name {ifname} address {mac(number, index)} netns {pod.name}"
                )
                outer += [f"link set {end} master {bridge_of(number)}"] if kind == "bridge" else []
                outer.append(f"link set {end} up")
                if kind == "ptp":
                    outer += [
                        f"address add {ip.partition('/')[0]} dev {end} nodad" for ip in _gateways(number)
                    ]
                    outer += [f"route add {ip} dev {end}" for ip in addresses(number, index)]
            inner += _pod_lines(kind, number, index, position, ifname)
        _batch(self.node, outer)
        for line in ("ipv4.conf.all.rp_filter", "ipv4.conf.default.rp_filter", "ipv4.icmp_ratelimit"):
            self.write_sysctl(pod, line, "0")
        _batch(pod, inner)

    @staticmethod
    def write_sysctl(namespace, name, value):
        """Write a setting of a namespace."""
        path = Path("/proc/sys/net", name.removeprefix("net.").replace(".", "/"))
        inside(str(namespace.path), lambda: path.write_text(value))

    # --- rules -------------------------------------------------------------------------------------------

    def load(self, document):
        """Apply what `genie policy render -o json` prints, and forget all connections."""
        for name, value in document["sysctls"].items():
            self.write_sysctl(self.node, name, value)
        nft(self.node, document["host"])
        texts = {Path(one["netns"]).name: one["text"] for one in document["pods"]}
        for pod in self.pods:
            nft(pod, texts.get(pod.name, ""))
        for namespace in (self.node, *self.pods):
            namespace.run("conntrack", "-F")

    # --- packets -----------------------------------------------------------------------------------------

    def verdicts(self, cases, expected):
        """Which of the cases (source, target, protocol, port) get through; `expected` many of them should."""
        numbered = {next(self._ids): case for case in cases}
        sent = Sent(self, numbered)
        try:
            came = sent.arrived(expected)
            return [number in came for number in numbered]
        finally:
            sent.close()


def nft(namespace, text):
    """Replace our tables in a namespace by those of the text."""
    gone = "".join(
        f"table {family} genie_policy\ndelete table {family} genie_policy\n"
        for family in ("inet", "bridge")
        if f"table {family} genie_policy {{" not in text
    )
    done = subprocess.run(
        ["ip", "netns", "exec", namespace.name, "nft", "-f", "-"],
        input=gone + text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _gateways(number):
    return [f"10.77.{number}.1/24", f"fd77:{number + 1:x}::1/64"]


def _pod_lines(kind, number, index, position, ifname):
    yield f"link set {ifname} up"
    for ip, gateway in zip(addresses(number, index), _gateways(number), strict=True):
        family, via = ("-6 " if ":" in ip else ""), gateway.partition("/")[0]
        length = 128 if ":" in ip else 32
        near = (
            f"{via}/{length}"
            if kind == "ptp"
            else str(via).rpartition("1")[0] + ("/64" if ":" in ip else "0/24")
        )
        yield f"address add {ip}/{length} dev {ifname} nodad"
        for table in (f"table {100 + position}", *(["table main"] if not position else [])):
            yield f"{family}route add {near} dev {ifname} {table} src {ip}"
            yield f"{family}route add default via {via} dev {ifname} {table} src {ip}"
        yield f"{family}rule add from {ip} lookup {100 + position}"


def _batch(namespace, lines):
    v4 = [line for line in lines if not line.startswith("-6 ")]
    v6 = [line.removeprefix("-6 ") for line in lines if line.startswith("-6 ")]
    for flags, some in (([], v4), (["-6"], v6)):
        done = subprocess.run(
            ["ip", "-n", namespace.name, *flags, "-batch", "-"],
            input="\n".join(some),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


class Receivers:
    """Servers of all pods: TCP listeners, and sockets that take the other protocols' packets."""

    def __init__(self, lab):
        self.listeners, self.datagrams, self.raw = [], [], []
        for index, pod in enumerate(lab.pods):
            inside(str(pod.path), partial(self._open, index))

    def _open(self, index):
        for network in HAS[index]:
            for ip in addresses(NETWORKS[network][1], index):
                family = socket.AF_INET6 if ":" in ip else socket.AF_INET
                for number in PORTS:
                    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((ip, number))
                    listener.listen(1024)
                    self.listeners.append(listener)
                    receiver = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    receiver.bind((ip, number))
                    self.datagrams.append(receiver)
                raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_SCTP)
                raw.bind((ip, 0))
                self.raw.append(raw)

    def close(self):
        """Close all of them."""
        for one in (*self.listeners, *self.datagrams, *self.raw):
            one.close()

    def drain(self):
        """The numbers of the cases whose packets have arrived, over UDP and SCTP."""
        found = set()
        for one in select_ready(self.datagrams):
            for data in _all(one):
                found.add(int.from_bytes(data[:4], "big"))
        for one in select_ready(self.raw):
            for data in _all(one):
                body = data[(data[0] & 15) * 4 :] if one.family == socket.AF_INET else data
                found.add(int.from_bytes(body[16:20], "big"))  # the INIT chunk's tag
        return found

    def hang_up(self):
        """Take and close what has been opened."""
        for one in select_ready(self.listeners):
            try:
                while True:
                    one.accept()[0].close()
            except BlockingIOError:
                continue


def select_ready(sockets):
    poll = select.poll()
    by_number = {one.fileno(): one for one in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]


def _all(one):
    try:
        while True:
            yield one.recv(2048)
    except BlockingIOError:
        return


class Sent:
    """The packets of many cases, on their way. Each case has a socket of its own, and so a connection of its own."""

    def __init__(self, lab, numbered):
        self.lab = lab
        self.streams, self.echoes, self.others = {}, {}, []
        by_pod: dict[int, list] = {}
        for number, case in numbered.items():
            by_pod.setdefault(int(case[0][0]["metadata"]["name"][3:]), []).append((number, case))
        self.found = set()
        for index, cases in sorted(by_pod.items()):
            inside(str(lab.pods[index].path), partial(self._send_all, cases))

    def _send_all(self, cases):
        for number, case in cases:
            self._send(number, case)

    def _send(self, number, case):
        (_, _, saddr), (_, _, daddr), protocol, target = case
        family = socket.AF_INET6 if ":" in saddr else socket.AF_INET
        kind, proto = {
            "TCP": (socket.SOCK_STREAM, 0),
            "UDP": (socket.SOCK_DGRAM, 0),
            "SCTP": (socket.SOCK_RAW, socket.IPPROTO_SCTP),
            "ICMP": (socket.SOCK_RAW, ICMP6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP),
        }[protocol]
        one = socket.socket(family, kind | socket.SOCK_NONBLOCK, proto)
        one.bind((saddr, 0))
        try:
            if protocol == "TCP":
                self.streams[number] = one
                one.connect_ex((daddr, target))
            elif protocol == "ICMP":
                self.echoes[number] = one
                one.sendto(_echo(number, family), (daddr, 0))
            else:
                self.others.append(one)
                body = number.to_bytes(4, "big") if protocol == "UDP" else _init(number, target)
                one.sendto(body, (daddr, target if protocol == "UDP" else 0))
        except PermissionError:
            pass  # dropped in the pod's own output

    def arrived(self, expected):
        """The numbers of the cases that passed. Waits for as many as should pass, and a little for others."""
        end = time.monotonic() + MOST_SECONDS
        while len(self.found) < expected and time.monotonic() < end:
            self._look()
            time.sleep(0.005)
        time.sleep(GRACE_SECONDS)
        self._look()
        return self.found

    def _look(self):
        self.found |= self.lab.receivers.drain()
        poll = select.poll()
        for number, one in self.streams.items():
            if number not in self.found:
                poll.register(one, select.POLLOUT)
        by_number = {one.fileno(): number for number, one in self.streams.items()}
        for descriptor, event in poll.poll(0):
            if event & select.POLLOUT and not event & (select.POLLERR | select.POLLHUP):
                self.found.add(by_number[descriptor])
        for number, one in self.echoes.items():
            if number not in self.found and any(_is_reply(data, number, one.family) for data in _all(one)):
                self.found.add(number)

    def close(self):
        """Close all sockets, without a farewell that would count as a packet of the next case."""
        for one in self.streams.values():
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for one in (*self.streams.values(), *self.echoes.values(), *self.others):
            one.close()
        self.lab.receivers.hang_up()


def _echo(number, family):
    """An echo request."""
    kind = 128 if family == socket.AF_INET6 else 8
    head = struct.pack("!BBHHH", kind, 0, 0, number & 0xFFFF, number >> 16)
    total = sum(struct.unpack("!4H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, number & 0xFFFF, number >> 16)


def _is_reply(data, number, family):
    body = data if family == socket.AF_INET6 else data[(data[0] & 15) * 4 :]
    wanted = 129 if family == socket.AF_INET6 else 0
    return body[0] == wanted and struct.unpack("!HH", body[4:8]) == (number & 0xFFFF, number >> 16)


def _init(number, target):
    """An SCTP packet that opens an association; its tag is the case's number. Ports, tag 0, checksum, INIT chunk."""
    head = struct.pack("!HHII", 30000 + number % 20000, target, 0, 0)
    return head + struct.pack("!BBHIIHHI", 1, 0, 20, number, 65536, 1, 1, 1)


def warm_up(lab, made):
    """Let every pair of ends learn each other's hardware addresses."""
    cases = [
        (a, b, "ICMP", 0)
        for a in made.ends()
        for b in made.ends()
        if a[0] is not b[0] and (":" in a[2]) == (":" in b[2])
    ]
    came = lab.verdicts(cases, len(cases))
    missing = [(a[1:], b[1:]) for (a, b, _, _), ok in zip(cases, came, strict=True) if not ok]
    assert not missing, (
        f"the lab's own wires fail: {json.dumps(missing[:8])} ({len(missing)} of {len(cases)}, pid {os.getpid()})"
    )

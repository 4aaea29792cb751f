"""Servers and clients inside the lab's namespaces: they say whether a fault really breaks what it should."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
import time

from genie_core.edges.netns import inside


class Server:
    """TCP `port` sends 20 kB and closes, UDP 53 echoes, and answers DNS questions; on every address, IPv4 and IPv6."""

    def __init__(self, netns: str, dns: bool = True, port: int = 8080) -> None:
        self.ports = ((socket.SOCK_STREAM, port), (socket.SOCK_DGRAM, 53))[: 1 + dns]
        self.sockets = inside(netns, self._open)
        for sock in self.sockets:
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _open(self) -> list[socket.socket]:
        sockets = []
        for kind, port in self.ports:
            sock = socket.socket(socket.AF_INET6, kind)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(16)
            sockets.append(sock)
        return sockets

    @staticmethod
    def _serve(sock: socket.socket) -> None:
        try:
            while True:
                if sock.type == socket.SOCK_DGRAM:
                    data, peer = sock.recvfrom(2048)
                    if not peer:  # shut down
                        return
                    sock.sendto(_dns_answer(data) if len(data) > 16 else data, peer)
                else:
                    threading.Thread(target=Server._answer, args=(sock.accept()[0],), daemon=True).start()
        except OSError:
            return

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(5)
                connection.sendall(b"x" * 20000)
        except OSError:
            return

    def close(self) -> None:
        """Stop serving."""
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def _dns_answer(question: bytes) -> bytes:
    """The question again, answered: whatever was asked for has 192.0.2.53 (RFC 1035, section 4)."""
    name = question[12 : question.index(b"\0", 12) + 5]
    record = b"\xc0\x0c\0\x01\0\x01" + struct.pack("!IH", 60, 4) + socket.inet_aton("192.0.2.53")
    return question[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + name + record


def resolves(netns: str) -> bool:
    """Whether the C library looks up a name in the namespace, with its /etc/netns/NAME/resolv.conf."""
    argv = ["ip", "netns", "exec", os.path.basename(netns), "getent", "ahostsv4", "web.example"]
    env = os.environ | {"RES_OPTIONS": "timeout:1 attempts:1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    return "192.0.2.53" in done.stdout


def ping(
    netns: str, target: str, source: str = "", size: int = 56, wait: float = 0.5, df: bool = False
) -> bool:
    """One ICMP echo, answered or not."""
    return inside(netns, lambda: _ping(target, source, size, wait, df))


def _ping(target: str, source: str, size: int, wait: float, df: bool) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        if source:
            sock.bind((source, 0))
        if df:
            sock.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
        ident = os.urandom(2)
        head = struct.pack("!BBH2sH", 8, 0, 0, ident, 1) + b"\0" * size
        total = sum(struct.unpack(f"!{len(head) // 2}H", head))
        total = (total >> 16) + (total & 0xFFFF)
        total += total >> 16
        try:
            sock.sendto(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:], (target, 0))
        except OSError:
            return False
        deadline = time.monotonic() + wait
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                reply = sock.recv(65535)
            except OSError:
                return False
            if reply[20] == 0 and reply[24:26] == ident:
                return True
    return False


def tcp(netns: str, target: str, port: int, wait: float = 0.6) -> bool:
    """A connection that delivers all 20 kB."""

    def work() -> bool:
        try:
            with socket.create_connection((target, port), wait) as sock:
                sock.settimeout(wait)
                got = 0
                while chunk := sock.recv(65536):
                    got += len(chunk)
                return got == 20000
        except OSError:
            return False

    return inside(netns, work)


def udp(netns: str, target: str, port: int, wait: float = 0.6, source: int = 0) -> bool:
    """A datagram that comes back; `source` is the port that it is sent from, 0 for any."""

    def work() -> bool:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(wait)
            try:
                if source:
                    sock.bind(("", source))
                sock.connect((target, port))
                sock.send(b"hello")
                return sock.recv(64) == b"hello"
            except OSError:
                return False

    return inside(netns, work)

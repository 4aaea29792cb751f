"""Pods that send from their first instruction on: `python -m tests.policy.first_packets [--times N]`, as root."""

import argparse
import socket
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from genie_core.edges.netns import inside
from tests import own_node
from tests.policy.engine_node import EngineNode, until
from tests.system.node import install_plugin

PORT, SECONDS = 5000, 0.15
LEAST = 30  # packets of each pod, also where the machine gives it little time


def escaped(node, times):
    """How many packets of pods that may send nothing have come to another pod; and how many were sent."""
    target = node.pod("target", app="target")
    node.policy(podSelector={"matchLabels": {"app": "mute"}}, policyTypes=["Egress"])
    until(lambda: node.status().get("policies") == 1)
    receiver = inside(str(node.pods["target"].path), partial(receiver_at, target))
    sent = 0
    for number in range(times):
        name = f"mute-{number}"
        node.pod(name, app="mute")
        sent += inside(str(node.pods[name].path), partial(send, target))
        assert node.call("DEL", name).status == 0
        node.pods.pop(name).remove()
    came = drained(receiver)
    receiver.close()
    return came, sent


def receiver_at(address):
    """A socket that takes what is sent to this address of the pod."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    one.bind((address, PORT))
    return one


def drained(receiver):
    """How many packets have come to it since."""
    found = 0
    while True:
        try:
            found += len(receiver.recv(16))
        except BlockingIOError:
            return found


def send(address):
    """A burst of packets to this address; how many."""
    end, sent = time.monotonic() + SECONDS, 0
    give_up = end + 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"net1")
        while time.monotonic() < (give_up if sent < LEAST else end):
            try:
                one.sendto(b"x", (address, PORT))
                sent += 1
            except OSError:
                pass
            time.sleep(0.001)
    return sent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=500)
    options = parser.parse_args()
    own_node.enter()
    with tempfile.TemporaryDirectory() as folder:
        node = EngineNode(Path(folder, "node"), install_plugin(Path(folder, "installed")))
        try:
            node.start_engine()
            came, sent = escaped(node, options.times)
        finally:
            node.close()
    print(
        f"{options.times} pods sent {sent} packets that a policy denies from the start; {came} came through"
    )
    return 1 if came or not sent else 0


if __name__ == "__main__":
    sys.exit(main())

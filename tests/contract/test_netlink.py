"""The netlink edge beside iproute2, in real namespaces; on every Python of this machine that Genie may run on."""

import json
import os
import posix
import subprocess
import sys
import time
from _thread import get_native_id
from errno import EINTR
from pathlib import Path
from socket import socket
from threading import Thread
from typing import cast

import pytest

from genie_core.edges import netlink, netns
from genie_core.edges.netlink import Netlink, open_in
from genie_core.errors import Denied, InvalidNetns, KernelRefused

ROOT = Path(__file__).parents[2]
PYTHONS = sorted({sys.executable, *map(str, Path("/usr/bin").glob("python3.1[1-9]"))})
OWN_NETNS = "/proc/thread-self/ns/net"

pytestmark = pytest.mark.root


@pytest.fixture
def pod(netns):
    """A namespace with eth0 and net1 (veth), IPv4 and IPv6, and net2, which is down and has nothing."""
    made = netns()
    for number, name in enumerate(("eth0", "net1", "net2")):
        made.run(
            "ip", "link", "add", name, "mtu", str(1400 + number), "type", "veth", "peer", "name", f"p{number}"
        )
        made.run("ip", "link", "set", f"p{number}", "up")
    for number, name in enumerate(("eth0", "net1"), 1):
        made.run("ip", "link", "set", name, "up")
        made.run("ip", "address", "add", f"10.{number}.0.5/24", "dev", name)
        made.run("ip", "address", "add", f"fd0{number}::5/64", "dev", name, "nodad")
    return made


def ip(namespace, *argv):
    return json.loads(namespace.run("ip", "-json", *argv).stdout)


def defaults(namespace, family="-4"):
    """(gateway, interface) of each default route, as iproute2 sees them."""
    return sorted(
        (hop.get("gateway", ""), hop["dev"])
        for route in ip(namespace, family, "route", "show", "default")
        for hop in route.get("nexthops", [route])
    )


def names(namespace):
    return {link["ifindex"]: link["ifname"] for link in ip(namespace, "link")}


# --- the way in


@pytest.fixture(params=["os.setns", "setns of the C library"])
def way_in(request, monkeypatch):
    """Both ways to enter a namespace, on any Python."""
    if request.param == "os.setns":
        if not hasattr(posix, "setns"):
            monkeypatch.setattr(posix, "setns", netns._setns_of_libc(), raising=False)
    else:
        monkeypatch.delattr(posix, "setns", raising=False)


def namespace_of(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino


@pytest.mark.usefixtures("way_in")
def test_the_work_is_done_inside_and_the_caller_stays_outside(pod):
    before = namespace_of(OWN_NETNS)
    assert netns.inside(str(pod.path), lambda: namespace_of(OWN_NETNS)) == namespace_of(pod.path)
    assert namespace_of(OWN_NETNS) == before == namespace_of("/proc/self/ns/net")


@pytest.mark.usefixtures("way_in")
def test_what_the_work_raises_is_raised_and_the_caller_stays_outside(pod):
    before = namespace_of(OWN_NETNS)

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        netns.inside(str(pod.path), fail)
    assert namespace_of(OWN_NETNS) == before


def test_the_thread_that_entered_ends(pod):
    thread = netns.inside(str(pod.path), get_native_id)
    assert thread != get_native_id()
    deadline = time.monotonic() + 100
    while Path(f"/proc/self/task/{thread}").exists():
        assert time.monotonic() < deadline, "a thread is left in the pod's namespace"
        time.sleep(0.01)


@pytest.mark.usefixtures("way_in")
@pytest.mark.parametrize(
    "path, reason",
    [("/run/netns/none", "No such file"), ("/etc/passwd", "Invalid argument"), ("/", "Invalid argument")],
)
def test_a_file_that_is_no_network_namespace_is_refused(path, reason):
    with pytest.raises(InvalidNetns) as caught:
        open_in(path)
    assert caught.value.msg.startswith(f"{path} is not a network namespace: {reason}")


def test_a_pipe_in_the_namespaces_place_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidNetns):
        open_in(str(tmp_path / "pipe"))


def run_python(python, code, *args, **options):
    """What a bare interpreter prints, as JSON; Genie's own modules are the only ones it can import beside its own."""
    program = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}"
    argv = [python, "-I", "-S", "-B", "-c", program, *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


DENIED = """
import os
ready = sys.argv[1]
from genie_core.edges import podnet, netlink
from genie_core.errors import Denied
os.setuid(65534)
answer = podnet.existing_links(ready)
try:
    netlink.open_in(ready)
except Denied as error:
    print('{"links": %s, "msg": "%s"}' % ("null" if answer is None else "[]", error.msg))
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_c19_a_namespace_that_may_not_be_entered(pod, python):
    answer = run_python(python, DENIED, pod.path)
    assert answer["links"] is None
    assert answer["msg"] == f"network namespace {pod.path} may not be entered: Operation not permitted"


INTERRUPTED = """
import posix, signal
from genie_core.edges.netns import socket_in
own = posix.stat("/proc/thread-self/ns/net").st_ino
signal.signal(signal.SIGTERM, signal.default_int_handler)
interrupted = elsewhere = 0
for number in range(2000):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + number % 60 * 1e-6)
        socket_in(sys.argv[1], int)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
    while True:
        try:
            elsewhere += posix.stat("/proc/thread-self/ns/net").st_ino != own
            break
        except KeyboardInterrupt:  # Python runs the handler of an alarm later than the alarm is switched off
            continue
print("[%d, %d]" % (interrupted, elsewhere))
"""


def test_an_interrupt_leaves_the_thread_in_its_own_namespace(pod):
    """The command line's handlers raise an error between any two instructions. Here the alarm's does, often."""
    code = f"import signal\nsignal.signal(signal.SIGALRM, signal.default_int_handler){INTERRUPTED}"
    interrupted, elsewhere = run_python(sys.executable, code, pod.path)
    assert interrupted
    assert elsewhere == 0


def test_a_call_of_the_plugin_makes_its_socket_without_a_thread(pod):
    """Its handlers raise nothing at such places, and a thread costs more than the socket."""
    code = """
from _thread import get_native_id
from genie_core.edges.cancel import Cancel
from genie_core.edges.netns import socket_in
Cancel().listen()
print(int(socket_in(sys.argv[1], get_native_id) == get_native_id()))
"""
    assert run_python(sys.executable, code, pod.path) == 1


# --- every Python, and what it costs

EVERYTHING = """
before = set(sys.modules)
import posix
own = posix.stat("/proc/self/ns/net").st_ino
from genie_core.edges.netlink import open_in
with open_in(sys.argv[1]) as kernel:
    links = kernel.links()
    kernel.add_default_route(links["net1"], "10.2.0.1", True)
    kernel.add_default_route(links["net1"], "fe80::1", False)
    found = [[route.gateway, route.ifindex] for v4 in (True, False) for route in kernel.default_routes(v4)]
    addresses = sorted(address.prefix for address in kernel.addresses())
loaded = sorted(set(sys.modules) - before)
same = own == posix.stat("/proc/self/ns/net").st_ino
import json
print(json.dumps([sorted(links), links["net1"].index, found, addresses, loaded, same]))
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_reads_and_writes_and_loads_next_to_nothing(pod, python):
    links, net1, found, addresses, loaded, same = run_python(python, EVERYTHING, pod.path)
    assert links == sorted(names(pod).values())
    assert found == [["10.2.0.1", net1], ["fe80::1", net1]]
    assert {"10.1.0.5/24", "fd02::5/64"} <= set(addresses)
    assert same
    assert {name for name in loaded if not name.startswith("genie_core")} <= {
        "_ctypes",
        "_socket",
        "_struct",
        "errno",
    }
    assert defaults(pod) == [("10.2.0.1", "net1")]
    assert defaults(pod, "-6") == [("fe80::1", "net1")]


# --- reading


def test_links_are_those_of_iproute2(pod):
    with open_in(str(pod.path)) as kernel:
        found = kernel.links()
    assert found == {
        link["ifname"]: netlink.LeanLink(
            link["ifname"], link["ifindex"], link["address"], link["mtu"], "UP" in link["flags"]
        )
        for link in ip(pod, "link")
    }
    assert found["eth0"].mtu == 1400
    assert found["eth0"].up
    assert not found["net2"].up


def test_addresses_are_those_of_iproute2_of_both_families(pod):
    pod.run(
        "ip", "address", "add", "10.9.0.1", "peer", "10.9.0.2/32", "dev", "net1"
    )  # its own end, not the other
    with open_in(str(pod.path)) as kernel:
        found = {(address.ifindex, address.prefix) for address in kernel.addresses()}
    assert found == {
        (link["ifindex"], f"{address['local']}/{address['prefixlen']}")
        for link in ip(pod, "address")
        for address in link["addr_info"]
    }


def test_an_empty_namespace(netns):
    with open_in(str(netns().path)) as kernel:
        assert list(kernel.links()) == ["lo"]
        assert kernel.default_routes(True) == kernel.default_routes(False) == []


def test_many_interfaces_come_in_many_parts(netns):
    crowd = netns()
    batch = "".join(f"link add v{number} type veth peer name w{number}\n" for number in range(60))
    crowd.run("sh", "-c", f"printf '{batch}' | ip -batch -")
    with open_in(str(crowd.path)) as kernel:
        assert len(kernel.links()) == 121


def test_default_routes_of_every_table_and_metric(pod):
    pod.run("ip", "route", "add", "default", "via", "10.1.0.1")
    pod.run("ip", "route", "add", "default", "via", "10.2.0.1", "metric", "50")
    pod.run("ip", "route", "add", "default", "dev", "net1", "table", "1000")
    pod.run("ip", "route", "add", "10.96.0.0/12", "via", "10.1.0.1")
    pod.run(
        "ip", "-6", "route", "add", "default", "from", "fd01::/64", "via", "fd01::1"
    )  # for some packets only
    with open_in(str(pod.path)) as kernel:
        links = {link.index: link.name for link in kernel.links().values()}
        found = sorted(
            (route.table, links[route.ifindex], route.gateway) for route in kernel.default_routes(True)
        )
        assert kernel.default_routes(False) == []
    assert found == [(254, "eth0", "10.1.0.1"), (254, "net1", "10.2.0.1"), (1000, "net1", "")]


def test_an_ipv4_route_through_an_ipv6_gateway(pod):
    pod.run("ip", "-4", "route", "add", "default", "via", "inet6", "fd01::1", "dev", "eth0")
    with open_in(str(pod.path)) as kernel:
        (route,) = kernel.default_routes(True)
        assert route.gateway == "fd01::1"
        kernel.delete(route)
    assert defaults(pod) == []


def test_listing_while_everything_changes(pod):
    """A dump that changes fell into is asked for again: what stays is never missing."""
    stop: list[bool] = []

    def change():
        while not stop:
            pod.run("ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1")
            pod.run("ip", "link", "delete", "x0")

    changing = Thread(target=change)
    changing.start()
    try:
        with open_in(str(pod.path)) as kernel:
            for _ in range(200):
                assert {"lo", "eth0", "net1", "net2", "p0", "p1", "p2"} <= set(kernel.links())
    finally:
        stop.append(True)
        changing.join()


# --- writing


@pytest.mark.parametrize("gateway, family", [("10.2.0.1", "-4"), ("fd02::1", "-6"), ("fe80::1", "-6")])
def test_a_default_route_is_made_and_deleted_and_deleted_again(pod, gateway, family):
    with open_in(str(pod.path)) as kernel:
        kernel.add_default_route(kernel.links()["net1"], gateway, ":" not in gateway)
        assert defaults(pod, family) == [(gateway, "net1")]
        (route,) = kernel.default_routes(family == "-4")
        kernel.delete(route)
        kernel.delete(route)
    assert defaults(pod, family) == []


@pytest.mark.parametrize(
    "words, left",
    [
        ("-4 route add default nexthop via 10.1.0.1 nexthop via 10.2.0.1", []),
        ("-6 route add default nexthop via fd01::1 nexthop via fd02::1", [("fd02::1", "net1")]),
        ("-4 route add default dev eth0", []),
        ("-6 route add default dev eth0", []),
        ("-4 route add blackhole default", []),
        ("-6 route add unreachable default metric 7", []),
        ("-4 route add default via 10.77.0.1 dev eth0 onlink mtu 1300 src 10.1.0.5 proto 42", []),
        ("-6 route add default via fd01::1 dev eth0 mtu 1300 metric 3 pref high", []),
        ("-4 route add default nhid 7", []),
        ("-6 route add default nhid 8", []),
    ],
)
def test_whatever_default_route_is_there_can_be_deleted_and_it_alone(pod, words, left):
    """Of an IPv6 route over several hops, each hop by itself: the kernel joins routes of different plugins to one."""
    pod.run("ip", "nexthop", "add", "id", "7", "via", "10.1.0.1", "dev", "eth0")
    pod.run("ip", "nexthop", "add", "id", "8", "via", "fd01::1", "dev", "eth0")
    pod.run("ip", *words.split())
    family = words[:2]
    others = [route for route in ip(pod, family, "route") if route["dst"] != "default"]
    with open_in(str(pod.path)) as kernel:
        kernel.delete(kernel.default_routes(family == "-4")[0])
    assert defaults(pod, family) == left
    assert [route for route in ip(pod, family, "route") if route["dst"] != "default"] == others


def test_the_hops_of_one_interface_are_that_interfaces(pod):
    pod.run("ip", "route", "add", "default", "nexthop", "via", "10.1.0.1", "nexthop", "via", "10.1.0.2")
    with open_in(str(pod.path)) as kernel:
        assert [route.ifindex for route in kernel.default_routes(True)] == [kernel.links()["eth0"].index]


@pytest.mark.parametrize(
    "link, gateway, reason, words",
    [
        ("eth0", "10.2.0.1", "Network is unreachable", "Nexthop has invalid gateway"),
        ("eth0", "fd77::1", "No route to host", ""),
        ("net2", "fe80::1", "Network is down", "Nexthop device is not up"),
    ],
)
def test_c31_a_refusal_names_interface_gateway_and_the_kernels_reason(pod, link, gateway, reason, words):
    with open_in(str(pod.path)) as kernel, pytest.raises(KernelRefused) as caught:
        kernel.add_default_route(kernel.links()[link], gateway, ":" not in gateway)
    assert (
        caught.value.msg == f"{pod.path}: cannot make a default route through {link} to {gateway}: {reason}"
    )
    assert caught.value.details == words


# --- what the kernel seldom says


class Scripted:
    """A socket whose peer answers each request with prepared messages, under the request's sequence number."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.number = b""
        self.closed = False

    def setsockopt(self, *_):
        pass

    def send(self, data):
        self.number = data[8:12]

    def recv(self, _size):
        parts = []
        for kind, flags, body, *number in self.answers.pop(0):
            words = (len(body) + 16).to_bytes(4, sys.byteorder) + kind.to_bytes(2, sys.byteorder)
            parts.append(
                words + flags.to_bytes(2, sys.byteorder) + (*number, self.number)[0] + bytes(4) + body
            )
        return b"".join(parts)

    def close(self):
        self.closed = True


def link(name):
    value = name.encode() + b"\0"
    value += bytes(-len(value) % 4)
    return (16, 2, bytes(16) + (4 + len(value)).to_bytes(2, sys.byteorder) + b"\3\0".ljust(2) + value)


DONE = (3, 2, bytes(4))


@pytest.fixture
def scripted():
    def make(*answers):
        return Netlink(cast("socket", Scripted(*answers)), "here")

    return make


def test_a_dump_that_changes_fell_into_is_read_to_its_end_and_asked_for_again(scripted):
    kind, flags, body = link("old")
    kernel = scripted([(kind, flags | 0x10, body)], [DONE], [link("new"), DONE])
    assert list(kernel.links()) == ["new"]


def test_a_namespace_that_never_rests_is_an_error_and_no_endless_loop(scripted):
    kind, flags, body = link("old")
    kernel = scripted(*[[(kind, flags | 0x10, body), DONE]] * 100)
    with pytest.raises(KernelRefused, match="keep changing"):
        kernel.links()


def test_answers_to_other_requests_are_skipped(scripted):
    assert list(scripted([(*link("theirs"), b"\xff\xff\xff\xff"), link("mine")], [DONE]).links()) == ["mine"]


@pytest.mark.parametrize("kind", [2, 3])
def test_a_dump_may_end_with_an_error(scripted, kind):
    kernel = scripted([link("eth0")], [(kind, 2, (-EINTR).to_bytes(4, sys.byteorder, signed=True))])
    with pytest.raises(KernelRefused, match="cannot list the interfaces: Interrupted system call"):
        kernel.links()


def test_a_dump_that_is_refused_for_want_of_rights_is_denied(scripted):
    with pytest.raises(Denied):
        scripted([(2, 0, (-1).to_bytes(4, sys.byteorder, signed=True))]).links()


def test_the_socket_is_closed_behind_an_error(scripted):
    kernel = scripted([(2, 0, (-1).to_bytes(4, sys.byteorder, signed=True))])
    with pytest.raises(Denied), kernel:
        kernel.links()
    assert kernel._socket.closed

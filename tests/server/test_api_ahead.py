"""What waiting processes of the server make for the API server before a call comes: a TLS context and a connection."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genie_core.edges.kube_ahead import Ahead
from genie_core.edges.kube_cluster import Cluster, Pem
from tests import manifests
from tests.apiserver import API, APIServer, Authority, Objects
from tests.netns import Namespace
from tests.server.conftest import wait

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def authorities(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    return Authority(tmp_path / "one"), Authority(tmp_path / "other")


@pytest.fixture
def https(authorities):
    server = APIServer(API(Objects(manifests.pod()), {"good-token": "genie"}), authority=authorities[0])
    yield server
    server.close()


def ask(node, https, tmp_path):
    """ADD and DEL of a pod that is read from the API server; the error's message, or ""."""
    node.config["kubernetes"] = {"kubeconfig": str(tmp_path / "kubeconfig")}
    node.config["api_timeout_seconds"] = 3
    added = node.add(annotations=None)
    node.delete()
    return "" if added.status == 0 else json.loads(added.stdout)["msg"]


def sockets(pid):
    """The Internet sockets of a process, by their inode."""
    inodes = {line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]}
    try:
        names = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:
        return set()  # it has ended, or closed one meanwhile
    return {name for name in names if name.removeprefix("socket:[").removesuffix("]") in inodes}


def all_connected(server, https):
    """Whether each process that waits has a connection, and the API server has greeted as many."""
    greeted = [sock for sock in list(https._http._open) if sock.version()]
    return len(greeted) == len(server.waiting()) and all(len(sockets(pid)) == 1 for pid in server.waiting())


@pytest.fixture
def ready(own_node, server, https, tmp_path):
    """A server that has served a call which asked the API server, and whose waiting processes have connected to it."""
    server.start()
    https.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good-token"})
    own_node.network("default")
    assert not any(map(sockets, server.waiting()))
    assert ask(own_node, https, tmp_path) == ""
    server.replace_waiting()
    wait(lambda: all_connected(server, https), said=server.said)
    return server


def test_a_call_asks_on_a_connection_that_was_made_before(own_node, ready, https, tmp_path):
    https._http.shutdown()  # it takes no other connection
    assert ask(own_node, https, tmp_path) == ""


def test_a_connection_that_the_api_server_closes_is_not_made_again(own_node, ready, https, tmp_path):
    https.hang_up()
    wait(lambda: not any(map(sockets, ready.waiting())), said=ready.said)
    made = https.connections
    assert ask(own_node, https, tmp_path) == ""
    assert https.api.requests[-1].connection > made


def test_the_api_servers_end_costs_no_call(own_node, ready, https, authorities, tmp_path):
    """Another one listens at its address when the call comes, and has not one of the connections."""
    https.close()
    with APIServer(https.api, port=https.port, authority=authorities[0]) as other:
        assert ask(own_node, other, tmp_path) == ""


def test_a_connection_to_another_address_is_not_used(own_node, ready, https, authorities, tmp_path):
    with APIServer(https.api, authority=authorities[0]) as other:
        other.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good-token"})
        assert ask(own_node, other, tmp_path) == ""
        assert other.connections >= 1


def test_a_connection_that_was_lost_without_a_word_is_given_up(tmp_path):
    """As by a firewall between that forgets it. The call has another one after two seconds."""
    namespace = Namespace()
    program = """
import subprocess, sys
from select import epoll
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_ahead import AHEAD
from genie_core.edges.kube_line import Line
from genie_core.edges.kube_tls import client_context
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import JSONLog
from tests import manifests
from tests.apiserver import API, APIServer, Authority, Objects
from pathlib import Path

folder = Path(sys.argv[1])
with APIServer(API(Objects(manifests.pod()), {"good-token": "genie"}), authority=Authority(folder)) as server:
    server.write_kubeconfig(folder / "kubeconfig", user={"token": "good-token"})
    cluster = load_cluster({"kubeconfig": str(folder / "kubeconfig")}, {}, JSONLog("error"))
    AHEAD.share()
    AHEAD.note(cluster)
    AHEAD.prepare(cluster, client_context)
    poller = epoll()
    AHEAD.connect(poller, Line)
    while not AHEAD._line.is_ready:
        poller.poll()
        AHEAD.proceed(poller)
    port = AHEAD._line._sock.getsockname()[1]
    for rule in (f"tcp sport {port} drop", f"tcp dport {port} drop"):
        subprocess.run(["nft", "add rule ip genie lost " + rule], check=True)
    with KubeAPI(cluster, 8, JSONLog("error")) as api:
        assert api.get_pod("ns", "p")["metadata"]["name"] == "p"
    assert server.connections == 2
    subprocess.run(["nft", "flush chain ip genie lost"], check=True)
"""
    rules = "add table ip genie; add chain ip genie lost { type filter hook input priority 0; }"
    try:
        namespace.run("nft", rules)
        command = ["ip", "netns", "exec", namespace.name, sys.executable, "-c", program, tmp_path]
        subprocess.run(command, cwd=ROOT, check=True)
    finally:
        namespace.remove()


def test_a_context_that_was_made_ahead_is_of_the_files_as_they_are(
    own_node, server, https, authorities, tmp_path
):
    """The authority's file is replaced between two calls: what was made of the old one is not used."""
    server.start()
    https.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good-token"})
    kubeconfig = json.loads((tmp_path / "kubeconfig").read_text())
    cluster = kubeconfig["clusters"][0]["cluster"]
    cluster.pop("certificate-authority-data", None)
    cluster["certificate-authority"] = str(tmp_path / "ca.crt")
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    (tmp_path / "ca.crt").write_bytes(authorities[0].ca)
    own_node.network("default")
    for _ in range(4):
        assert ask(own_node, https, tmp_path) == ""
    server.replace_waiting()
    (tmp_path / "ca.crt").write_bytes(authorities[1].ca)
    assert "is not to be trusted" in ask(own_node, https, tmp_path)
    server.replace_waiting()
    (tmp_path / "ca.crt").write_bytes(authorities[0].ca)
    assert ask(own_node, https, tmp_path) == ""
    assert server.counted() == {"served": 12}


def cluster_of(ca, source="kubeconfig /etc/kubeconfig"):
    return Cluster(tls=True, host="192.0.2.1", port=6443, ca=Pem(str(ca)), source=source)


def test_a_context_whose_authority_is_replaced_while_it_is_made_is_not_used(tmp_path):
    """It has the old one, and the file that a call compares it with the new one."""
    file, ahead = tmp_path / "ca.crt", Ahead()
    file.write_text("old")

    def replace_during(cluster):
        context = f"a context of {Path(cluster.ca.path).read_text()}"
        file.write_text("new")
        return context

    ahead.prepare(cluster_of(file), replace_during)
    assert ahead.context(cluster_of(file)) is None
    ahead.prepare(cluster_of(file), replace_during)
    assert ahead.context(cluster_of(file)) == "a context of new"


def test_only_a_cluster_of_a_kubeconfig_is_noted(tmp_path):
    ahead = Ahead()
    ahead.share()
    ahead.note(cluster_of(tmp_path / "ca.crt"))
    ahead.note(cluster_of(tmp_path / "ca.crt", "genie.conf"))
    assert ahead.kubeconfig() == "/etc/kubeconfig"

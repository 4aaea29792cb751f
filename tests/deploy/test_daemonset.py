"""`genie install --from-daemonset` beside an API server: what it keeps, renews, reports, and leaves at its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from genie_core import __version__
from genie_core.edges.log import JSONLog
from genie_core.errors import InvalidConfig
from genie_core.settings import DELEGATE_CONF_DIR
from genie_core.survey.runtimes import Runtime
from genie_core.tasks.atomic import alone
from genie_core.tasks.install.daemonset import (
    CHECK_SECONDS,
    RETRY_SECONDS,
    Keeper,
    KeepOptions,
    in_cluster_server,
)
from genie_core.tasks.install.placement import Placement
from genie_core.tasks.install.run import InstallOptions
from tests.apiserver import API, APIServer, Authority, Objects
from tests.patience import wait_until

ROOT = Path(__file__).parents[2]
DAY = 24 * 3600
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
OWN = {"installer-token": "system:serviceaccount:kube-system:genie-installer"}


class Clock:
    """Real seconds and `ahead`, as the test wants them: since the boot, or the time of day."""

    def __init__(self, real=time.monotonic):
        self.real = real
        self.ahead = 0

    def __call__(self):
        return self.real() + self.ahead


@pytest.fixture
def server(tmp_path):
    authority = Authority(tmp_path)
    with APIServer(API(Objects(NODE), tokens=OWN), authority=authority) as server:
        yield server


@pytest.fixture
def account(tmp_path, server):
    """What kubelet puts into the pod."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("installer-token")
    (folder / "ca.crt").write_text(Path(server.authority.ca_file).read_text())
    return folder


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory):
    """Where the code is compiled once for all."""
    return tmp_path_factory.mktemp("bin")


@pytest.fixture
def keeper(tmp_path, bin_dir, server, account):
    installed = InstallOptions(
        bin_dir=bin_dir,
        conf_dir=tmp_path / "etc/net.d",
        api_server=server.url,
        token_file=tmp_path / "etc/genie/token",
        ca_file=tmp_path / "etc/genie/ca.crt",
    )
    acts_as = ("kube-system", "genie")
    options = KeepOptions(install=installed, account=acts_as, credentials=account, api_seconds=10, node="n1")
    return Keeper(options=options, log=JSONLog("error"), clock=Clock(), time_of_day=Clock(time.time))


@pytest.fixture
def token(keeper):
    return keeper.options.install.token_file


def test_the_first_look_installs_everything(keeper, token):
    keeper.look()
    assert keeper.problems == []
    assert keeper.version == __version__
    assert (token.parents[1] / "net.d/00-genie.conflist").exists()
    assert token.read_text() == "minted-1"
    assert token.stat().st_mode & 0o777 == 0o600
    kubeconfig = json.loads((token.parents[1] / "net.d/genie.kubeconfig").read_text())
    assert kubeconfig["users"][0]["user"] == {"tokenFile": str(token)}
    assert Path(kubeconfig["clusters"][0]["cluster"]["certificate-authority"]).exists()


def test_it_is_not_ready_before_the_first_look_has_ended(keeper):
    """What has failed is known at its end: until then a plugin that is installed is not all that is asked for."""

    class Log(JSONLog):
        def info(self, event: str, **fields: Any) -> None:
            said[event] = keeper.readiness()[0]

    said: dict[str, list[str]] = {}
    keeper.log = Log("error")
    keeper.options.credentials.joinpath("token").unlink()
    keeper.look()
    assert said["installed"] == ["the plugin is not installed"]
    assert "token" in keeper.readiness()[0][0]


def test_the_token_is_renewed_at_half_of_its_life(keeper, token):
    keeper.look()
    keeper.clock.ahead = DAY / 2 - 60
    keeper.look()
    assert token.read_text() == "minted-1"
    keeper.clock.ahead = DAY / 2 + 60
    keeper.look()
    assert token.read_text() == "minted-2"


YEAR = 365 * DAY


@pytest.mark.parametrize("wrong", [YEAR, -YEAR], ids=["a year ahead", "a year behind"])
@pytest.mark.parametrize("granted", [DAY, 3600])
def test_the_token_is_renewed_in_time_whatever_the_time_of_day(keeper, token, server, wrong, granted):
    """A node that starts with a wrong clock, which is set right later; and the other way round."""
    server.api.longest_token_seconds = granted
    for first, then in ((wrong, 0), (0, wrong)):
        keeper.time_of_day.ahead = first
        keeper.renew_at = 0
        keeper.look()
        minted = token.read_text()
        keeper.time_of_day.ahead = then
        keeper.clock.ahead += granted / 2 - 60
        keeper.look()
        assert (token.read_text(), keeper.problems) == (minted, [])
        keeper.clock.ahead += 120
        keeper.look()
        assert (token.read_text() == minted, keeper.problems) == (False, [])


def token_requests(server):
    return [json.loads(request.body)["spec"] for request in server.api.requests if request.method == "POST"]


def test_the_token_is_bound_to_the_node(keeper, server):
    keeper.look()
    (spec,) = token_requests(server)
    assert spec["boundObjectRef"] == {"apiVersion": "v1", "kind": "Node", "name": "n1"}


def test_a_node_that_registers_again_gets_a_new_token_within_minutes(keeper, token, server):
    """Its Node object is another one, so the server refuses the old token from then on."""
    keeper.look()
    server.api.objects.add(NODE)
    keeper.clock.ahead = CHECK_SECONDS - 60
    keeper.look()
    assert token.read_text() == "minted-1"
    keeper.clock.ahead = CHECK_SECONDS + 60
    keeper.look()
    assert (token.read_text(), keeper.problems) == ("minted-2", [])
    keeper.clock.ahead = 2 * CHECK_SECONDS + 120
    keeper.look()
    assert token.read_text() == "minted-2"


def test_a_server_that_is_away_is_no_reason_for_a_new_token(keeper, token, server):
    keeper.look()
    server.api.fail(503, times=99)
    keeper.options = replace(keeper.options, api_seconds=0.5)
    keeper.clock.ahead = CHECK_SECONDS + 60
    keeper.look()
    assert (token.read_text(), keeper.problems) == ("minted-1", [])


def test_no_token_is_had_for_a_node_that_does_not_exist(keeper, token, server):
    server.api.objects.remove(server.api.objects.find_kind("", "v1", "nodes"), "", "n1")
    keeper.look()
    assert "does not exist" in keeper.readiness()[0][0]
    assert not token.exists()


def test_a_server_that_cannot_bind_to_nodes_gives_an_unbound_token(keeper, token, server, capfd):
    """Kubernetes before 1.31: the plugin works as it did there, and the log says so."""
    server.api.binds_to_nodes = False
    keeper.log = JSONLog("warning")
    keeper.look()
    assert (token.read_text(), keeper.problems) == ("minted-1", [])
    assert "boundObjectRef" not in token_requests(server)[-1]
    assert "not bound to this node" in capfd.readouterr().err


def test_a_removed_file_comes_back(keeper, token):
    """As after another agent that wants to be the only one (lessons 5)."""
    keeper.look()
    conflist = token.parents[1] / "net.d/00-genie.conflist"
    plugin = keeper.options.install.bin_dir / "genie"
    for path in (conflist, plugin, token):
        path.unlink()
    keeper.look()
    assert all(path.exists() for path in (conflist, plugin, token))


def test_the_plugin_goes_where_the_runtime_looks(keeper, token, tmp_path):
    """The directories are read again on each pass: a runtime's configuration may appear later, and change."""
    bin_dirs = [str(tmp_path / "first")]
    conf_dir = str(tmp_path / "etc/net.d")
    keeper.options = replace(
        keeper.options,
        locate=lambda: Placement(bin_dir=bin_dirs[0], conf_dir=conf_dir, bin_dirs=(bin_dirs[0],)),
    )
    keeper.look()
    assert os.access(tmp_path / "first/genie", os.X_OK)
    bin_dirs[0] = str(tmp_path / "second")
    keeper.look()
    assert os.access(tmp_path / "second/genie", os.X_OK)
    assert keeper.problems == []


@pytest.fixture
def delegates():
    """Genie's own directory of networks; /etc/cni is private to this process."""
    directory = Path(DELEGATE_CONF_DIR)
    yield directory
    for path in directory.glob("*"):
        path.unlink()
    for folder in (directory, directory.parent):
        folder.rmdir()


@pytest.mark.root
def test_a_network_that_its_agent_writes_again_is_moved_again(keeper, token, bin_dir, delegates):
    """On CRI-O, which at its next start would take that network from running pods."""
    conf = token.parents[1] / "net.d"
    conf.mkdir(parents=True)
    (bin_dir / "net").write_text('#!/bin/sh\necho \'{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}\'\n')
    (bin_dir / "net").chmod(0o755)
    runtime = Runtime(kind="crio", conf_dir=str(conf), bin_dirs=(str(bin_dir),), running=True)
    found = Placement(bin_dir=str(bin_dir), conf_dir=str(conf), bin_dirs=(str(bin_dir),), runtimes=(runtime,))
    agreed = replace(keeper.options.install, move=True)
    keeper.options = replace(keeper.options, install=agreed, locate=lambda: found)
    for mtu in (1400, 1500):
        plugin = {"type": "net", "mtu": mtu}
        network = {"cniVersion": "1.0.0", "name": "net", "plugins": [plugin]}
        (conf / "10-net.conflist").write_text(json.dumps(network))
        keeper.look()
        assert keeper.problems == []
        assert not (conf / "10-net.conflist").exists()
        assert json.loads((delegates / "10-net.conflist").read_text())["plugins"] == [plugin]
    (bin_dir / "net").unlink()


def test_a_directory_that_is_not_mounted_is_said_and_nothing_is_installed(keeper, token):
    """Debian's containerd looks in /usr/lib/cni, which the DaemonSet has to mount."""

    def locate():
        raise InvalidConfig("containerd of this node looks in /usr/lib/cni, which is not mounted here")

    keeper.options = replace(keeper.options, locate=locate)
    keeper.look()
    assert "which is not mounted here" in keeper.readiness()[0][1]
    assert not (token.parents[1] / "net.d").exists()


def test_where_the_daemonset_installs(tmp_path):
    """Its pod's view of a node: two directories with the runtimes' configuration, and the mounts."""
    script = """
import sys
from pathlib import Path
from typing import Any
from genie_core.errors import GenieError
from genie_core.tasks.install.daemonset import locate
try:
    print(locate(None, None).bin_dir)
except GenieError as error:
    print(error.msg)
"""
    shell = """
set -e
mount -t tmpfs none /mnt; cp -a /etc /mnt/etc; mount --bind /mnt/etc /etc
mount -t tmpfs none /opt; mkdir -p /opt/cni/bin /etc/cni/net.d
printf 'version = 2\\n[plugins."io.containerd.grpc.v1.cri".cni]\\n%s\\n' "$1" >/etc/containerd/config.toml
mount --bind /dev/null /usr/bin/containerd; $2
exec "$3" -c "$4"
"""
    in_the_image = "mount -o remount,ro /opt"  # it has the usual directories, for what is mounted there
    for setting, more, said in (
        ('bin_dir = "/opt/cni/bin"', "", "/opt/cni/bin\n"),
        ('bin_dir = "/nowhere"', "", "containerd of this node looks in /nowhere, which is not mounted here"),
        (
            'bin_dir = "/opt/cni/bin"',
            in_the_image,
            "of this node looks in /opt/cni/bin, which is not mounted",
        ),
        (
            "",
            in_the_image,
            "/opt/cni/bin is assumed; --bin-dir names another. It is not mounted here: nothing is installed\n",
        ),
    ):
        command = ["unshare", "--mount", "sh", "-c", shell, "sh", setting, more, sys.executable, script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        assert said in done.stdout


def test_a_broken_configuration_is_mended(keeper, token):
    """No runtime would load it, and the node would stay without a network."""
    keeper.look()
    conflist = token.parents[1] / "net.d/00-genie.conflist"
    before = conflist.read_text()
    conflist.write_text("{")
    keeper.look()
    assert (conflist.read_text(), keeper.problems) == (before, [])
    assert conflist.with_name("00-genie.conflist.broken").read_text() == "{"


@pytest.mark.parametrize("is_new", [False, True])
def test_what_an_operator_wrote_comes_back_with_the_configuration(keeper, token, is_new):
    """Another agent moves it away, also while no pod of Genie's runs; that one does not see the state directory."""
    keeper.options = replace(keeper.options, install=replace(keeper.options.install, from_daemonset=True))
    keeper.look()
    conflist = token.parents[1] / "net.d/00-genie.conflist"
    document = json.loads(conflist.read_text())
    document["plugins"][0]["log_level"] = "debug"
    conflist.write_text(json.dumps(document))
    keeper.look()
    conflist.rename(conflist.with_name("00-genie.conflist.cilium_bak"))
    if is_new:
        keeper = Keeper(options=keeper.options, log=keeper.log, clock=keeper.clock)
    keeper.look()
    assert keeper.problems == []
    assert json.loads(conflist.read_text())["plugins"][0]["log_level"] == "debug"
    assert (token.parent / "installed.json").stat().st_mode & 0o777 == 0o600


def test_it_is_there_before_the_network_that_it_is_to_use(keeper, token):
    """On a new node: pods that started on that network at once would lack those that they ask for."""
    pinned = replace(keeper.options.install, from_daemonset=True, extra={"default_plugin": "canal"})
    keeper.options = replace(keeper.options, install=pinned)
    keeper.look()
    conf = token.parents[1] / "net.d"
    assert (keeper.problems, (conf / "00-genie.conflist").exists()) == ([], True)
    network = {"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "bridge"}]}
    (conf / "10-other.conflist").write_text(json.dumps(network))
    keeper.look()
    assert any('default_plugin "canal" names no network' in problem for problem in keeper.problems)
    (conf / "10-canal.conflist").write_text(json.dumps(network | {"name": "canal"}))
    keeper.look()
    assert keeper.problems == []


def test_without_an_api_server_the_plugin_is_still_installed(keeper, token, server):
    server.close()
    keeper.options = replace(keeper.options, api_seconds=0.5)
    keeper.look()
    assert keeper.version == __version__
    assert "cannot be reached" in keeper.readiness()[0][0]
    assert not token.exists()


def test_a_problem_is_reported_until_it_is_solved(keeper, token, server):
    server.api.forbidden.add(("create", "serviceaccounts/token"))
    keeper.look()
    assert "does not allow" in keeper.readiness()[0][0]
    server.api.forbidden.clear()
    keeper.look()
    assert keeper.readiness() == ([], {"version": __version__, "tokenExpires": int(keeper.expires_at)})


def test_a_token_that_cannot_be_renewed_is_a_problem_at_every_look(keeper, token, server):
    """Also between two tries, and long before it expires."""
    keeper.look()
    server.api.forbidden.add(("create", "serviceaccounts/token"))
    keeper.clock.ahead = DAY / 2 + 60
    for _ in range(3):
        keeper.look()
        assert ["does not allow" in problem for problem in keeper.readiness()[0]] == [True]
    asked = len(token_requests(server))
    server.api.forbidden.clear()
    keeper.look()
    assert (len(token_requests(server)), len(keeper.problems)) == (asked, 1)  # it waits before it tries again
    keeper.clock.ahead += RETRY_SECONDS + 1
    keeper.look()
    assert (token.read_text(), keeper.problems) == ("minted-2", [])


def test_an_expired_token_is_reported(keeper, token, server):
    keeper.look()
    keeper.clock.ahead = DAY + 60
    server.api.forbidden.add(("create", "serviceaccounts/token"))
    keeper.look()
    assert keeper.readiness()[0][-1] == "the plugin's token has expired"
    assert token.read_text() == "minted-1"


def test_it_may_do_what_it_does_and_no_more(keeper, server):
    """The Role of deploy/rbac.yaml against the requests that were made."""
    keeper.look()
    roles = yaml.safe_load_all((Path(__file__).parents[2] / "deploy/rbac.yaml").read_text())
    (rule,) = next(one["rules"] for one in roles if one["kind"] == "Role")
    (name,), (resource,), (verb,) = rule["resourceNames"], rule["resources"], rule["verbs"]
    account, _, subresource = resource.partition("/")
    path = f"/api/v1/namespaces/kube-system/{account}/{name}/{subresource}"
    made = {(request.method, urlsplit(request.target).path) for request in server.api.requests}
    assert (made, verb) == ({("POST", path)}, "create")


@pytest.mark.parametrize(
    "env, url",
    [
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://10.0.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "https://[fd00::1]:443"),
    ],
)
def test_the_api_server_is_the_one_of_the_pod(env, url):
    assert in_cluster_server(env) == url


@pytest.fixture
def command(tmp_path, server):
    """Start `genie install --from-daemonset` that serves health on that port: its process, ended after the test."""
    processes = []

    def start(port):
        program = [sys.executable, "-c", "import sys; from genie_cli.app import main; sys.exit(main())"]
        where = ["--bin-dir", tmp_path / "bin", "--conf-dir", tmp_path / "net.d", "--api-server", server.url]
        files = ["--token-file", tmp_path / "token", "--ca-file", tmp_path / "ca.crt"]
        words = ["install", "--from-daemonset", *where, *files, "--health", f"127.0.0.1:{port}"]
        processes.append(
            subprocess.Popen([*program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_command_stays_and_leaves_the_plugin_in_place(tmp_path, command):
    """From start to end without a service account: it is not ready and gives the reason, but installs the plugin."""
    port = free_port()
    process = command(port)
    wait_until(lambda: answer(port, "/livez")[0] == 200)
    wait_until((tmp_path / "net.d/00-genie.conflist").exists)
    status, document = answer(port, "/readyz")
    assert status == 503
    assert document["problems"]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (0, ""), err
    assert os.access(tmp_path / "bin/genie", os.X_OK)
    assert (tmp_path / "net.d/00-genie.conflist").exists()


def test_the_probes_are_answered_while_the_first_installation_is_under_way(tmp_path, command):
    code = tmp_path / "bin/.genie"
    code.mkdir(parents=True)
    port = free_port()
    with alone(code):  # as while another installer is at work: the installation waits
        command(port)
        wait_until(lambda: answer(port, "/livez")[0] == 200)
        status, document = answer(port, "/readyz")
        assert (status, document["problems"]) == (503, ["the plugin is not installed"])
        assert not (tmp_path / "net.d/00-genie.conflist").exists()
    wait_until((tmp_path / "net.d/00-genie.conflist").exists)


def test_a_look_at_a_node_that_is_as_it_should_be_starts_no_program_and_reads_no_code(keeper, token):
    """It is done every ten seconds on every node."""
    keeper.look()
    keeper.look()
    with audited() as events:
        keeper.look()
    assert keeper.problems == []
    assert [
        args for event, args in events if event in ("subprocess.Popen", "os.posix_spawn", "os.fork")
    ] == []
    assert [args[0] for event, args in events if event == "open" and str(args[0]).endswith(".py")] == []


def test_a_look_removes_the_code_that_was_replaced_a_day_ago(keeper):
    keeper.look()
    old = keeper.options.install.bin_dir / ".genie/0.9.0-0123456789ab-cpython-313"
    old.mkdir()
    keeper.look()
    assert old.exists()
    os.utime(old, (0, 0))
    keeper.look()
    assert (keeper.problems, old.exists()) == ([], False)


@contextmanager
def audited():
    """The audit events (PEP 578) of the block, as (name, arguments). A hook stays: it is switched off."""
    events, on = [], True

    def hook(event, args):
        if on:
            events.append((event, args))

    sys.addaudithook(hook)
    yield events
    on = False


def test_a_port_that_is_taken_does_not_leave_the_node_without_its_plugin(tmp_path, command):
    """It is in the node's network namespace, where another program may listen on the port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = command(other.getsockname()[1])
        out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (1, ""), err
    assert "health cannot be served on 127.0.0.1" in err
    assert os.access(tmp_path / "bin/genie", os.X_OK)
    assert (tmp_path / "net.d/00-genie.conflist").exists()


def answer(port, path, host="127.0.0.1"):
    """(status, document); status 0 while nothing listens."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, {}


def free_port():
    """A port below those of connections: a connection before the server is there could get its own port as source."""
    for port in range(20000, 30000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")

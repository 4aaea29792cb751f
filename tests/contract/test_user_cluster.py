"""How the command line finds the API server, its credentials and its proxy: as kubectl does."""

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from genie_cli.app import main
from genie_core.edges.kube_errors import BadAnswer, Rejected, Unauthorized, Unreachable, Untrusted
from genie_core.errors import EXIT_DENIED, InvalidConfig, IOFailure, WrongUsage
from genie_core.survey.user_cluster import ACCOUNT_DIR, CONTAINER_ROOT, Access, find_cluster, no_server
from tests.apiserver import API, Authority, Objects, faults
from tests.apiserver.issuer import Issuer, jwt
from tests.apiserver.proxy import Proxy, SocksProxy
from tests.diagnose import world
from tests.patience import wait_until
from tests.test_lint import ROOT

GOOD = "good-token"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A person with an empty home and no settings."""
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
    for name in (*proxies, "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def write(tmp_path):
    """Kubeconfigs, each in a file of its own."""

    def write_one(of, user=None, **cluster):
        path = tmp_path / f"kubeconfig-{len(list(tmp_path.iterdir()))}"
        return of.write_kubeconfig(path, user={"token": GOOD} if user is None else user, **cluster)

    return write_one


@pytest.fixture
def plugin(tmp_path):
    """A credential plugin that records what it was given and prints an ExecCredential; the user's entry for it."""

    def make(status=None, *, says="", code=0, version="client.authentication.k8s.io/v1", sleep=0, **entry):
        path = tmp_path / "login"
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status or {"token": GOOD}}
        path.write_text(
            f"#!{sys.executable}\nimport json, os, sys, time\n"
            f"seen = {{'argv': sys.argv[1:], 'info': json.loads(os.environ['KUBERNETES_EXEC_INFO']),"
            f" 'more': os.environ.get('MORE'), 'stdin': sys.stdin.read()}}\n"
            f"open({str(tmp_path / 'seen')!r}, 'a').write(json.dumps(seen) + '\\n')\n"
            f"time.sleep({sleep})\nsys.stderr.write({says!r})\nprint({json.dumps(answer)!r})\nsys.exit({code})\n"
        )
        path.chmod(0o700)
        return {"exec": {"apiVersion": version, "command": str(path), **entry}}

    return make


@pytest.fixture
def seen(tmp_path):
    """What the plugin was given, one object a run."""
    return lambda: [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]


def the_cluster(access=None):
    found = find_cluster(access or Access())
    assert found is not None
    return found


def uid(path, seconds=60.0, **access):
    """The pod's UID, by the kubeconfig at `path`."""
    with the_cluster(Access(kubeconfig=str(path), **access)).login().connect(seconds) as api:
        return api.get_pod("demo", "web")["metadata"]["uid"]


def a_server(serve, authority, pod, **options):
    return serve(API(Objects(pod), {GOOD: "genie"}), authority=authority, **options)


# --- which server ----------------------------------------------------------------------------------------


def test_the_files_of_kubeconfig_are_merged_and_the_first_counts(tmp_path, monkeypatch):
    one = world.kubeconfig(tmp_path / "one", {"a": "http://192.0.2.1:1"}, namespace="shop")
    two = world.kubeconfig(
        tmp_path / "two", {"a": "http://192.0.2.2:2", "b": "http://192.0.2.3:3"}, current="b"
    )
    three = world.kubeconfig(tmp_path / "three", {"c": "http://192.0.2.4:4"}, current="c")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{one}:{two}:{three}")
    assert str(the_cluster().cluster) == "http://192.0.2.3:3"
    chosen = the_cluster(Access(context="a"))
    assert (str(chosen.cluster), chosen.namespace) == ("http://192.0.2.1:1", "shop")
    assert str(the_cluster(Access(kubeconfig=str(one))).cluster) == "http://192.0.2.1:1"


def test_an_empty_kubeconfig_has_no_entries(tmp_path, monkeypatch):
    """As with kubectl, KUBECONFIG=/dev/null switches all kubeconfigs off."""
    one = world.kubeconfig(tmp_path / "one", {"a": "http://192.0.2.1:1"})
    (tmp_path / "empty").touch()
    monkeypatch.setenv("KUBECONFIG", f"/dev/null:{tmp_path}/empty:{one}")
    assert str(the_cluster().cluster) == "http://192.0.2.1:1"
    for empty in ("/dev/null", f"{tmp_path}/empty"):
        monkeypatch.setenv("KUBECONFIG", empty)
        assert find_cluster(Access()) is None
        assert no_server().details == f"{empty} names no server"


def test_without_a_kubeconfig_it_is_the_one_in_home_else_none(home):
    assert find_cluster(Access()) is None
    with pytest.raises(WrongUsage, match="there is no kubeconfig"):
        find_cluster(Access(context="a"))
    (home / ".kube").mkdir()
    world.kubeconfig(home / ".kube/config", {"home": "http://192.0.2.9:9"})
    assert str(the_cluster().cluster) == "http://192.0.2.9:9"


def test_a_kubeconfig_that_was_named_must_be_there(tmp_path):
    with pytest.raises(IOFailure, match="cannot be read: No such file"):
        find_cluster(Access(kubeconfig=str(tmp_path / "none")))


def test_two_contexts_are_two_servers(serve, authority, pod, tmp_path):
    servers = [a_server(serve, authority, pod) for _ in range(2)]
    document = servers[0].kubeconfig(user={"token": GOOD})
    other = servers[1].kubeconfig(user={"token": GOOD})
    document["clusters"].append(other["clusters"][0] | {"name": "other"})
    document["contexts"].append({"name": "other", "context": {"cluster": "other", "user": "genie"}})
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    with the_cluster(Access(kubeconfig=str(path), context="other")).login().connect(5) as api:
        api.get_pod("demo", "web")
    assert [len(server.api.requests) for server in servers] == [0, 1]
    with pytest.raises(WrongUsage, match="--context third") as caught:
        find_cluster(Access(kubeconfig=str(path), context="third"))
    assert (caught.value.exit_code, caught.value.hint) == (2, "it has test, other")


def test_in_a_pod_it_is_the_pods_own_account(https, authority, tmp_path, monkeypatch):
    (tmp_path / "token").write_text(f"{GOOD}\n")
    (tmp_path / "ca.crt").write_bytes(authority.ca)
    (tmp_path / "namespace").write_text("tools\n")
    monkeypatch.setattr("genie_core.survey.user_cluster.ACCOUNT_DIR", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(https.port))
    found = the_cluster()
    assert (str(found.cluster), found.namespace) == (https.url, "tools")
    with found.login().connect(5) as api:
        assert api.get_pod("demo", "web")


@pytest.mark.parametrize(
    "more, is_needed", [({}, False), ({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}, True)]
)
def test_in_a_pod_the_package_is_not_loaded_for_a_request(https, authority, tmp_path, more, is_needed):
    """Its import takes a quarter of a second of processor time, in each change of a running pod. Proxies need it."""
    folder = tmp_path / "root" / ACCOUNT_DIR.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "token").write_text(f"{GOOD}\n")
    (folder / "ca.crt").write_bytes(authority.ca)
    env = {
        CONTAINER_ROOT: str(tmp_path / "root"),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(https.port),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    script = """if True:
        import sys
        from genie_core.survey.user_cluster import Access, connect
        with connect(Access(), 20) as api:
            print(api.get_pod("demo", "web")["metadata"]["name"], "kubernetes" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], env={**env, **more}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["web", str(is_needed)]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"clusters": [{}]}', '{"clusters": 3}', '{"contexts": [{"name": 1}]}', "\0",
     '{"users": [{"name": "u", "user": "t0ps3cret"}]}', "users:\n- name: u\n  user: {token: t0ps3cret\n", "t0ps3cret"],
)  # fmt: skip
def test_a_damaged_kubeconfig_is_named_and_not_quoted(tmp_path, text):
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(InvalidConfig, match="kubeconfig") as caught:
        find_cluster(Access(kubeconfig=str(tmp_path / "kubeconfig")))
    assert "t0ps3cret" not in str(caught.value)


# --- TLS -------------------------------------------------------------------------------------------------


def test_a_ca_in_data_and_in_a_file_beside_the_kubeconfig(https, authority, write, tmp_path):
    data = base64.b64encode(authority.ca).decode()
    assert uid(write(https, **{"certificate-authority": None, "certificate-authority-data": data})) == "u-1"
    (tmp_path / "own.crt").write_bytes(authority.ca)
    assert uid(write(https, **{"certificate-authority": "own.crt"})) == "u-1"


def test_only_a_proven_server_is_believed(serve, authority, pod, write):
    elsewhere = a_server(serve, authority, pod, certificate=authority.server("elsewhere.example"))
    path = write(elsewhere, **{"tls-server-name": "elsewhere.example"})
    assert uid(path) == "u-1"
    for cluster in ({}, {"tls-server-name": "else.example"}, {"certificate-authority": None}):
        with pytest.raises(Untrusted) as caught:
            uid(write(elsewhere, **cluster))
        assert f"the certificate of the API server {elsewhere.url} is not to be trusted" in caught.value.msg
    assert len(elsewhere.api.requests) == 1


def test_an_authority_as_kubectl_takes_it(serve, pod, write, tmp_path):
    """Made by `openssl req -x509` alone, without key usage: Python 3.13 refuses it by default, Go does not."""
    (tmp_path / "old").mkdir()
    old = Authority(tmp_path / "old")
    old.ca_file.write_bytes(without_key_usage(old._ca))
    assert uid(write(a_server(serve, old, pod))) == "u-1"


def without_key_usage(ca):
    """The same authority's certificate with basic constraints alone, as PEM."""
    made = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateBuilder(made.issuer, made.subject, key.public_key(), made.serial_number)
    builder = builder.not_valid_before(made.not_valid_before_utc).not_valid_after(made.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_an_unverified_server_is_warned_of(https, write):
    said: list[str] = []
    path = write(https, **{"certificate-authority": None, "insecure-skip-tls-verify": True})
    assert uid(path, warn=said.append) == "u-1"
    (warning,) = said
    assert f"the certificate of the API server {https.url} is not verified: kubeconfig {path}" in warning


@pytest.mark.parametrize("form", ["data", "file"])
def test_a_client_certificate(https, authority, write, form):
    pair = authority.client("jane")
    if form == "data":
        user = {
            "client-certificate-data": base64.b64encode(pair.certificate).decode(),
            "client-key-data": base64.b64encode(pair.key).decode(),
        }
    else:
        user = {"client-certificate": str(pair.certificate_file), "client-key": str(pair.key_file)}
    assert uid(write(https, user)) == "u-1"
    assert https.api.requests[-1].user == "jane"


# --- credentials -----------------------------------------------------------------------------------------


def test_a_token_file_counts_more_than_a_token(https, write, tmp_path):
    (tmp_path / "token").write_text(f"{GOOD}\n")
    assert uid(write(https, {"token": "stale", "tokenFile": "token"})) == "u-1"


def test_an_expired_token_is_exit_code_4_and_not_shown(https, write, capsys):
    path = write(https, {"token": "expired-s3cret"})
    with pytest.raises(Unauthorized) as caught:
        uid(path)
    assert "does not accept Genie's credentials (token)" in caught.value.msg
    assert (caught.value.exit_code, f"renew what kubeconfig {path} names" in caught.value.hint) == (4, True)
    assert main(["dry-run", "--pod", "demo/web", "--kubeconfig", str(path)]) == EXIT_DENIED
    assert main(["explain", "pod", "demo/web", "--kubeconfig", str(path)]) == EXIT_DENIED
    shown = capsys.readouterr()
    assert "does not accept Genie's credentials" in shown.err
    assert "s3cret" not in shown.out + shown.err


def test_a_token_is_not_sent_without_tls_and_that_is_said(serve, write, pod):
    plain = serve(API(Objects(pod), {GOOD: "genie"}))
    said: list[str] = []
    with pytest.raises(Unauthorized, match="the token was not sent without TLS") as caught:
        uid(write(plain), warn=said.append)
    assert "https://" in caught.value.hint
    assert "the token is not sent" in said[0]
    assert "authorization" not in plain.api.requests[0].headers


def test_a_token_that_would_end_the_header_is_not_quoted(https, write):
    with pytest.raises(InvalidConfig) as caught:
        uid(write(https, {"token": "one\r\nX-Evil: s3cret"}))
    assert "s3cret" not in str(caught.value)


def test_an_exec_plugin_gets_what_kubectl_gives_it(https, write, plugin, seen):
    entry = plugin(args=["get-token", "x y"], env=[{"name": "MORE", "value": "1"}], provideClusterInfo=True)
    path = write(
        https, entry, extensions=[{"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}}]
    )
    assert uid(path) == "u-1"
    (given,) = seen()
    ca = base64.b64encode(https.authority.ca_file.read_bytes()).decode()
    assert given["argv"] == ["get-token", "x y"]
    assert (given["more"], given["stdin"]) == ("1", "")
    assert given["info"] == {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {
            "interactive": False,
            "cluster": {"server": https.url, "certificate-authority-data": ca, "config": {"a": 1}},
        },
    }


def test_an_exec_plugin_beside_the_kubeconfig_that_gives_a_certificate(https, authority, write, plugin):
    pair = authority.client("jane")
    status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
    entry = plugin(status)
    entry["exec"]["command"] = "./login"
    assert uid(write(https, entry)) == "u-1"
    assert https.api.requests[-1].user == "jane"


@pytest.mark.parametrize(
    "options, says",
    [
        ({"says": "aws: log in first\n", "code": 255}, "login: aws: log in first"),
        ({"says": f"refused: token={GOOD}\n", "code": 1}, "refused: token=(hidden)"),
        ({"code": 3}, "login: exit status 3"),
        ({"status": {"token": ""}}, "neither a token nor a certificate with its key"),
        ({"status": {"clientCertificateData": "x"}}, "neither a token nor a certificate with its key"),
        ({"says": "y" * 5000, "code": 1}, "y..."),
    ],
)
def test_an_exec_plugin_that_fails_is_exit_code_4(https, write, plugin, options, says, capsys):
    path = write(https, plugin(**options))
    with pytest.raises(Unauthorized, match="the credential plugin login gave no credentials") as caught:
        uid(path)
    assert says in caught.value.details
    assert len(caught.value.details) < 400
    assert main(["dry-run", "--pod", "demo/web", "--kubeconfig", str(path)]) == EXIT_DENIED
    assert GOOD not in capsys.readouterr().err


def test_what_an_exec_plugin_prints_is_never_shown(https, write, plugin):
    entry = plugin({"token": "s3cret"}, code=1, says="no\n")
    wrong = plugin({"token": "s3cret"}, version="client.authentication.k8s.io/v1beta1")
    wrong["exec"]["apiVersion"] = "client.authentication.k8s.io/v1"
    for user in (entry, wrong):
        with pytest.raises(Unauthorized) as caught:
            uid(write(https, user))
        assert "s3cret" not in str(caught.value)


def test_an_exec_plugin_that_is_not_installed_says_how_to_get_it(https, write):
    entry = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-login",
        "installHint": "get it",
    }
    with pytest.raises(Unauthorized, match="no-such-login is not installed") as caught:
        uid(write(https, {"exec": entry}))
    assert (caught.value.hint, caught.value.exit_code) == ("get it", EXIT_DENIED)
    with pytest.raises(Unauthorized) as caught:
        uid(write(https, {"exec": {**entry, "installHint": ""}}))
    assert caught.value.hint.startswith("install it, or add its directory to $PATH")


def test_a_plugin_that_must_ask_on_a_terminal_says_so(https, write, plugin):
    with pytest.raises(Unauthorized, match="needs a terminal"):
        uid(write(https, plugin(interactiveMode="Always")))


def is_running(pid):
    """Whether the process is there and has not ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


CONNECT = """
import sys
from genie_core.survey.user_cluster import ACCOUNT_DIR, CONTAINER_ROOT, Access, find_cluster, no_server
with find_cluster(Access(kubeconfig=sys.argv[1])).login().connect(60) as api:
    print(api.get_pod("demo", "web")["metadata"]["uid"])
"""


def test_an_exec_plugin_may_ask_on_the_terminal(https, write, plugin, seen):
    """Also where stdout is a pipe: its questions are on stderr, and are not swallowed."""
    path = write(https, plugin(interactiveMode="Always", says="code? "))
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", CONNECT, str(path)]
    with subprocess.Popen(command, stdin=theirs, stdout=-1, stderr=-1, cwd=ROOT, text=True) as running:
        os.write(ours, b"4711\n\x04")
        out, err = running.communicate(timeout=240)
    os.close(ours)
    os.close(theirs)
    assert (out, err) == ("u-1\n", "code? ")
    assert (seen()[0]["stdin"], seen()[0]["info"]["spec"]) == ("4711\n", {"interactive": True})


def test_a_completion_neither_waits_for_a_plugin_nor_leaves_it_running(https, write, tmp_path):
    script = tmp_path / "slow-login"
    script.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o700)
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}
    path = write(https, {"exec": entry})
    command = ["-m", "genie_cli", "__complete", "--", "debug", "pod", "--kubeconfig", str(path), ""]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout[-3:], done.stderr) in ((":0\n", ""), (":4\n", ""))
    pid = tmp_path / "pid"
    wait_until(lambda: not pid.exists() or not is_running(pid.read_text().strip()))


def test_pods_are_completed_without_the_models(https, write):
    """They are most of the package `kubernetes`, and would take longer than the second that there is."""
    words = ["debug", "pod", "--kubeconfig", str(write(https))]
    code = "from genie_cli import candidates, completing; candidates.SECONDS = 60;"
    code += f"print(completing.complete({words!r}, 'demo/'))"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "demo/web" in done.stdout
    assert "kubernetes.client.rest" in done.stderr
    assert "kubernetes.client.models.v1_pod" not in done.stderr


def test_what_reads_no_api_runs_no_plugin(https, write, plugin, tmp_path):
    """The namespace of a context, and the names of contexts."""
    path = write(https, plugin())
    assert the_cluster(Access(kubeconfig=str(path))).namespace == ""
    assert not (tmp_path / "seen").exists()


def test_impersonation_is_headers(https, write):
    user = {
        "token": GOOD, "as": "jürgen", "as-uid": "u1", "as-groups": ["dev", "ops"],
        "as-user-extra": {"example.com/scope": ["a"]},
    }  # fmt: skip
    assert uid(write(https, user)) == "u-1"
    sent = https.api.requests[-1].headers
    assert sent["impersonate-user"].encode("latin-1").decode() == "jürgen"
    assert (sent["impersonate-uid"], sent["impersonate-group"]) == ("u1", "dev, ops")
    assert sent["impersonate-extra-example.com%2Fscope".lower()] == "a"
    with pytest.raises(InvalidConfig, match="need `as`"):
        uid(write(https, {"token": GOOD, "as-groups": ["dev"]}))


def test_a_password_is_sent_as_kubectl_sends_it(https, write):
    with pytest.raises(Unauthorized, match="password of jane"):
        uid(write(https, {"username": "jane", "password": "s3cret"}))
    assert https.api.requests[-1].headers["authorization"].startswith("Basic ")


def test_a_provider_that_kubectl_does_not_have_either(https, write):
    with pytest.raises(InvalidConfig, match="only oidc is supported"):
        uid(write(https, {"auth-provider": {"name": "gcp"}}))


# --- the way ---------------------------------------------------------------------------------------------


def test_a_proxy_of_the_kubeconfig(https, write, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # is for the proxies of the environment
    with Proxy() as proxy:
        assert uid(write(https, **{"proxy-url": f"http://{proxy.authority}"})) == "u-1"
        assert proxy.tunnels == [f"127.0.0.1:{https.port}"]


def test_a_socks_proxy(https, write):
    with SocksProxy() as proxy:
        assert uid(write(https, **{"proxy-url": f"socks5://{proxy.authority}"})) == "u-1"
        assert proxy.tunnels == [f"127.0.0.1:{https.port}"]


def test_a_proxy_that_wants_an_account(https, write):
    with Proxy("jane:p@ss") as proxy:
        assert uid(write(https, **{"proxy-url": f"http://jane:p%40ss@{proxy.authority}"})) == "u-1"
        with pytest.raises(Unreachable, match=r"the proxy: .*407") as caught:
            uid(write(https, **{"proxy-url": f"http://jane:s3cret@{proxy.authority}"}), 1.0)
        assert "s3cret" not in str(caught.value)


def test_the_environments_proxy_is_not_for_the_loopback(https, write, monkeypatch):
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.authority)
        assert uid(write(https)) == "u-1"
        assert proxy.tunnels == []
        names = {"server": f"https://api.invalid:{https.port}", "tls-server-name": "localhost"}
        path = write(https, **names)
        assert uid(path) == "u-1"
        assert proxy.tunnels == [f"api.invalid:{https.port}"]
        monkeypatch.setenv("NO_PROXY", ".invalid")
        with pytest.raises(Unreachable):
            uid(path, 0.5)
        assert len(proxy.tunnels) == 1


@pytest.mark.parametrize("url", ["proxy:3128", "ftp://u:s3cret@p:1", "http://u:s3cret@", "http://p:notaport"])
def test_an_invalid_proxy_is_not_quoted(https, write, url):
    with pytest.raises(InvalidConfig, match="proxy-url is not") as caught:
        uid(write(https, **{"proxy-url": url}))
    assert "s3cret" not in str(caught.value)


def test_a_redirect_is_not_followed(https, serve, write, pod):
    other = serve(API(Objects(pod)))
    https.faults = [faults.redirect(f"{other.url}/api/v1/namespaces/demo/pods/web")]
    with pytest.raises(Rejected):
        uid(write(https))
    assert other.api.requests == []


@pytest.mark.parametrize("fault", [faults.slow_headers(250), faults.drip(1)])
def test_the_deadline_holds_whatever_the_server_does(https, write, fault):
    """Without it the answer would take minutes."""
    https.faults = [fault, fault]
    with pytest.raises(Unreachable, match="in time"):
        uid(write(https), 0.5)


@pytest.mark.parametrize("fault", [faults.close_at_once, faults.cut_off, faults.reset_half_way])
def test_a_broken_connection_is_asked_again(https, write, fault):
    https.faults = [fault]
    assert uid(write(https)) == "u-1"


def test_an_answer_has_a_largest_size(https, write):
    https.faults = [faults.huge(9)]
    with pytest.raises(BadAnswer, match="larger than"):
        uid(write(https))


def test_a_server_that_is_away_is_named(https, write):
    path = write(https)
    https.close()
    with pytest.raises(Unreachable, match=f"{https.url} cannot be reached: Connection refused"):
        uid(path, 5)


def test_secrets_in_a_kubeconfig_stay_off_every_disk(https, authority, write):
    """The package writes keys that are data into files of /tmp, which a killed process leaves there."""
    pair = authority.client("jane")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    path = write(https, user)
    code = (
        "import os, sys, tempfile\nfrom genie_core.survey.user_cluster import Access, find_cluster\n"
        f"api = find_cluster(Access(kubeconfig={str(path)!r})).login().connect(9)\n"
        "api.get_pod('demo', 'web'); os._exit(0)"
    )
    folder = path.parent / "tmp"
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- OIDC ------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(authority):
    running = Issuer(authority)
    yield running
    running.close()


def oidc(issuer, token, **config):
    known = {
        "idp-issuer-url": issuer.url, "client-id": "genie", "client-secret": "client-s3cret",
        "id-token": token, "refresh-token": "refresh-1",
    }  # fmt: skip
    return {"auth-provider": {"name": "oidc", "config": known | config}}


def test_an_oidc_token_that_is_good(serve, authority, pod, write, issuer):
    token = jwt(4_000_000_000)
    server = serve(API(Objects(pod), {token: "jane"}), authority=authority)
    assert uid(write(server, oidc(issuer, token))) == "u-1"
    assert issuer.asked == []


def test_an_oidc_token_that_has_expired_is_renewed_and_stored(serve, authority, pod, write, issuer):
    """The issuer gives a new refresh token: the old one is used up, so kubectl would be locked out without it."""
    server = serve(API(Objects(pod), {jwt(4_000_000_000): "jane"}), authority=authority)
    ca = {"idp-certificate-authority": str(authority.ca_file)}
    path = write(server, oidc(issuer, jwt(1_000_000_000), **ca))
    path.chmod(0o600)
    assert uid(path) == "u-1"
    assert [asked["refresh_token"] for asked in issuer.asked] == ["refresh-1"]
    stored = yaml.safe_load(path.read_text())
    config = stored["users"][0]["user"]["auth-provider"]["config"]
    assert (config["id-token"], config["refresh-token"]) == (jwt(4_000_000_000), "refresh-2")
    assert config["idp-certificate-authority"] == str(authority.ca_file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item for item in path.parent.iterdir() if item.name.startswith(".kubeconfig")] == []
    assert uid(path) == "u-1"
    assert len(issuer.asked) == 1


def test_an_issuer_that_is_not_verified_gets_no_refresh_token(serve, authority, pod, write, issuer):
    """The package would ask any server; without an authority of its own the system's count."""
    server = serve(API(Objects(pod), {jwt(4_000_000_000): "jane"}), authority=authority)
    path = write(server, oidc(issuer, jwt(1_000_000_000)))
    with pytest.raises(Unauthorized, match="the OIDC token cannot be renewed") as caught:
        uid(path)
    assert issuer.asked == []
    shown = str(caught.value)
    assert not any(secret in shown for secret in ("refresh-1", "client-s3cret", jwt(1_000_000_000)))
    assert "idp-certificate-authority" not in path.read_text()


def test_a_refresh_token_that_is_used_up(serve, authority, pod, write, issuer):
    server = serve(API(Objects(pod), {jwt(4_000_000_000): "jane"}), authority=authority)
    config = {"idp-certificate-authority": str(authority.ca_file), "refresh-token": "old-s3cret"}
    with pytest.raises(Unauthorized) as caught:
        uid(write(server, oidc(issuer, jwt(1_000_000_000), **config)))
    assert "s3cret" not in str(caught.value)


def test_where_there_is_no_kubeconfig_nothing_is_imported_to_read_one(tmp_path):
    """The package takes 0.2 s of processor time."""
    code = (
        "import sys\nfrom genie_core.survey.user_cluster import Access, find_cluster\n"
        "assert find_cluster(Access()) is None\nassert 'kubernetes' not in sys.modules"
    )
    environment = {"HOME": str(tmp_path), "KUBECONFIG": f"{tmp_path}/none:"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)

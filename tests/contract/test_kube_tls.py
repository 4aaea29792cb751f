"""Which certificates the API edge accepts, on every interpreter that Genie supports: it uses `_ssl`, which is private.

Each case is one GET by a fresh `python -I -S`, as kubelet's plugin runs.
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from genie_core.edges.kube_errors import Unauthorized, Untrusted
from genie_core.errors import INVALID_CONFIG, InvalidConfig
from tests.apiserver import API, Authority, Objects, faults

ROOT = Path(__file__).resolve().parents[2]
INTERPRETERS = sorted(
    {str(Path(sys.executable).resolve()), *map(str, Path("/usr/bin").glob("python3.1[1-9]"))}
)
GOOD = {"token": "good-token"}
BANNED = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "email",
    "encodings.idna",
    "enum",
    "functools",
    "http",
    "http.client",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "random",
    "re",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "urllib",
    "urllib.parse",
    "yaml",
}
PROGRAM = """
import sys
from time import sleep
sys.path.insert(0, sys.argv[1])
import genie_core.edges.kube
import genie_core.edges.kubeconfig
before = sorted(sys.modules)
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kubeconfig import load_cluster
class Log:
    def __getattr__(self, name):
        return lambda *words, **fields: None
def outcome(path):
    from genie_core.errors import GenieError
    try:
        with KubeAPI(load_cluster({"kubeconfig": path}, {}, Log()), 1.5, Log()) as api:
            name = api.get_pod("demo", "web")["metadata"]["name"]
            if path.endswith("-idle"):
                sleep(0.1)
                api.get_pod("demo", "web")
            return name
    except GenieError as error:
        return f"{type(error).__name__} {error.code}: {error}"
outcomes = [outcome(path) for path in sys.argv[2:]]
after = sorted(sys.modules)
import json
print(json.dumps([before, after, outcomes]))
"""


def run(interpreter, *kubeconfigs):
    """Modules after the imports, modules after the requests, the result of each request."""
    command = [interpreter, "-I", "-S", "-c", PROGRAM, str(ROOT), *map(str, kubeconfigs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={}, cwd="/", timeout=240)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def write(tmp_path):
    """Kubeconfigs, each in a file of its own."""

    def write_one(of, user=None, **cluster):
        return of.write_kubeconfig(
            tmp_path / f"kubeconfig-{len(list(tmp_path.iterdir()))}", user=user or GOOD, **cluster
        )

    return write_one


def a_server(serve, authority, pod, **options):
    return serve(API(Objects(pod), {"good-token": "genie"}), authority=authority, **options)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_only_a_proven_server_is_believed(interpreter, serve, authority, https, pod, write, tmp_path):
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    stranger = Authority(other_directory)
    elsewhere = a_server(
        serve, authority, pod, certificate=authority.server("elsewhere.example", "127.0.0.2")
    )
    by_name_only = a_server(serve, authority, pod, certificate=authority.common_name_only("localhost"))
    expired = a_server(serve, authority, pod, certificate=authority.expired())
    early = a_server(serve, authority, pod, certificate=authority.not_yet_valid())
    plain = serve(API(Objects(pod)))
    inline = {
        "certificate-authority": None,
        "certificate-authority-data": base64.b64encode(authority.ca).decode(),
    }
    no_authority = {"certificate-authority": None}
    cases = [
        (write(https), "web"),
        (write(https, **inline), "web"),
        (write(elsewhere, **{"tls-server-name": "elsewhere.example"}), "web"),
        (write(https, **no_authority, **{"insecure-skip-tls-verify": True}), "web"),
        (write(elsewhere, **no_authority, **{"insecure-skip-tls-verify": True}), "web"),
        (write(elsewhere), "Untrusted 7: the certificate of the API server https://127.0.0.1"),
        (write(elsewhere, **{"tls-server-name": "else.example"}), "Untrusted 7: "),
        (write(https, **{"tls-server-name": "elsewhere.example"}), "Untrusted 7: "),
        (write(by_name_only, server=f"https://localhost:{by_name_only.port}"), "Untrusted 7: "),
        (write(https, **{"certificate-authority": str(stranger.ca_file)}), "Untrusted 7: "),
        (write(https, **no_authority), "Untrusted 7: "),
        (write(expired), "Untrusted 7: "),
        (write(early), "Untrusted 7: "),
        (
            write(https, server=plain.url.replace("http:", "https:")),
            "Untrusted 7: no TLS with the API server",
        ),
        (write(https, server=https.url.replace("https:", "http:")), ""),
    ]
    *_, outcomes = run(interpreter, *(path for path, _ in cases))
    for (path, expected), outcome in zip(cases[:-1], outcomes[:-1], strict=True):
        assert outcome.startswith(expected), (path.read_text(), outcome)
    assert outcomes[-1].split()[0] in ("Unreachable", "BadAnswer", "Rejected")  # no TLS where TLS is spoken
    assert all(request.user == "genie" for request in https.api.requests)
    assert [len(server.api.requests) for server in (elsewhere, by_name_only, expired, early, plain)] == [
        2,
        0,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_tls_read_costs_no_heavy_module(interpreter, https, authority, write):
    """With a host name, a CA file, inline data, a client certificate and a patch of an answer."""
    pair = authority.client("system:node:n1")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    before, after, outcomes = run(
        interpreter, write(https, user), write(https, server=f"https://localhost:{https.port}")
    )
    assert outcomes == ["web", "web"]
    assert BANNED.isdisjoint(after)
    assert {"_ssl", "_socket"}.isdisjoint(before)
    assert {"_ssl", "_socket"} <= set(after)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize(
    "fault", [faults.close_at_once, faults.cut_off, faults.reset_half_way, faults.until_close]
)
def test_a_broken_connection_is_not_called_untrusted(interpreter, fault, https, write):
    """How `_ssl` reports a reset depends on its version, and on OpenSSL's."""
    https.faults = [fault]
    *_, outcomes = run(interpreter, write(https))
    assert outcomes == ["web"]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_connection_reset_while_idle_is_not_called_untrusted(interpreter, https, write):
    """On Python 3.11 that is an error of OpenSSL, like one about certificates."""
    https.faults = [faults.reset_afterwards]
    kubeconfig = write(https)
    *_, outcomes = run(interpreter, kubeconfig.rename(f"{kubeconfig}-idle"))
    assert outcomes == ["web"]
    assert [request.connection for request in https.api.requests] == [1, 2]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_old_tls_is_not_spoken(interpreter, https, write):
    import ssl

    https.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    https.context.set_ciphers("ALL:@SECLEVEL=0")
    for version, expected in ((ssl.TLSVersion.TLSv1_2, "web"), (ssl.TLSVersion.TLSv1_1, "Untrusted 7: ")):
        https.context.maximum_version = version
        *_, outcomes = run(interpreter, write(https))
        assert outcomes[0].startswith(expected)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_yaml_without_a_parser_says_what_to_do(interpreter, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text("clusters:\n- name: c\n")
    *_, outcomes = run(interpreter, path)
    assert outcomes[0].startswith(
        f"InvalidConfig 7: kubeconfig {path}: it is YAML, and PyYAML is not there to read it"
    )
    assert "JSON" in outcomes[0]


def test_an_intermediate_authority_can_be_the_root(serve, connect, tmp_path, pod, write):
    """As in client-go: each certificate in the CA file is trusted, by whichever authority it was signed."""
    root = trustme.CA()
    intermediate = root.create_child_ca()
    authority = Authority(tmp_path)
    authority._ca = intermediate
    authority.ca_file.write_bytes(intermediate.cert_pem.bytes())
    leaf = authority.server("127.0.0.1")
    root_file = tmp_path / "root.crt"
    root_file.write_bytes(root.cert_pem.bytes())
    server = a_server(serve, authority, pod, certificate=leaf)
    assert connect(write(server)).get_pod("demo", "web")
    assert connect(write(server, **{"certificate-authority": str(root_file)})).get_pod("demo", "web")


def test_the_remedy_names_the_authority_and_the_fault(serve, connect, authority, pod, write):
    expired = a_server(serve, authority, pod, certificate=authority.expired())
    with pytest.raises(Untrusted) as caught:
        connect(write(expired)).get_pod("demo", "web")
    assert "certificate has expired" in caught.value.msg
    assert str(authority.ca_file) in caught.value.msg
    assert "clock" in caught.value.hint


def test_inline_secrets_never_reach_a_disk(https, connect, authority, write, monkeypatch, tmp_path):
    """No file that is opened meanwhile is on a disk, except the kubeconfig itself."""
    pair = authority.client("system:node:n1")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    path = write(
        https,
        user,
        **{
            "certificate-authority": None,
            "certificate-authority-data": base64.b64encode(authority.ca).decode(),
        },
    )
    opened = []
    recording = True
    sys.addaudithook(
        lambda event, details: opened.append(details[0]) if recording and event == "open" else None
    )
    api = connect(path)
    descriptors = len(os.listdir("/proc/self/fd"))
    api.get_pod("demo", "web")
    api.close()
    recording = False
    assert https.api.requests[0].user == "system:node:n1"
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1  # the server's end, still closing
    assert [name for name in opened if isinstance(name, str) and str(tmp_path) in name] == [str(path)]


def test_an_encrypted_key_is_refused_not_asked_for(https, connect, authority, write, tmp_path):
    pair = authority.client("system:node:n1")
    key = load_pem_private_key(pair.key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    user = {
        "client-certificate": str(pair.certificate_file),
        "client-key-data": base64.b64encode(key).decode(),
    }
    with pytest.raises(InvalidConfig, match="the key is encrypted"):
        connect(write(https, user)).get_pod("demo", "web")


@pytest.mark.parametrize(
    "certificate, key, problem",
    [
        ("absent", "client", "No such file"),
        ("client", "absent", "No such file"),
        ("ca", "client", "mismatch"),
        ("junk", "junk", ""),
    ],
)
def test_an_invalid_pair(https, connect, authority, write, tmp_path, certificate, key, problem):
    pair = authority.client("system:node:n1")
    (tmp_path / "junk").write_text("junk")
    files = {"absent": "/absent.pem", "ca": str(authority.ca_file), "junk": str(tmp_path / "junk")}
    user = {
        "client-certificate": files.get(certificate, str(pair.certificate_file)),
        "client-key": files.get(key, str(pair.key_file)),
    }
    with pytest.raises(InvalidConfig, match="cannot be used") as caught:
        connect(write(https, user)).get_pod("demo", "web")
    assert problem in caught.value.msg
    assert user["client-certificate"] in caught.value.msg


@pytest.mark.parametrize(
    "content",
    [None, b"", b"junk", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
@pytest.mark.parametrize("inline", [False, True])
def test_an_invalid_authority(https, connect, write, tmp_path, content, inline):
    path = tmp_path / "ca.pem"
    if content is None or not content:
        inline = False
    if content is not None:
        path.write_bytes(content)
    entry: dict[str, str | None] = {"certificate-authority": str(path)}
    if inline:
        entry = {
            "certificate-authority": None,
            "certificate-authority-data": base64.b64encode(content).decode(),
        }
    with pytest.raises(Untrusted, match="the certificate authority") as caught:
        connect(write(https, **entry)).get_pod("demo", "web")
    assert caught.value.code == INVALID_CONFIG
    assert https.api.requests == []


def test_unauthorized_is_not_untrusted():
    assert not issubclass(Untrusted, Unauthorized)

"""genie.conf and kubeconfigs, as CNI-Genie and client-go read them (conformance D14, D15, X14)."""

import base64
import json

import pytest
import yaml

from genie_core.edges.kube_cluster import Credentials, Pem, parse_server, read_token
from genie_core.edges.kubeconfig import load_cluster
from genie_core.errors import GenieError, InvalidConfig, IOFailure
from tests.fakes_kube import Recorder

SECRET = "s3cret-t0ken"
PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def config(cluster=None, user=None, **top):
    """A kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": "https://api.example:6443"} if cluster is None else cluster}
        ],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "ctx",
    } | top


@pytest.fixture
def load(tmp_path):
    """Write a kubeconfig (a dict, or text) and load it; `log` sees the warnings."""

    def load_it(document, policy=None, *, log=None, mode=0o600, **kubernetes):
        path = tmp_path / "kubeconfig"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        path.chmod(mode)
        return load_cluster({"kubeconfig": str(path), **kubernetes}, policy or {}, log or Recorder())

    return load_it


@pytest.mark.parametrize(
    "as_text", [json.dumps, yaml.safe_dump, lambda document: "# YAML\n" + json.dumps(document)]
)
def test_json_and_yaml_say_the_same(load, as_text):
    cluster = load(as_text(config({"server": "https://[fd00::1]:6443/base/"}, {"token": SECRET})))
    assert (cluster.tls, cluster.host, cluster.port, cluster.base) == (True, "fd00::1", 6443, "/base")
    assert cluster.credentials.token == SECRET
    assert str(cluster) == "https://[fd00::1]:6443/base"
    assert cluster.authority == "[fd00::1]:6443"


def test_nothing_configured_is_no_cluster():
    assert load_cluster({}, {}, Recorder()) is None
    assert (
        load_cluster({"kubeconfig": "", "k8s_api_root": ""}, {"type": "k8s", "k8s_api_root": ""}, Recorder())
        is None
    )


# --- conformance D14, D15 ----------------------------------------------------------------------------------


def test_policy_alone_D14():
    policy = {
        "type": "k8s",
        "k8s_api_root": "https://10.96.0.1:443/api/v1/",
        "k8s_auth_token": SECRET,
        "k8s_client_certificate": "/pki/client.crt",
        "k8s_client_key": "/pki/client.key",
        "k8s_certificate_authority": "/pki/ca.crt",
    }
    cluster = load_cluster({}, policy, Recorder())
    assert cluster is not None
    assert str(cluster) == "https://10.96.0.1:443"
    assert cluster.ca == Pem("/pki/ca.crt")
    credentials = cluster.credentials
    assert (credentials.token, credentials.certificate, credentials.key) == (
        SECRET,
        Pem("/pki/client.crt"),
        Pem("/pki/client.key"),
    )


@pytest.mark.parametrize(
    "root, expected",
    [
        ("https://h:1/api/v1/", "https://h:1"),
        ("https://h:1/api", "https://h:1"),
        ("https://h:1/", "https://h:1"),
        ("https://h:1/prefix/api/v1", "https://h:1/prefix"),
        ("https://h:1/apiary", "https://h:1/apiary"),
    ],
)
def test_the_api_suffix_of_policy_is_cut_D14(root, expected):
    assert str(load_cluster({}, {"k8s_api_root": root}, Recorder())) == expected


def test_kubernetes_overrides_policy_D14(load):
    policy = {"k8s_api_root": "https://policy:1/api/v1"}
    assert load(config(), policy, k8s_api_root="https://kubernetes:2").host == "kubernetes"
    assert load(config(), policy).host == "policy"
    assert load(config()).host == "api.example"


def test_a_kubeconfig_without_server_D15(load):
    """CNI-Genie's own genie-kubeconfig is one."""
    text = """
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    insecure-skip-tls-verify: true
users:
- name: genie
  user: {token: "abc"}
contexts:
- name: genie-context
  context: {cluster: local, user: genie}
current-context: genie-context
"""
    assert str(load(text, k8s_api_root="10.0.0.1:6443")) == "https://10.0.0.1:6443"
    with pytest.raises(InvalidConfig, match="no API server is named"):
        load(text)


def test_policy_replaces_what_the_kubeconfig_says_of_the_same(load):
    user = {"tokenFile": "/t", "client-certificate-data": "AAAA", "client-key-data": "AAAA"}
    policy = {
        "k8s_auth_token": SECRET,
        "k8s_client_certificate": "/c",
        "k8s_client_key": "/k",
        "k8s_certificate_authority": "/ca",
    }
    cluster = load(config({"server": "https://h", "insecure-skip-tls-verify": True}, user), policy)
    assert (cluster.insecure, cluster.ca) == (False, Pem("/ca"))
    credentials = cluster.credentials
    assert (credentials.token, credentials.token_file) == (SECRET, "")
    assert (credentials.certificate, credentials.key) == (Pem("/c"), Pem("/k"))


CREDENTIALS = (
    {"token": SECRET},
    {"tokenFile": "/t"},
    {"client-certificate": "/c", "client-key": "/k"},
)
HOME = {"server": "https://api.example:6443", "certificate-authority": "/ca"}


@pytest.mark.parametrize("user", CREDENTIALS)
@pytest.mark.parametrize(
    "own, kubernetes, policy, other",
    [
        (HOME, {"k8s_api_root": "https://evil.example:6443"}, {}, "another server"),
        (HOME, {}, {"k8s_api_root": "https://evil.example:6443/api/v1/"}, "another server"),
        (HOME, {"k8s_api_root": "http://api.example:6443"}, {}, "another server"),
        (HOME, {"k8s_api_root": "https://api.example:6444"}, {}, "another server"),
        (HOME, {"k8s_api_root": "https://api.example:6443/evil"}, {}, "another server"),
        (HOME, {"k8s_api_root": "not a server"}, {}, None),
        (HOME, {}, {"k8s_certificate_authority": "/evil"}, "another certificate authority"),
        (
            {"server": "https://h"},
            {},
            {"k8s_certificate_authority": "/evil"},
            "another certificate authority",
        ),
        (
            {"certificate-authority": "/ca"},
            {"k8s_api_root": "https://h"},
            {"k8s_certificate_authority": "/evil"},
            "another certificate authority",
        ),
    ],
)
def test_credentials_go_to_the_kubeconfigs_own_server_only(load, user, own, kubernetes, policy, other):
    """A user who can write a configuration must not be able to send root's credentials to a server of his own."""
    log = Recorder()
    if other is None:
        with pytest.raises(InvalidConfig):
            load(config(own, user), policy, log=log, **kubernetes)
        return
    cluster = load(config(own, user), policy, log=log, **kubernetes)
    assert cluster.credentials == Credentials()
    assert other in cluster.source
    assert [fields["problem"] for _, event, fields in log.lines if "are not used" in event] == [
        f"genie.conf names {other}"
    ]


def test_credentials_of_policy_go_to_the_server_of_policy_D14(load):
    """CNI-Genie's form, with everything of its own."""
    policy = {"k8s_api_root": "https://other:6443", "k8s_auth_token": "mine"}
    cluster = load(config(HOME, {"token": SECRET}), policy)
    assert (cluster.host, cluster.credentials.token) == ("other", "mine")


@pytest.mark.parametrize(
    "kubernetes, policy",
    [
        ({"k8s_api_root": "https://API.example:6443/"}, {}),
        ({"k8s_api_root": "api.example:6443"}, {}),
        ({}, {"k8s_api_root": "https://api.example:6443/api/v1/"}),
        ({}, {"k8s_certificate_authority": "/ca"}),
        ({}, {"k8s_certificate_authority": "{tmp}/copy.crt"}),
    ],
)
def test_the_same_server_in_other_words_keeps_the_credentials(load, tmp_path, kubernetes, policy):
    (tmp_path / "copy.crt").write_bytes(PEM)
    policy = {key: value.replace("{tmp}", str(tmp_path)) for key, value in policy.items()}
    own = dict(HOME)
    if "copy" in str(policy):
        own = {"server": HOME["server"], "certificate-authority-data": base64.b64encode(PEM).decode()}
    cluster = load(config(own, {"token": SECRET}), policy, **kubernetes)
    assert cluster.credentials.token == SECRET
    assert cluster.host == "api.example"


@pytest.mark.parametrize(
    "text, secured, expected",
    [
        ("https://[fd00::1]:443", False, (True, "fd00::1", 443, "")),
        ("https://[FD00::1]", False, (True, "fd00::1", 443, "")),
        ("http://127.0.0.1:8080", True, (False, "127.0.0.1", 8080, "")),
        ("http://h", False, (False, "h", 80, "")),
        ("HTTPS://API.Example/", False, (True, "api.example", 443, "")),
        ("h:6443", True, (True, "h", 6443, "")),
        ("h:8080", False, (False, "h", 8080, "")),
        ("[::1]:6443", True, (True, "::1", 6443, "")),
        ("10.0.0.1", False, (False, "10.0.0.1", 80, "")),
        (
            "https://rancher.example/k8s/clusters/c-1/",
            False,
            (True, "rancher.example", 443, "/k8s/clusters/c-1"),
        ),
    ],
)
def test_servers_D15(text, secured, expected):
    assert parse_server(text, secured=secured) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "https://:443",
        "ftp://h",
        "https://fd00::1:443",
        "https://[fd00::1",
        "https://[h]:1",
        "https://[::1]443",
        "https://h:",
        "https://h:0",
        "https://h:65536",
        "https://h:+1",
        "https://h:1a",
        "https://h:٤",
        "https://user:pw@h",
        "https://h/?q",
        "https://h/#f",
        "https://h/a b",
        "https://h\n",
        "https://h/\r\nX: y",
        "https://ü",
        "https://.h",
        "h\0",
        "https://__KUBERNETES_SERVICE_HOST__:__KUBERNETES_SERVICE_PORT__",
        "https://[fe80::1%25eth0]:1",
    ],
)
def test_an_invalid_server(text):
    if text.endswith("\n"):
        assert parse_server(text, secured=True)[1] == "h"  # a trailing newline is always a mistake
        return
    with pytest.raises(InvalidConfig) as caught:
        parse_server(text, secured=True)
    assert "pw" not in str(caught.value)


# --- kubeconfigs -------------------------------------------------------------------------------------------


def test_relative_files_start_at_the_kubeconfig(load, tmp_path):
    cluster = {"server": "https://h", "certificate-authority": "pki/ca.crt"}
    user = {"tokenFile": "token", "client-certificate": "/abs.crt", "client-key": "../k"}
    loaded = load(config(cluster, user))
    assert loaded.ca == Pem(f"{tmp_path}/pki/ca.crt")
    assert loaded.credentials.token_file == f"{tmp_path}/token"
    assert (loaded.credentials.certificate, loaded.credentials.key) == (
        Pem("/abs.crt"),
        Pem(f"{tmp_path}/../k"),
    )


def test_a_kubeconfig_with_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubeconfig").write_text(json.dumps(config(user={"tokenFile": "token"})))
    cluster = load_cluster({"kubeconfig": "kubeconfig"}, {}, Recorder())
    assert cluster is not None
    assert cluster.credentials.token_file == "token"


def test_data_comes_before_files(load):
    data = base64.encodebytes(PEM).decode()
    cluster = {"server": "https://h", "certificate-authority": "/f", "certificate-authority-data": data}
    user = {
        "client-certificate-data": data,
        "client-certificate": "/f",
        "client-key-data": data,
        "client-key": "/f",
    }
    loaded = load(config(cluster, user))
    assert loaded.ca == loaded.credentials.certificate == loaded.credentials.key == Pem(data=PEM)


def test_a_token_file_comes_before_a_token(load):
    credentials = load(config(user={"token": SECRET, "tokenFile": "/t"})).credentials
    assert (credentials.token, credentials.token_file) == ("", "/t")


def test_the_current_context_is_taken(load):
    two = [{"name": name, "cluster": {"server": f"https://{name}"}} for name in ("a", "b")]
    contexts = [{"name": f"use-{name}", "context": {"cluster": name}} for name in ("a", "b")]
    assert load(config(clusters=two, contexts=contexts, **{"current-context": "use-b"})).host == "b"
    assert load(config(clusters=two, contexts=contexts[:1], **{"current-context": ""})).host == "a"
    with pytest.raises(InvalidConfig, match="current-context is missing"):
        load(config(clusters=two, contexts=contexts, **{"current-context": ""}))


def test_tls_server_name(load):
    assert (
        load(config({"server": "https://10.0.0.1", "tls-server-name": "api.example"})).server_name
        == "api.example"
    )
    assert load(config({"server": "https://10.0.0.1"})).server_name == "10.0.0.1"
    with pytest.raises(InvalidConfig, match="tls-server-name is not a host name"):
        load(config({"server": "https://10.0.0.1", "tls-server-name": "x\0y"}))


def test_verification_is_left_out_only_where_that_is_written(load):
    log = Recorder()
    assert load(config({"server": "https://h", "insecure-skip-tls-verify": True}), log=log).insecure is True
    assert [event for _, event, _ in log.lines] == ["the API server's certificate is not verified"]
    for value in (False, None):
        assert load(config({"server": "https://h", "insecure-skip-tls-verify": value})).insecure is False
    with pytest.raises(InvalidConfig, match="exclude each other"):
        load(
            config({"server": "https://h", "insecure-skip-tls-verify": True, "certificate-authority": "/ca"})
        )
    with pytest.raises(InvalidConfig, match="must be true or false"):
        load(config({"server": "https://h", "insecure-skip-tls-verify": 1}))


@pytest.mark.parametrize(
    "key", ["exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"]
)
def test_what_genie_does_not_do_is_refused_by_name(load, key):
    value = {"exec": {"command": "touch", "args": ["/tmp/never"]}, "as-groups": ["g"]}.get(key, SECRET)
    with pytest.raises(InvalidConfig, match=rf"kubeconfig .*: {key} is not supported") as caught:
        load(config(user={key: value}))
    assert SECRET not in str(caught.value)


def test_a_proxy_is_refused_by_name(load):
    with pytest.raises(InvalidConfig, match="proxy-url is not supported"):
        load(config({"server": "https://h", "proxy-url": "http://proxy:3128"}))


@pytest.mark.parametrize(
    "document, problem",
    [
        ("", "an object with clusters"),
        ("[]", "an object with clusters"),
        ("just a word", "an object with clusters"),
        ('{"clusters": [}', "a value was expected (line 1 column 15)"),
        ("a: [b\nc: d", "neither JSON nor YAML (line 2 column 2)"),
        (f"token: {SECRET}\n\t- {SECRET}", "neither JSON nor YAML (line 2 column 1)"),
        ("a: !!python/object/apply:os.system ['touch /tmp/never']", "neither JSON nor YAML"),
        ("a: 2026-99-99", "neither JSON nor YAML"),
        ("a: " + "[" * 2000, "neither JSON nor YAML"),
        ("{" + '"a":{' * 100_000, "nested too deeply"),
        ({"clusters": {}, "current-context": "x"}, "contexts has no entry named 'x'"),
        ({"contexts": [1]}, "contexts[0] must be an object, not a number"),
        ({"contexts": {"a": 1}}, "contexts must be an array, not an object"),
        ({"contexts": [{"context": {"cluster": 1}}]}, "cluster must be a string, not a number"),
        ({"contexts": [{"context": {"cluster": "c"}}]}, "clusters has no entry named 'c'"),
        (config({"server": 7}), "server must be a string, not a number"),
        (config(user={"token": 12345}), "token must be a string, not a number"),
        (config(user={"token": "a b"}), "token is not one line of printable characters"),
        (config(user={"token": "a\r\nX-Evil: 1"}), "token is not one line of printable characters"),
        (config(user={"token": "ü"}), "token is not one line of printable characters"),
        (config(user={"tokenFile": ["t"]}), "tokenFile must be a string, not an array"),
        (config(user={"client-certificate": "/c"}), "must be given together"),
        (config(user={"client-key-data": "AAAA"}), "must be given together"),
        (
            config({"server": "https://h", "certificate-authority-data": "%%%"}),
            "certificate-authority-data is not base64",
        ),
        (
            config({"server": "https://h", "certificate-authority-data": "AAA"}),
            "certificate-authority-data is not base64",
        ),
    ],
)
def test_every_problem_names_file_and_place_but_no_content(load, tmp_path, document, problem):
    with pytest.raises(InvalidConfig) as caught:
        load(document)
    assert f"kubeconfig {tmp_path}/kubeconfig: " in caught.value.msg
    assert problem in caught.value.msg
    assert SECRET not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(IOFailure, match="the kubeconfig /absent cannot be read: No such file"):
        load_cluster({"kubeconfig": "/absent"}, {}, Recorder())
    with pytest.raises(IOFailure, match="not a regular file"):
        load_cluster({"kubeconfig": str(tmp_path)}, {}, Recorder())
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b" " * ((1 << 20) + 1))
    for name, problem in (
        ("binary", "is not UTF-8"),
        ("large", "larger than 1 MiB"),
        ("a\0b", "is not UTF-8"),
    ):
        with pytest.raises(InvalidConfig, match=problem):
            load_cluster({"kubeconfig": str(tmp_path / name)}, {}, Recorder())


@pytest.mark.parametrize(
    "kubernetes, policy", [({"kubeconfig": 1}, {}), ({"k8s_api_root": []}, {}), ({}, {"k8s_auth_token": 1})]
)
def test_genie_conf_of_the_wrong_type(kubernetes, policy):
    with pytest.raises(InvalidConfig, match=r"(kubernetes|policy)\.\w+ must be a string"):
        load_cluster(kubernetes, policy, Recorder())


# --- secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user, mode, warned",
    [
        ({"token": SECRET}, 0o644, True),
        ({"token": SECRET}, 0o640, True),
        ({"token": SECRET}, 0o600, False),
        ({"tokenFile": "/t"}, 0o644, False),
        ({"client-key-data": "AAAA", "client-certificate-data": "AAAA"}, 0o604, True),
    ],
)
def test_secrets_that_others_can_read_get_a_warning_X14(load, user, mode, warned):
    log = Recorder()
    load(config(user=user), log=log, mode=mode)
    assert [event for _, event, _ in log.lines] == ["kubeconfig holds secrets and is open to others"] * warned


def test_a_token_without_tls_gets_a_warning(load):
    log = Recorder()
    load(config({"server": "http://h"}, {"token": SECRET}), log=log)
    assert [event for _, event, _ in log.lines] == [
        "the token is not sent: the API server is reached without TLS"
    ]


def test_no_repr_shows_a_secret_X14(load):
    data = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()
    log = Recorder()
    cluster = load(
        config(user={"token": SECRET, "client-key-data": data, "client-certificate-data": data}), log=log
    )
    credentials = cluster.credentials
    printed = f"{cluster!r} {cluster} {credentials!r} {credentials} {credentials.key!r} {log.lines}"
    assert SECRET not in printed
    assert "PRIVATE" not in printed


def test_a_token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"  {SECRET}\n")
    assert read_token(str(path)) == SECRET
    for content in ("", "\n", "a b", "a\nb", "\x1b[31m"):
        path.write_text(content)
        with pytest.raises(GenieError, match=f"the token file {path}"):
            read_token(str(path))

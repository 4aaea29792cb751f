"""Kubeconfigs, genie.conf and API objects of any shape: a value, or an error of ours; never a secret in it."""

import json
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from genie_core.edges.kube_cluster import parse_server
from genie_core.edges.kube_errors import APIError
from genie_core.edges.kube_http import Response
from genie_core.edges.kubeconfig import load_cluster
from genie_core.errors import GenieError, InvalidConfig
from tests.apiserver import API
from tests.fakes_kube import MemoryConnection, Recorder, memory_api

pytestmark = pytest.mark.property

SECRET = "s3cret"
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
)
SERVERS = st.sampled_from(["https://h:1", "h:1", "http://[::1]", "https://fd00::1", ""])


def mostly(usual):
    """The usual value nine times, anything at all the tenth."""
    return st.integers(0, 9).flatmap(lambda number: VALUES if number == 0 else usual)


def entry(**fields):
    """An object that has some of these fields."""
    return st.fixed_dictionaries(
        {}, optional={name.replace("_", "-"): mostly(value) for name, value in fields.items()}
    )


NAMES = st.sampled_from(["a", "b", ""])
CLUSTERS = entry(
    server=SERVERS,
    certificate_authority=st.just("ca"),
    certificate_authority_data=st.sampled_from(["AAAA", "A", "%"]),
    insecure_skip_tls_verify=st.booleans(),
    tls_server_name=st.sampled_from(["x", ".x", "\0"]),
    proxy_url=st.just(SECRET),
)
USERS = entry(
    token=st.sampled_from([SECRET, f"{SECRET}\n{SECRET}", ""]),
    tokenFile=st.just("t"),
    client_certificate=st.just("c"),
    client_key=st.just("k"),
    client_key_data=st.just("AAAA"),
    exec=st.just({"command": SECRET}),
    password=st.just(SECRET),
)
CONTEXTS = entry(cluster=NAMES, user=NAMES)


def named(key, entries):
    return mostly(st.lists(mostly(entry(name=NAMES, **{key: entries})), max_size=3))


DOCUMENTS = mostly(
    entry(
        clusters=named("cluster", CLUSTERS),
        users=named("user", USERS),
        contexts=named("context", CONTEXTS),
        current_context=NAMES,
    )
)
SETTINGS = st.tuples(
    entry().flatmap(lambda _: st.fixed_dictionaries({}, optional={"k8s_api_root": mostly(SERVERS)})),
    st.fixed_dictionaries(
        {},
        optional={
            "type": VALUES,
            "k8s_api_root": mostly(SERVERS),
            "k8s_auth_token": mostly(st.just(SECRET)),
            "k8s_client_certificate": mostly(st.just("c")),
            "k8s_client_key": mostly(st.just("k")),
            "k8s_certificate_authority": mostly(st.just("ca")),
        },
    ),
)


@given(DOCUMENTS, SETTINGS, st.sampled_from([json.dumps, yaml.safe_dump]))
def test_any_kubeconfig(tmp_path_factory, document, settings, write):
    path = tmp_path_factory.getbasetemp() / "any-kubeconfig"
    path.write_text(write(document))
    kubernetes, policy = settings
    log = Recorder()
    try:
        printed = repr(load_cluster({"kubeconfig": str(path), **kubernetes}, policy, log))
    except GenieError as error:
        printed = f"{error} {error!r}"
    assert SECRET not in printed
    assert SECRET not in repr(log.lines)


@given(st.text(st.sampled_from("ab.:/[]@?#%-_ 0169\n\0"), max_size=20) | st.text(max_size=12), st.booleans())
def test_any_server(text, secured):
    """An accepted URL has the same parts for urllib, and fits a header."""
    try:
        tls, host, port, base = parse_server(text, secured=secured)
    except InvalidConfig as error:
        assert error.msg.isprintable()
        return
    url = urlsplit(text.strip() if "://" in text else f"{'https' if secured else 'http'}://{text.strip()}")
    assert (url.scheme == "https", url.hostname, url.port or (443 if tls else 80)) == (tls, host, port)
    assert url.path.rstrip("/") == base
    assert f"{host}{base}".isprintable()
    assert " " not in host + base


class Always(MemoryConnection):
    """The same answer to everything."""

    def __init__(self, status, document):
        super().__init__(API())
        self.response = Response(status, {}, json.dumps(document).encode())

    def exchange(self, method, target, headers, body, until):
        return self.response


@given(VALUES | st.fixed_dictionaries({"metadata": mostly(entry(uid=VALUES, annotations=mostly(VALUES)))}))
def test_any_pod(document):
    kube = memory_api(API(), connection=Always(200, document))
    try:
        annotations = kube.annotations("demo", "web", "")
    except GenieError as error:
        assert error.msg.isprintable()
        return
    assert all(isinstance(value, str) for value in annotations.values())


@given(
    st.integers(300, 599),
    VALUES | st.fixed_dictionaries({"kind": st.just("Status"), "message": VALUES, "details": VALUES}),
)
def test_any_refusal(status, document):
    kube = memory_api(API(), timeout_seconds=0.05, connection=Always(status, document))
    with pytest.raises(APIError) as caught:
        kube.get_pod("demo", "web")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000

"""The kubeconfig, in JSON and in YAML, and the keys of genie.conf beside it."""

import json

import yaml

from tests.fuzz.mutate import Raw, parse
from tests.fuzz.oracle import SECRET
from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE, SERVER, dump, stdin

_SECRET = SECRET.decode()
_KUBERNETES = {"kubeconfig": "@ROOT@/kubeconfig"}
_BASE = {**BASE, "stdin": stdin(kubernetes=_KUBERNETES), "token": SECRET + b"\n"}
_PEM = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="


def _kubeconfig(user=None, **cluster):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": SERVER, **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


_DOCUMENTS = [
    _kubeconfig({"token": _SECRET}),
    _kubeconfig({"tokenFile": "token"}, server="https://127.0.0.1:8080/base"),
    _kubeconfig({"tokenFile": "@ROOT@/token"}, **{"certificate-authority": "ca", "tls-server-name": "kubernetes"}),
    _kubeconfig({"client-certificate": "c", "client-key": "k"}, **{"insecure-skip-tls-verify": True}, server="https://127.0.0.1:8080"),
    _kubeconfig({"client-certificate-data": _PEM, "client-key-data": _SECRET}, **{"certificate-authority-data": _PEM}, server="https://127.0.0.1:8080"),
    _kubeconfig({"exec": {"command": "x"}, "username": "a", "password": _SECRET, "as": "b"}, **{"proxy-url": "http://x"}),
]  # fmt: skip


def _seeds():
    for document in _DOCUMENTS:
        yield {"kubeconfig": dump(document)}
        yield {"kubeconfig": yaml.safe_dump(document).encode()}
    yield {"kubeconfig": dump({**_DOCUMENTS[0], "current-context": ""})}
    yield {"kubeconfig": b"a: &a [x]\nb: &b [*a, *a]\nclusters: [*b, *b]\nusers: *b\n"}
    policy = {
        "k8s_api_root": f"{SERVER}/api/v1/",
        "k8s_auth_token": _SECRET,
        "k8s_client_certificate": "c",
        "k8s_client_key": "k",
        "k8s_certificate_authority": "ca",
    }
    yield {"kubeconfig": dump(_DOCUMENTS[0]), "stdin": stdin(kubernetes=_KUBERNETES, policy=policy)}
    yield {"kubeconfig": b"", "stdin": stdin(kubernetes=None, policy={"k8s_api_root": SERVER})}


def _change(mutator, case, pool):
    rng = mutator.rng
    way = rng.randrange(20)
    if way == 0:
        return {**case, "token": mutator.bytes(case.get("token", _BASE["token"]))}
    if way == 1:
        return {**case, "stdin": mutator.json(case.get("stdin", _BASE["stdin"]))}
    changed = mutator.json(case["kubeconfig"], [other["kubeconfig"] for other in pool])
    return {**case, "kubeconfig": _as_yaml(changed) if way < 6 else changed}


def _as_yaml(data):
    """The same in YAML, where it is JSON of a usual shape."""
    try:
        if isinstance(parse(data), Raw) or len(data) > 100_000:
            return data
        return yaml.safe_dump(json.loads(data)).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, yaml.YAMLError):
        return data


TARGET = Target("kubeconfigs", _BASE, list(_seeds()), _change, share=0.08)

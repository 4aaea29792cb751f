"""Fixtures for the contracts of the API edge: servers that end with the test."""

import pytest

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kubeconfig import load_cluster
from tests.apiserver import API, APIServer, Objects
from tests.fakes_kube import Recorder


@pytest.fixture
def serve():
    """Start servers: `serve(API(...), host=..., authority=...)`."""
    servers = []

    def start(api=None, **options):
        servers.append(APIServer(api, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect():
    """KubeAPIs for kubeconfig files; closed after the test."""
    apis = []

    def load(path, timeout_seconds=60.0, *, kubernetes=(), policy=(), **options):
        cluster = load_cluster({"kubeconfig": str(path), **dict(kubernetes)}, dict(policy), Recorder())
        assert cluster is not None
        apis.append(KubeAPI(cluster, timeout_seconds, Recorder(), **options))
        return apis[-1]

    yield load
    for api in apis:
        api.close()


@pytest.fixture
def pod():
    """A manifest."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "demo", "uid": "u-1", "annotations": {"cni": "bridge"}},
    }


@pytest.fixture
def https(serve, authority, pod):
    """A server over TLS that knows one token and one pod."""
    return serve(API(Objects(pod), {"good-token": "genie"}), authority=authority)

"""The API server of one dry run: its URL is the secret, and it ends with the run's records."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

PATH = "/apis/k8s.cni.cncf.io/v1/namespaces/shop/network-attachment-definitions/blue"
SERVE = """\
import json, sys
from genie_core.sandbox.loopback_api import serve
print(serve(json.loads(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def url(tmp_path):
    words = [sys.executable, "-c", SERVE, json.dumps({PATH: {"kind": "Blue"}}), str(tmp_path / "records")]
    yield subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    for path in sorted((tmp_path / "records").rglob("*")):
        path.unlink()
    if (tmp_path / "records").exists():
        (tmp_path / "records").rmdir()


def ask(url, data=None, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=100) as answer:
        return json.load(answer)


def test_objects_and_annotations(url, tmp_path):
    assert ask(url + PATH) == {"kind": "Blue"}
    assert ask(url + PATH.rpartition("/")[0])["items"] == [{"kind": "Blue"}]
    ask(f"{url}/api/v1/namespaces/shop/pods/p", b'{"metadata": {"annotations": {"a": "b"}}}', "PATCH")
    assert (tmp_path / "records" / "annotations").read_text() == '{"a": "b"}\n'


def test_who_does_not_know_its_url_gets_and_writes_nothing(url, tmp_path):
    """On a real node other users reach the port too."""
    server = url.rpartition("/")[0]
    for method, data in (("GET", None), ("PATCH", b"{}")):
        with pytest.raises(HTTPError, match="404"):
            ask(server + PATH, data, method)
    assert list((tmp_path / "records").iterdir()) == []


def test_it_is_removed_with_the_records(url, tmp_path):
    address = urlsplit(url)
    (tmp_path / "records").rmdir()
    deadline = time.monotonic() + 100
    while is_open(address.hostname, address.port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_open(host, port):
    with socket.socket() as connection:
        return connection.connect_ex((host, port)) == 0

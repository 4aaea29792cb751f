"""Genie's kubeconfig, tokens and certificates: what no longer works, and what others can read (F92, F106)."""

import base64
import json
import subprocess
import time

import pytest

from genie_core.findings import Severity
from tests.discover import nodes
from tests.discover.conftest import codes, the


def jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join((part({"alg": "RS256"}), part(claims), "c2ln"))


def with_kubeconfig(node, user, mode=0o600):
    """Genie's configuration with a kubeconfig."""
    path = node.conf / "genie.kubeconfig"
    nodes.install_genie(node, kubernetes={"kubeconfig": str(path)})
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    nodes.write(path, document, mode)
    return path


def test_f92_an_expired_token_is_fatal_and_never_shown(node):
    token = jwt(
        exp=time.time() - 90, iat=time.time() - 3690, iss="https://issuer", sub="system:serviceaccount:a:b"
    )
    with_kubeconfig(node, {"token": token})
    report = node.discover()
    finding = the(report, "GN1503")
    assert finding.severity is Severity.FATAL
    assert "expired at" in finding.title
    assert "system:serviceaccount:a:b" in finding.evidence[0].value
    assert token.split(".")[1] not in json.dumps(report.as_json())


def test_f92_a_token_file_is_read_and_a_long_life_is_fine(node):
    path = nodes.write(node.path / "token", jwt(exp=time.time() + 30 * 86400, iat=time.time()), mode=0o600)
    with_kubeconfig(node, {"tokenFile": str(path)})
    report = node.discover()
    assert codes(report) == []
    assert 29.9 < report.as_json()["credentials"][0]["daysLeft"] <= 30


def test_f92_less_than_an_hour_is_a_warning(node):
    with_kubeconfig(node, {"token": jwt(exp=time.time() + 1800)})
    assert the(node.discover(), "GN1504").severity is Severity.WARNING


def test_f92_a_client_certificate_that_has_expired(node, tmp_path):
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=genie -days -1"
    )
    argv = [*command.split(), "-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
    if subprocess.run(
        argv, capture_output=True, check=False
    ).returncode:  # OpenSSL 3.4 wants it said otherwise
        argv[argv.index("-days") : argv.index("-days") + 2] = [
            "-not_before",
            "20200101000000Z",
            "-not_after",
            "20210101000000Z",
        ]
        subprocess.run(argv, capture_output=True, check=True)
    (tmp_path / "key.pem").chmod(0o600)
    user = {"client-certificate": f"{tmp_path}/cert.pem", "client-key": f"{tmp_path}/key.pem"}
    with_kubeconfig(node, user)
    assert "client certificate" in the(node.discover(), "GN1503").title


@pytest.mark.parametrize(
    "text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"]
)
def test_f92_a_client_certificate_that_is_none(node, tmp_path, text):
    for name in ("cert.pem", "key.pem"):
        nodes.write(tmp_path / name, text, 0o600)
    user = {"client-certificate": f"{tmp_path}/cert.pem", "client-key": f"{tmp_path}/key.pem"}
    with_kubeconfig(node, user)
    report = node.discover()
    assert report.as_json()["credentials"][0]["error"] == "its client certificate cannot be read"
    assert report.as_json()["plugins"]


@pytest.mark.parametrize("expires", [1e400, 10**400, 1_900_000_000_000, -1])
def test_f92_a_moment_that_no_calendar_has(node, expires):
    """Milliseconds, for one; the report has no date for it, and everything else."""
    with_kubeconfig(node, {"token": jwt(exp=expires)})
    assert node.discover().as_json()["credentials"][0]["expires"] == ""


def test_f106_a_kubeconfig_that_every_user_can_read(node):
    path = with_kubeconfig(node, {"token": jwt(exp=time.time() + 30 * 86400)}, mode=0o644)
    finding = the(node.discover(), "GN1501")
    assert finding.severity is Severity.WARNING
    assert "world-readable" in finding.title
    assert finding.remedy.commands[0].argv == ("chmod", "0600", str(path))


def test_a_kubeconfig_that_is_named_and_not_there(node):
    with_kubeconfig(node, {}).unlink()
    assert "No such file" in the(node.discover(), "GN1505").title


def test_a_kubeconfig_without_a_server_where_the_configuration_names_it(node):
    """CNI-Genie's own set-up: a kubeconfig with a user only, and the server in `policy`."""
    path = with_kubeconfig(node, {"token": jwt(exp=time.time() + 30 * 86400)})
    document = json.loads(path.read_text())
    del document["clusters"], document["contexts"][0]["context"]["cluster"]
    nodes.write(path, document, 0o600)
    assert "no API server is named" in the(node.discover(), "GN1505").title
    genie = json.loads((node.conf / "00-genie.conflist").read_text())
    genie["plugins"][0]["policy"] = {"k8s_api_root": "https://127.0.0.1:1/api/v1/"}
    node.configure("00-genie.conflist", genie)
    report = node.discover()
    assert "GN1505" not in codes(report)
    assert report.as_json()["credentials"][0]["server"] == "https://127.0.0.1:1"


def test_a_token_inside_a_configuration(node):
    conf = nodes.bridge()
    conf["plugins"][0]["policy"] = {"k8s_auth_token": "s3cret"}
    node.configure("10-net.conflist", conf)
    report = node.discover()
    assert the(report, "GN1507").object.line > 0
    assert "s3cret" not in json.dumps(report.as_json())

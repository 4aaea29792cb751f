"""The kubeconfigs that configurations name: the kind of credential, its subject and its expiry. Never the secret."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from genie_core.edges.kube_cluster import Cluster, Pem, read_token
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import SILENT
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode
from genie_core.select.files import SELF_TYPE
from genie_core.survey.facts import ConfFile, Credential
from genie_core.survey.rootfs import Root

_END_OF_TIME = 253_402_300_800  # seconds since 1970 at the end of the year 9999


def named_kubeconfigs(files: Sequence[ConfFile], extra: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Kubeconfig path -> the file that names it, and the plugin's configuration there."""
    named: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for file in files:
        for entry in file.chain if not file.ignored else ():
            for path in _values(entry, "kubeconfig"):
                named.setdefault(path, (file.file, entry))
    if extra:
        named.setdefault(extra, ("--kubeconfig", {}))
    return named


def _values(value: object, key: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == key and isinstance(inner, str) and inner.startswith("/"):
                yield inner
            else:
                yield from _values(inner, key)


def read_credential(path: str, used_by: str, root: Root, entry: Mapping[str, Any]) -> Credential:
    """One kubeconfig, as far as it can be read; `entry` is the plugin's configuration that names it, {} for none."""
    try:
        status = os.stat(root.real(path))
        root.read(path, 1)
    except PermissionError:
        return Credential(path=path, used_by=used_by, readable=False, error="this user may not read it")
    except OSError as error:
        return Credential(path=path, used_by=used_by, error=error.strerror or str(error))
    known: dict[str, Any] = {
        "path": path,
        "used_by": used_by,
        "mode": status.st_mode & 0o777,
    }
    try:
        cluster = load_cluster(
            {**_server_of(entry, "kubernetes"), "kubeconfig": root.real(path)},
            _server_of(entry, "policy"),
            SILENT,
        )
    except GenieError as error:
        # What Genie refuses by name may be right for the plugin that the file belongs to.
        return Credential(
            **known, kind="other", error="" if "is not supported" in error.msg else _short(error, path)
        )
    if cluster is None:
        return Credential(**known, kind="none")
    return Credential(**known, server=str(cluster), **_holds(cluster, root))


def _server_of(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The server's address and CA in Genie's own configuration, which replace the kubeconfig's, as in CNI-Genie."""
    said = entry.get(key) if entry.get("type") == SELF_TYPE else None
    keys = ("k8s_api_root", "k8s_certificate_authority")
    return {name: said[name] for name in keys if name in said} if isinstance(said, Mapping) else {}


def _short(error: GenieError, path: str) -> str:
    return error.msg.partition(f"{path}: ")[2] or error.msg


def _holds(cluster: Cluster, root: Root) -> dict[str, Any]:
    held = cluster.credentials
    if held.token_file:
        return _token_file(held.token_file, root)
    if held.token:
        return {"kind": "token"} | read_claims(held.token)
    if held.certificate:
        return {"kind": "certificate", "file": held.certificate.path} | _certificate(held.certificate, root)
    return {"kind": "none"}


def _token_file(path: str, root: Root) -> dict[str, Any]:
    here = path if path.startswith(root.directory) else root.real(path)
    known: dict[str, Any] = {"kind": "token-file", "file": path}
    try:
        known["file_mode"] = os.stat(here).st_mode & 0o777
        return known | read_claims(read_token(here))
    except OSError as error:
        return known | {"error": f"its token file {path}: {error.strerror}"}
    except GenieError as error:
        return known | {"error": error.msg}


def read_claims(token: str) -> dict[str, Any]:
    """issuer, subject, issued and expires of a JWT (RFC 7519); {} for a token of another kind.

    A moment that no calendar has, as one in milliseconds, is left out.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode())
    except (binascii.Error, UnicodeDecodeError, JSONError):
        return {}
    if not isinstance(claims, dict):
        return {}
    texts = {name: claims.get(key) for name, key in (("issuer", "iss"), ("subject", "sub"))}
    times = {name: claims.get(key) for name, key in (("issued", "iat"), ("expires", "exp"))}
    return {k: v for k, v in texts.items() if isinstance(v, str)} | {
        k: float(v)
        for k, v in times.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool) and 0 < v < _END_OF_TIME
    }


def _certificate(pem: Pem, root: Root) -> dict[str, Any]:
    try:
        data = pem.data
        if pem.path:
            data = root.read("/" + pem.path.removeprefix(root.directory).lstrip("/"))
        issued, expires = certificate_validity(data)
    except OSError as error:
        return {"error": f"its client certificate {pem.path}: {error.strerror}"}
    except (ValueError, IndexError, StopIteration):
        return {"error": "its client certificate cannot be read"}
    return {"issued": issued, "expires": expires}


def certificate_validity(pem: bytes) -> tuple[float, float]:
    """notBefore and notAfter of a PEM text's first certificate (RFC 5280, section 4.1).

    Raises ValueError, IndexError or StopIteration where there is none.
    """
    body = pem.partition(b"-----BEGIN CERTIFICATE-----")[2].partition(b"-----END CERTIFICATE-----")[0]
    certificate = next(_der(base64.b64decode(body, validate=False)))[1]
    fields = list(_der(next(_der(certificate))[1]))
    # version [0] is there in every certificate but those of version 1; then serial, algorithm, issuer, validity
    validity = fields[4 if fields[0][0] == 0xA0 else 3][1]
    before, after = (_time(tag, value) for tag, value in _der(validity))
    return before, after


def _der(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (tag, content) of each element of a DER sequence."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        yield tag, data[position : position + length]
        position += length


def _time(tag: int, value: bytes) -> float:
    """UTCTime (tag 23) has a year of two digits, GeneralizedTime (24) of four."""
    text = value.decode("ascii")
    if tag == 23:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()

"""GN15xx: the kubeconfigs that configurations name: their modes and their expiry, never their content."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from genie_core.catalog.codes import GN1502
from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, seen
from genie_core.findings import Code, Evidence, Finding, Severity, Subject
from genie_core.survey.facts import ConfFile, Credential, Facts

_OTHERS = 0o077
_HOUR, _DAY = 3600, 86400
_SECRET_KEYS = ("k8s_auth_token", "etcd_password", "token", "password", "secret")


def _subject(credential: Credential) -> Subject:
    return Subject(kind="credential", name=credential.used_by, file=credential.path)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


GN1501 = Code("GN1501", "others can read a credential",
    cause="its mode is wider than 0600",
    confirm="ls -l FILE", fix="chmod 0600; a new token if other users may have read it")  # fmt: skip


@check("credential-mode", GN1501, title="credentials are private")
def open_to_others(facts: Facts) -> Iterator[Finding]:
    for credential in facts.credentials:
        files = [(credential.path, credential.mode)] if credential.kind != "none" else []
        files += [(credential.file, credential.file_mode)] if credential.kind == "token-file" else []
        for path, mode in files:
            if not mode & _OTHERS:
                continue
            holds = path == credential.file or credential.kind != "token-file"
            who = "world-readable" if mode & 0o004 else "readable by its group"
            yield GN1501.found(
                Severity.WARNING if holds else Severity.INFO,
                f"credential file {path} is {who} (mode {mode:04o})",
                Subject(kind="credential", name=credential.used_by, file=path),
                seen(path, f"{mode:04o}", f"stat -c %a {path}"),
                remedy=fix("let only its owner read it", ["chmod", "0600", path]),
            )


GN1507 = Code("GN1507", "others can read a credential inside a configuration",
    cause="the file's mode is wider than 0600",
    confirm="ls -l FILE", fix="remove the token from the file, and renew it")  # fmt: skip


@check(
    "credential-inline", GN1502, GN1507, title="no credential in a configuration", needs=("conf",), alone=True
)
def secrets_in_files(facts: Facts) -> Iterator[Finding]:
    for file in facts.conf_files:
        for key in _secrets(file):
            exposed = bool(file.mode & 0o004)
            yield (GN1507 if exposed else GN1502).warning(
                f"{file.file}: {key} is a credential inside a configuration"
                + (f" that every user can read (mode {file.mode:04o})" if exposed else ""),
                at(file, key),
                remedy=fix(
                    "name a kubeconfig with tokenFile instead, and change the credential",
                    ["chmod", "0600", file.path],
                ),
            )


def _secrets(file: ConfFile) -> Iterator[str]:
    for index, entry in enumerate(file.chain):
        where = file.where(index)
        for name, value in entry.items():
            inner = value.items() if isinstance(value, dict) else ()
            for path, key, held in ((name, name, value), *((f"{name}.{k}", k, v) for k, v in inner)):
                if key in _SECRET_KEYS and isinstance(held, str) and held:
                    yield f"{where}.{path}" if where else path


GN1503 = Code("GN1503", "a credential has expired",
    cause="every pod fails with Unauthorized",
    confirm="genie discover", fix="renew it; use tokenFile")  # fmt: skip
GN1504 = Code("GN1504", "a credential expires soon",
    cause="nothing renews it",
    confirm="genie discover", fix="renew it; use tokenFile")  # fmt: skip


@check("credential-valid", GN1503, GN1504, title="credentials are valid")
def expired(facts: Facts) -> Iterator[Finding]:
    for credential in facts.credentials:
        if not credential.expires:
            continue
        left = credential.expires - facts.time
        what = "client certificate" if credential.kind == "certificate" else "token"
        place = credential.file or credential.path
        if left > _warn_at(credential):
            continue
        over = left <= 0
        yield (GN1503 if over else GN1504).found(
            Severity.FATAL if over else Severity.WARNING,
            f"{what} in {place} expired at {_when(credential.expires)}: the API server answers Unauthorized"
            if over
            else f"{what} in {place} expires in {_span(left)}, at {_when(credential.expires)}",
            _subject(credential),
            *_identity(credential),
            remedy=fix(
                "renew it: `genie install` writes a kubeconfig with tokenFile, which its installer keeps fresh",
                ["genie", "install", "--kubeconfig", credential.path],
            ),
        )


def _warn_at(credential: Credential) -> float:
    """Seconds before expiry at which to warn: a tenth of the lifetime, at least an hour; a week for certificates."""
    if credential.kind == "certificate":
        return 7 * _DAY
    life = credential.expires - credential.issued if credential.issued else 0
    # The kubelet renews a projected token at 80 % of its hour: less than a tenth left means that nothing renews it.
    return (
        life / 10
        if credential.kind == "token-file" and 0 < life <= 2 * _HOUR
        else max(_HOUR, min(life / 10, _DAY))
    )


def _span(seconds: float) -> str:
    return f"{seconds / _DAY:.0f} days" if seconds > 2 * _DAY else f"{seconds / 60:.0f} minutes"


def _identity(credential: Credential) -> tuple[Evidence, ...]:
    known = {"issuer": credential.issuer, "subject": credential.subject, "issued": _when(credential.issued)}
    value = ", ".join(
        f"{name} {text}" for name, text in known.items() if text and (name != "issued" or credential.issued)
    )
    return (seen(credential.file or credential.path, value or "no issuer or subject in it"),)


GN1505 = Code("GN1505", "a kubeconfig is missing or unusable",
    cause="a configuration names it, and the file does not exist or cannot be parsed",
    confirm="the file", fix="write it again")  # fmt: skip


@check("credential-usable", GN1505, title="kubeconfigs can be used")
def unusable(facts: Facts) -> Iterator[Finding]:
    for credential in facts.credentials:
        if not credential.error:
            continue
        denied = not credential.readable
        yield GN1505.found(
            Severity.INFO if denied else Severity.ERROR,
            f"kubeconfig {credential.path} of {credential.used_by}: {credential.error}",
            _subject(credential),
            remedy=fix(
                "run genie as root to look at it"
                if denied
                else "write it again: `genie install`, or its own installer"
            ),
        )

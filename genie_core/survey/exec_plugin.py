"""Credentials from the program that a kubeconfig's user names: `exec`, client.authentication.k8s.io.

The package `kubernetes` can run such programs too, but gives them this process's stdin, waits without a deadline,
hides their stderr when stdout is a pipe, and only logs when they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genie_core.edges.kube_cluster import Pem, clean_token, read_text
from genie_core.edges.kube_errors import Unauthorized
from genie_core.errors import InvalidConfig
from genie_core.fields import get_bool, get_list, get_object, get_str, get_strings
from genie_core.survey import commands, redact

SECONDS = 30.0
_EXTENSION = "client.authentication.k8s.io/exec"
_KEPT = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grant:
    """The program's answer: a bearer token, a client certificate with its key, or both."""

    token: str = ""
    certificate: Pem | None = None
    key: Pem | None = None


def name_of(entry: Mapping[str, Any]) -> str:
    """The program's name, for messages."""
    return os.path.basename(get_str(entry, "command", where="exec"))


def run(entry: Mapping[str, Any], cluster: Mapping[str, Any], ca: Pem | None, *, interactive: bool) -> Grant:
    """Run the program of a user's `exec` for this cluster entry.

    With `interactive` it may use the terminal, if stdin is one, for as long as it needs; else it has SECONDS and no
    stdin. Raises InvalidConfig and IOFailure for an entry that cannot be carried out, Unauthorized where it gives no
    credentials. Its stderr may be quoted, trimmed and without what looks like a secret; its stdout never is.
    """
    mode = get_str(entry, "interactiveMode", "IfAvailable", where="exec")
    if mode not in ("Never", "IfAvailable", "Always"):
        raise InvalidConfig("exec.interactiveMode must be Never, IfAvailable or Always")
    has_terminal = interactive and mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    name = name_of(entry)
    if mode == "Always" and not has_terminal:
        raise Unauthorized(f"the credential plugin {name} needs a terminal, and standard input is none")
    version = get_str(entry, "apiVersion", where="exec")
    env = _environment(entry, _info(entry, version, cluster, ca, has_terminal))
    argv = [_command(entry, env), *get_strings(entry, "args", where="exec")]
    out = _attended(name, argv, env) if has_terminal else _unattended(name, argv, env)
    return _grant(name, out, version)


def _command(entry: Mapping[str, Any], env: Mapping[str, str]) -> str:
    command = get_str(entry, "command", where="exec")
    if not command:
        raise InvalidConfig("exec.command is missing")
    found = shutil.which(command, path=env.get("PATH"))
    if found is None:
        raise Unauthorized(
            f"the credential plugin {command} is not installed",
            hint=get_str(entry, "installHint", where="exec").strip()[:_LONGEST]
            or "install it, or add its directory to $PATH, which is another one under sudo",
        )
    return found


def _environment(entry: Mapping[str, Any], info: str) -> dict[str, str]:
    env = dict(os.environ)
    for index, item in enumerate(get_list(entry, "env", where="exec")):
        where = f"exec.env[{index}]"
        if not isinstance(item, dict):
            raise InvalidConfig(f"{where} must be an object with name and value")
        env[get_str(item, "name", where=where)] = get_str(item, "value", where=where)
    return env | {"KUBERNETES_EXEC_INFO": info}


def _info(
    entry: Mapping[str, Any], version: str, cluster: Mapping[str, Any], ca: Pem | None, has_terminal: bool
) -> str:
    """The ExecCredential that the program reads, as client-go writes it."""
    spec: dict[str, Any] = {"interactive": has_terminal}
    if get_bool(entry, "provideClusterInfo", where="exec"):
        spec["cluster"] = {key: cluster[key] for key in _KEPT if key in cluster}
        if ca is not None and ca.path:
            text, _ = read_text(ca.path, "the certificate authority")
            spec["cluster"]["certificate-authority-data"] = b64encode(text.encode()).decode("ascii")
        for extension in get_list(cluster, "extensions"):
            if isinstance(extension, dict) and extension.get("name") == _EXTENSION:
                spec["cluster"]["config"] = extension.get("extension")
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": spec})


def _unattended(name: str, argv: list[str], env: Mapping[str, str]) -> str:
    out, reason = commands.start(*argv, env={"PATH": os.defpath, **env}).finish(time.monotonic() + SECONDS)
    if reason:
        raise _failed(name, reason)
    return out


def _attended(name: str, argv: list[str], env: Mapping[str, str]) -> str:
    """The program's questions and errors go to the terminal."""
    try:
        done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    except OSError as error:
        raise _failed(name, f"{name}: {error.strerror}") from None
    if done.returncode:
        raise _failed(name, f"exit status {done.returncode}")
    return done.stdout


def _failed(name: str, reason: str) -> Unauthorized:
    words = redact.in_text("".join(char if char.isprintable() else " " for char in reason))
    return Unauthorized(
        f"the credential plugin {name} gave no credentials",
        details=words if len(words) <= _LONGEST else words[:_LONGEST] + "...",
        hint="log in again, as it says; kubectl runs the same program",
    )


def _grant(name: str, out: str, version: str) -> Grant:
    """The credentials in the program's output. No message quotes any of it."""
    try:
        answer = json.loads(out)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise _failed(name, "what it printed is no ExecCredential")
    if answer.get("apiVersion") != version:
        raise _failed(name, f"it does not answer in {version}, the apiVersion of the kubeconfig")
    try:
        status = get_object(answer, "status")
        token = clean_token(get_str(status, "token", where="status"), "status.token")
        certificate = get_str(status, "clientCertificateData", where="status").encode()
        key = get_str(status, "clientKeyData", where="status").encode()
    except InvalidConfig as error:
        raise _failed(name, error.msg) from None
    if bool(certificate) != bool(key) or not (token or certificate):
        raise _failed(name, "there is neither a token nor a certificate with its key in what it printed")
    if not certificate:
        return Grant(token=token)
    return Grant(token=token, certificate=Pem(data=certificate), key=Pem(data=key))

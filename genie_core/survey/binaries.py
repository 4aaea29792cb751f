"""The plugin binaries of a node: what each file is, and what it answers to VERSION and STATUS.

Plugins are run by the same edge that runs them for pods, side by side, each with a deadline of its own. Not every file
is run: a folder may hold a shell or `mount` too, as k3s had, or an installer. In such a folder only the types are run
that a configuration names or the catalogue knows.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import monotonic

from genie_core.edges.cancel import Cancel
from genie_core.edges.delegates import Delegates
from genie_core.edges.log import SILENT
from genie_core.errors import DelegateFailed, GenieError
from genie_core.jsontext import JSONError, decode, encode
from genie_core.published import UNPUBLISHED, Published, formed, rounded
from genie_core.steps import Invoke, PluginMissing
from genie_core.survey.rootfs import Root

PROBE_SECONDS = 0.5
# A node that starts fifty pods answers late: a plugin hangs if it does not answer within this time either.
PATIENT_SECONDS = 2.0
_AT_ONCE = 16
# More than one of these in a folder: it holds programs, not plugins.
_TOOLS = frozenset(("sh", "busybox", "mount", "ip", "iptables", "containerd", "runc", "poweroff", "kubelet"))
_INSTALLERS = ("install", "uninstall", "entrypoint", "launch")

# ELF e_machine -> platform.machine() (elf.h)
_MACHINES = {3: "i686", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64",
             243: "riscv64", 258: "loongarch64"}  # fmt: skip

_PT_INTERP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Published):
    """One file of a plugin directory.

    `form` is elf, script, text (neither), link (dangling), special or unreadable. `noexec` is the mount point of a file
    system from which nothing may be executed. `versions` is the answer to VERSION, () where the plugin was not run or
    failed; `problem` is why it failed: hang, crash, execute or answer, with `reason`. `interpreter` is a script's
    first line, or a program's loader where that does not exist.
    """

    type: str
    path: str
    size: int = 0
    mode: int = field(default=0, metadata=formed("{:04o}".format))
    link: str = ""
    form: str = ""
    machine: str = ""
    interpreter: str = ""
    noexec: str = field(default="", metadata=UNPUBLISHED)
    sha256: str = ""
    asked: bool = False
    versions: tuple[str, ...] = ()
    problem: str = ""
    reason: str = ""
    ms: float = field(default=0, metadata=formed(rounded))

    @property
    def executable(self) -> bool:
        """Whether an executable bit is set."""
        return bool(self.mode & 0o111)


def list_binaries(directory: str, root: Root) -> list[Binary]:
    """The files of a plugin directory by name; none is run. Raises OSError for the directory."""
    names = [name for name in root.names(directory) if not os.path.isdir(root.real(f"{directory}/{name}"))]
    return [_describe(directory, name, root) for name in names]


def _describe(directory: str, name: str, root: Root) -> Binary:
    path = f"{directory}/{name}"
    here = root.real(path)
    bare = f"{root.real(directory)}/{name}"
    link = os.readlink(bare) if os.path.islink(bare) else ""
    try:
        status = os.stat(here)
    except OSError:
        return Binary(type=name, path=path, link=link, form="link")
    binary = Binary(type=name, path=path, size=status.st_size, mode=status.st_mode & 0o7777, link=link)
    if not stat.S_ISREG(status.st_mode):
        return replace(binary, form="special")
    if os.statvfs(here).f_flag & os.ST_NOEXEC:
        binary = replace(binary, noexec=_mount_point(directory, root))
    try:
        with open(here, "rb") as file:
            head = file.read(4096)
    except OSError:
        return replace(binary, form="unreadable")
    return _recognise_form(binary, head, root)


def _mount_point(directory: str, root: Root) -> str:
    place = directory.rstrip("/")
    while place and not os.path.ismount(root.real(place)):
        place = place.rpartition("/")[0]
    return place or "/"


def _recognise_form(binary: Binary, head: bytes, root: Root) -> Binary:
    if head.startswith(b"\x7fELF") and len(head) >= 20:
        order = "<" if head[5] == 1 else ">"
        number = struct.unpack_from(f"{order}H", head, 18)[0]
        machine = _MACHINES.get(number, f"machine {number}")
        loader = _loader(head, order)
        lost = loader if loader and not root.exists(loader) else ""
        return replace(binary, form="elf", machine=machine, interpreter=lost)
    if head.startswith(b"#!"):
        line = head[2:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        return replace(binary, form="script", interpreter=line)
    return replace(binary, form="text")


def _loader(head: bytes, order: str) -> str:
    """The dynamic loader that a 64-bit program names (elf(5), PT_INTERP), "" for none in its first bytes."""
    if len(head) < 64 or head[4] != 2:
        return ""
    (start,) = struct.unpack_from(f"{order}Q", head, 32)
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    for at in range(start, start + size * count, size or 1):
        if at + 40 > len(head):
            break
        kind, _, offset, _, _, length = struct.unpack_from(f"{order}IIQQQQ", head, at)
        if kind == _PT_INTERP:
            return head[offset : offset + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""


def is_tool_folder(names: Collection[str]) -> bool:
    """Whether a folder holds the node's programs besides plugins."""
    return len(_TOOLS.intersection(names)) > 1


def may_ask(binary: Binary, *, wanted: Collection[str], tools: bool) -> bool:
    """Whether the file can be run for its versions without doing anything else. `wanted` are types known or named."""
    if binary.form not in ("elf", "script") or not binary.executable:
        return False
    if binary.type in wanted:
        return True
    return not tools and not binary.type.startswith(_INSTALLERS) and "." not in binary.type


def checksums(binaries: Sequence[Binary], root: Root) -> list[Binary]:
    """The binaries with their SHA-256; hard links are read once."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda binary: _summed(binary, root), binaries))


def _summed(binary: Binary, root: Root) -> Binary:
    if binary.form not in ("elf", "script", "text"):
        return binary
    try:
        with open(root.real(binary.path), "rb") as file:
            return replace(binary, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return binary


class Prober:
    """Asks plugins for their versions and their status, as a runtime does. `path` is the CNI_PATH for VERSION."""

    def __init__(self, env: Mapping[str, str], path: Sequence[str]) -> None:
        self._env = {key: value for key, value in env.items() if not key.startswith("CNI_")}
        self._quick, self._patient = (self._delegates(path, s) for s in (PROBE_SECONDS, PATIENT_SECONDS))

    def _delegates(self, path: Sequence[str], seconds: float) -> Delegates:
        return Delegates(self._env, list(path), seconds, SILENT, Cancel(), echo=False, as_runtime=True)

    def versions(self, binaries: Sequence[Binary], root: Root) -> list[Binary]:
        """The binaries with their answers to VERSION. They are run side by side; one that is late is run once more."""

        def ask(binary: Binary) -> Binary:
            answered = self._ask_version(binary, root, self._quick)
            return self._ask_version(binary, root, self._patient) if answered.problem == "hang" else answered

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(ask, binaries))

    def _ask_version(self, binary: Binary, root: Root, delegates: Delegates) -> Binary:
        # A plugin older than VERSION wants the other variables too (libcni, pkg/invoke, GetVersionInfo).
        step = Invoke(
            "VERSION",
            binary.type,
            '{"cniVersion":"1.1.0"}',
            "probe",
            binary=root.real(binary.path),
            netns="dummy",
            ifname="dummy",
        )
        started = monotonic()
        try:
            answer = read_versions(delegates.invoke(step))
        except GenieError as error:
            answer = ("0.1.0",) if "unknown CNI_COMMAND: VERSION" in error.msg else ()
            if not answer:
                problem, reason = _explain(error)
                return replace(binary, asked=True, problem=problem, reason=reason, ms=_since(started))
        return replace(binary, asked=True, versions=answer, ms=_since(started))

    def status(
        self, type_: str, binary: str, config: str, network: str, path: Sequence[str]
    ) -> tuple[str, str]:
        """("ready" or "not ready", its answer) for one plugin of a network, with its real configuration.

        `path` is the CNI_PATH of the runtime that would run it: the plugin finds its own delegates there.
        """
        try:
            self._delegates(path, PATIENT_SECONDS).invoke(
                Invoke("STATUS", type_, config, network, binary=binary)
            )
        except GenieError as error:
            said = error.msg.rpartition(" failed (status): ")[2]
            return "not ready", "; ".join(part for part in (said, error.details) if part)
        return "ready", ""


def _since(started: float) -> float:
    return (monotonic() - started) * 1000


def _explain(error: GenieError) -> tuple[str, str]:
    text = error.msg.rpartition(" failed (version): ")[2]
    if "no answer after" in text:
        return "hang", text
    if isinstance(error, PluginMissing) or "cannot execute" in text:
        return "execute", text
    if isinstance(error, DelegateFailed) and "signal" in f"{text} {error.details}":
        return "crash", text
    return "answer", "; ".join(part for part in (text, error.details) if part)


def read_versions(text: str) -> tuple[str, ...]:
    """The versions in an answer to VERSION (conformance B35, B76). Raises DelegateFailed where there are none."""
    try:
        reply = decode(text)
    except JSONError as error:
        raise DelegateFailed(f"the answer to VERSION is not JSON: {error}") from None
    fields = {str(key).lower(): value for key, value in reply.items()} if isinstance(reply, dict) else {}
    versions = fields.get("supportedversions")
    if isinstance(versions, list) and versions and all(isinstance(version, str) for version in versions):
        return tuple(versions)
    if fields.get("cniversion") == "0.2.0":
        return ("0.1.0", "0.2.0")
    raise DelegateFailed(f"the answer to VERSION names no versions: {encode(sorted(fields))}")

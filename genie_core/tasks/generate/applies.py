"""Which options apply to each TYPE: an option that does not apply is an error, and never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, cast

from genie_core.catalog.plugin import Wanted
from genie_core.errors import WrongUsage

_FLAGS = {"addresses": "--address"}

# The options that have a meaning for each TYPE: those of a network, and the others'. Where files go is always free.
_NETWORK = {field.name for field in fields(Wanted)} | {
    "mtu",
    "ipam",
    "chain",
    "version",
    "settings",
    "base",
    "test",
}
_ALWAYS = {"type", "conf_dirs", "bin_dirs", "root", "force", "yes", "fail_on", "output"}
_OBJECT = {"name", "subnet", "namespace", "plugin"}
_MEANING = {
    "--check": {"check", "more"},
    "--schema": {"schema"},
    "genie": {
        "settings",
        "default_network",
        "api_server",
        "token_file",
        "ca_file",
        "state_dir",
        "write",
        "test",
    },
    "nad": _NETWORK | {"plugin", "namespace"},
    "logical-network": _OBJECT | {"physical_network"},
    "physical-network": _OBJECT | {"dedicated", "master"},
}


def require_meaning(given: Mapping[str, str], what: str) -> None:
    """Raise WrongUsage for options without a meaning for `what`: a TYPE, --check or --schema.

    `given` maps the options that were given to how they are typed.
    """
    known = _MEANING.get(what, _NETWORK | {"write"}) | _ALWAYS
    refuse([flag for name, flag in given.items() if name not in known], what)
    if "test" in given and "write" in given:
        refuse(["--write"], "--test, which writes nothing")


class _Watched:
    """The wanted members, which records those that are read."""

    def __init__(self, wanted: Wanted, read: set[str]) -> None:
        self._wanted = wanted
        self._read = read

    def __getattr__(self, name: str) -> Any:
        self._read.add(name)
        return getattr(self._wanted, name)


def watched(wanted: Wanted) -> tuple[Wanted, set[str]]:
    """`wanted` itself to its reader, and the names of the members that have been read."""
    read: set[str] = set()
    return cast("Wanted", _Watched(wanted, read)), read


def require_read(said: Wanted, read: Iterable[str], what: str) -> None:
    """Raise WrongUsage for options that were not read; `what` is what was generated."""
    known = {"name", "given", "default_route", *read}
    given = [field.name for field in fields(Wanted) if getattr(said, field.name)]
    refuse([flag_of(name) for name in given if name not in known], what)


def flag_of(name: str) -> str:
    """The spelling of an option."""
    return _FLAGS.get(name, "--" + name.strip("_").replace("_", "-"))


def refuse(flags: Iterable[str], what: str) -> None:
    """Raise WrongUsage where there are any."""
    words = ", ".join(flags)
    if words:
        raise WrongUsage(
            f"{words}: no meaning for {what}",
            hint="leave it out; --set PATH=VALUE gives any member of the configuration",
        )


def refuse_unknown_members(members: Mapping[str, Any], known: Iterable[str], type_: str) -> None:
    """Raise WrongUsage for options that would become members which a known plugin does not have."""
    flags = {"vlanId": "vlan"}
    refuse(
        [flag_of(flags.get(name, name)) for name in members if name not in set(known)], f"a {type_} network"
    )

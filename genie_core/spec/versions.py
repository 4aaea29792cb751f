"""The versions of the CNI specification, and their order (SPEC, "Version"; conformance A25-A28, B08, B09).

This module is on the kubelet path: VERSION, which runtimes call for every configuration they load, needs
nothing but this.
"""

from _json import encode_basestring_ascii

from genie_core.errors import DecodingFailure, IncompatibleVersion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.model import NetConf

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT = SUPPORTED[-1]
_QUOTED = " ".join(f'"{version}"' for version in SUPPORTED)

# The whole answer to VERSION, without the newline. The reference library prints its newest version as
# cniVersion, where SPEC would echo the caller's; every consumer takes either (conformance A25).
REPLY = f'{{"cniVersion":"{CURRENT}","supportedVersions":[{_QUOTED.replace(" ", ",")}]}}'


def parse(version: str) -> tuple[int, int, int]:
    """Major, minor and patch; missing ones count as 0, and "" is 0.1.0, as the reference library has it.

    Raises DecodingFailure for anything else.
    """
    parts = (version or "0.1.0").split(".")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise DecodingFailure(f"cniVersion {_quoted(version)} is not a version such as {CURRENT}")
    major, minor, patch = [*map(int, parts), 0, 0][:3]
    return major, minor, patch


def at_least(version: str, other: str) -> bool:
    """Whether `version` is `other` or newer; 0.10.0 is newer than 0.9.0. Raises DecodingFailure."""
    return parse(version) >= parse(other)


def require_supported(version: str) -> None:
    """Raise IncompatibleVersion unless `version` is exactly one that Genie supports."""
    if version not in SUPPORTED:
        raise IncompatibleVersion(
            "incompatible CNI versions",
            details=f"config is {_quoted(version)}, plugin supports [{_QUOTED}]",
            hint=f"set cniVersion to one of these; {CURRENT} does everything",
        )


def require_readable(network: "NetConf", origin: str, *, exactly: bool = False) -> None:
    """Raise IncompatibleVersion for a network of a version that is newer than Genie's; `origin` asks for it.

    `exactly`: also for one that Genie does not support. Its plugins refuse it, or its result cannot be read.
    """
    if parse(network.version) > parse(CURRENT) or (exactly and network.version not in SUPPORTED):
        raise IncompatibleVersion(
            f"{origin}: Genie does not know cniVersion {_quoted(network.version)} of network {network.name} "
            f"({network.source})",
            details=f"known are [{_QUOTED}]",
            hint=f"set cniVersion to one of these; {CURRENT} does everything",
        )


def choose(versions: "Sequence[str]", version: str) -> str:
    """The version that a list with `cniVersions` and `cniVersion` is run in ("" where it has neither).

    That is the highest of them that Genie supports; where `versions` holds none, `version` as it is, for
    the plugins to judge. Raises DecodingFailure for an entry that is no version.
    """
    parse(version)  # what cannot be compared could never be released: DEL depends on the version
    if not versions:
        return version
    ordered = sorted((parse(candidate), candidate) for candidate in (*versions, version))
    known = [candidate for number, candidate in ordered if number <= parse(CURRENT)]
    return known[-1] if known else version


def _quoted(version: str) -> str:
    return encode_basestring_ascii(version[:40])  # it may be anything, of any length

"""Which configuration file each runtime would use, by its own rules, and why.

containerd  sorts .conf, .conflist and .json by name and loads the first `max_conf_num`; if it cannot load one of
            them, it loads none at all (go-cni opts.go, loadFromConfDir; conformance B02)
CRI-O       skips files that it cannot load or whose plugins are missing or too old, and keeps the first of a name;
            with `cni_default_network` it uses the network of that name alone (ocicni, loadNetworks)
cri-dockerd skips files that it cannot load and takes the first
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genie_core.select.files import is_self
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.runtimes import Runtime
from genie_core.survey.versions import missing_plugins, refuses_version


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """The files of its directory that a runtime uses, in order, and why; `blocker` keeps it from using others."""

    runtime: Runtime
    files: tuple[ConfFile, ...] = ()
    reason: str = ""
    blocker: ConfFile | None = None

    @property
    def first(self) -> ConfFile | None:
        """The file whose network pods get as their eth0."""
        return self.files[0] if self.files else None


def candidates(files: Sequence[ConfFile]) -> list[ConfFile]:
    """The files that a runtime looks at, in its order."""
    return sorted(
        (file for file in files if not file.ignored),
        key=lambda file: file.file.encode("utf-8", "surrogateescape"),
    )


def choose(runtime: Runtime, facts: Facts) -> RuntimeChoice:
    """What a runtime would use now."""
    files = candidates(facts.directories.get(runtime.conf_dir, ()))
    if not files:
        return RuntimeChoice(runtime=runtime, reason=f"there is no configuration in {runtime.conf_dir}")
    if runtime.kind == "containerd":
        return _containerd(runtime, files)
    if runtime.kind == "crio":
        return _crio(runtime, files, facts)
    usable = [file for file in files if file.network]
    return _first(runtime, usable, files)


def _containerd(runtime: Runtime, files: list[ConfFile]) -> RuntimeChoice:
    count = runtime.max_conf_num if runtime.max_conf_num > 0 else len(files)
    looked_at = files[:count]
    for file in looked_at:
        if not file.network:
            reason = f"{file.file} cannot be loaded, and containerd then loads nothing: it looks no further"
            return RuntimeChoice(runtime=runtime, reason=reason, blocker=file)
    rest = len(files) - len(looked_at)
    reason = (
        f"first of {len(files)} by name"
        if rest
        else "the only one"
        if len(files) == 1
        else f"all {len(files)}"
    )
    return RuntimeChoice(runtime=runtime, files=tuple(looked_at), reason=reason)


def _crio(runtime: Runtime, files: list[ConfFile], facts: Facts) -> RuntimeChoice:
    usable = [file for file in files if file.network and not any(objections(file, facts))]
    if not runtime.default_network:
        return _first(runtime, usable, files)
    for file in usable:
        if file.network and file.network.name == runtime.default_network:
            return RuntimeChoice(
                runtime=runtime, files=(file,), reason=f"cni_default_network = {runtime.default_network}"
            )
    reason = f'no usable file has the network "{runtime.default_network}" that cni_default_network names'
    return RuntimeChoice(runtime=runtime, reason=reason)


def objections(file: ConfFile, facts: Facts) -> Iterator[str]:
    """The plugins because of which CRI-O skips a file: they are missing, or do not have its version."""
    path = facts.search_path(file.directory)
    yield from (plugin.type for plugin in missing_plugins(file, facts, path))
    yield from (binary.type for binary in refuses_version(file, facts, path))


def _first(runtime: Runtime, usable: list[ConfFile], files: list[ConfFile]) -> RuntimeChoice:
    if not usable:
        return RuntimeChoice(
            runtime=runtime, reason=f"none of the {len(files)} files can be used", blocker=files[0]
        )
    skipped = files.index(usable[0])
    reason = f"first usable of {len(files)} by name" if skipped else f"first of {len(files)} by name"
    return RuntimeChoice(
        runtime=runtime, files=(usable[0],), reason=reason, blocker=files[0] if skipped else None
    )


def choices(facts: Facts) -> list[RuntimeChoice]:
    """Every runtime's choice."""
    return [choose(runtime, facts) for runtime in facts.runtimes]


def collected(facts: Facts, runtime: Runtime) -> list[ConfFile]:
    """The networks beside Genie's whose attachments CRI-O collects as garbage at its next start.

    It takes all pods for attachments of its default network, Genie's, and runs GC for every network of its directory.
    """
    first = choose(runtime, facts).first if runtime.kind == "crio" else None
    if first is None or first.network is None or not is_self(first.network):
        return []
    others = candidates(facts.directories.get(runtime.conf_dir, ()))
    return [file for file in others if file.network and file is not first and not file.network.disable_gc]


def in_use(facts: Facts) -> set[str]:
    """The paths of the files that some runtime uses; without a known runtime, the first of each directory.

    No runtime uses files that are in no directory of a node (the directory "").
    """
    used = {file.path for choice in choices(facts) for file in choice.files}
    used |= {choice.blocker.path for choice in choices(facts) if choice.blocker and not choice.files}
    if facts.runtimes:
        return used
    return {
        files[0].path
        for name, entries in facts.directories.items()
        if name and (files := candidates(entries))
    }

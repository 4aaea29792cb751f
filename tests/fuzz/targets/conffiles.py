"""The files of the configuration directories: a network's file, another one beside it, one in its folder."""

from pathlib import Path

from tests.fuzz.oracle import SECRET
from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE, dump, network, stdin

_NODES = Path(__file__).parents[2] / "fixtures" / "nodes"
_NAMES = ("net.d/05-x.conflist", "net.d/05-x.conf", "net.d/05-x.json", "net.d/x/10-y.conf")
_BASE = {**BASE, "stdin": stdin({})}
_VERBS = (b"ADD", b"ADD", b"ADD", b"STATUS", b"GC")
_SINGLE = {
    "cniVersion": "0.3.1",
    "name": "x",
    "type": "a",
    "capabilities": {"mac": True},
    "ipam": {"type": "host-local", "password": SECRET.decode()},
}


def _seeds():
    for path in sorted(_NODES.rglob("net.d/*.conf*")):
        if path.suffix in {".conf", ".conflist"}:
            yield {f"net.d/05-x{path.suffix}": path.read_bytes()}
            yield {f"net.d/05-x{path.suffix}": path.read_bytes(), "CNI_COMMAND": b"STATUS"}
    yield {"net.d/05-x.conflist": network("x", "a", "b")}
    yield {
        "net.d/05-x.conflist": network(
            "x",
            "bridge",
            version="1.1.0",
            disableCheck=True,
            disableGC="false",
            cniVersions=["0.4.0", "1.1.0"],
        )
    }
    yield {
        "net.d/05-x.conflist": dump({"cniVersion": "1.1.0", "name": "x", "loadOnlyInlinedPlugins": False}),
        "net.d/x/10-y.conf": dump({"type": "a"}),
    }
    yield {"net.d/05-x.conf": dump(_SINGLE)}
    yield {"net.d/05-x.json": dump(_SINGLE), "stdin": stdin({"cni": "x"})}
    yield {"net.d/05-x.conflist": network("x", "genie")}
    yield {
        "net.d/05-x.conf": dump(_SINGLE),
        "CNI_COMMAND": b"GC",
        "stdin": stdin().replace(b"{", b'{"cni.dev/valid-attachments": [], ', 1),
    }


def _change(mutator, case, pool):
    rng = mutator.rng
    names = [name for name in case if name.startswith("net.d/")] or [_NAMES[0]]
    name = rng.choice(names)
    data = case.get(name, b"")
    changed = {
        **case,
        name: mutator.json(data, [other[key] for other in pool for key in other if key in _NAMES]),
    }
    if rng.random() < 0.05:  # the same text under another name
        del changed[name]
        changed[rng.choice(_NAMES)] = data
    if rng.random() < 0.1:
        changed["CNI_COMMAND"] = rng.choice(_VERBS)
    if rng.random() < 0.1:
        changed["stdin"] = rng.choice(
            (
                stdin({}),
                stdin({"cni": "x"}),
                stdin({"cni": "x"}, default_plugin="x"),
                stdin(default_plugin="x,a"),
            )
        )
    return changed


TARGET = Target("conffiles", _BASE, list(_seeds()), _change, share=0.12)

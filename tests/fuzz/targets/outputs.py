"""The delegates' output, on both streams, and their exit codes."""

from tests.fuzz.targets import Target
from tests.fuzz.targets.annotations import NPWG
from tests.fuzz.targets.node import BASE, dump, stdin

_BASE = {**BASE, "stdin": stdin({"cni": "a"})}
_NEW = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "vethX", "mac": "00:11:22:33:44:55"}, {"name": "eth0", "sandbox": "@ROOT@/netns", "mtu": 1400, "socketPath": "/s", "pciID": "0"}],
    "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 1}, {"address": "fd00::2/64"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 1, "priority": 0, "table": 0, "scope": 0}, {"dst": "::/0"}],
    "dns": {"nameservers": ["10.0.0.1"], "domain": "x", "search": ["y"], "options": ["z"]},
}  # fmt: skip
_MIDDLE = {
    "cniVersion": "0.4.0",
    "interfaces": [{"name": "eth0", "sandbox": "/x"}],
    "ips": [{"version": "4", "address": "10.0.0.2/24", "interface": 0}],
}
_OLD = {
    "cniVersion": "0.2.0",
    "ip4": {"ip": "10.0.0.2/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]},
    "ip6": {"ip": "fd00::2/64"},
    "dns": {},
}
_ERROR = {"cniVersion": "1.0.0", "code": 11, "msg": "no", "details": "why"}


def _seeds():
    for result in (_NEW, _MIDDLE, _OLD, {}, None):
        for version in ("0.2.0", "0.4.0", "1.1.0"):
            yield {"ADD.stdout": dump(result), "stdin": stdin({"cni": "a"}, cniVersion=version)}
    two = stdin({"cni": "a,b@eth3,c"})
    yield {"ADD.stdout": dump(_NEW), "stdin": two}
    yield {"ADD.stdout": dump(_NEW), "stdin": stdin({NPWG: '[{"name": "n", "default-route": ["10.0.0.1"]}]'})}
    yield {"ADD.stdout": dump(_NEW), "stdin": stdin({"cni": ""})}
    for status in (b"1", b"3", b"255"):
        yield {
            "ADD.stdout": dump(_ERROR),
            "ADD.status": status,
            "ADD.stderr": b"words\non stderr\n",
            "stdin": two,
        }
        yield {"DEL.stdout": dump(_ERROR), "DEL.status": status}
    yield {"ADD.stdout": b"", "ADD.stderr": b"killed", "ADD.status": b"137"}
    for verb, config in (
        ("CHECK", {"prevResult": _NEW}),
        ("STATUS", {"default_plugin": "c"}),
        ("GC", {"cni.dev/valid-attachments": []}),
    ):
        frame = stdin({"cni": "c"}, **config)
        yield {
            "CNI_COMMAND": verb.encode(),
            "before": b"ADD",
            f"{verb}.stdout": dump(_ERROR),
            f"{verb}.status": b"1",
            "stdin": frame,
        }


def _change(mutator, case, pool):
    rng = mutator.rng
    names = [name for name in case if name.endswith((".stdout", ".stderr"))]
    name = rng.choice(names) if names else "ADD.stdout"
    data = case.get(name, b"")
    if name.endswith(".stderr"):
        return {**case, name: mutator.bytes(data)}
    changed = {**case, name: mutator.json(data, [other[name] for other in pool if name in other])}
    if rng.random() < 0.05:
        changed["DEL.stdout"], changed["DEL.status"] = changed[name], b"1"
    return changed


TARGET = Target("outputs", _BASE, list(_seeds()), _change, share=0.05)

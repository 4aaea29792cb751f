"""The state file that DEL, CHECK, GC and the next ADD find: another version's, torn, or of unknown origin."""

from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE, CAPABLE, dump, network, stdin

_FILE = "state/containers/cid1@eth0"
_RESULT = '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"@ROOT@/netns"}],"ips":[{"address":"10.0.0.2/24"}]}'
_VERBS = (b"DEL", b"DEL", b"DEL", b"CHECK", b"GC", b"ADD")
_GC = stdin().replace(b"{", b'{"cni.dev/valid-attachments": [], ', 1)


def _attachment(name, ifname, *plugins, version="1.0.0"):
    texts = [[plugin["type"], dump(plugin).decode()] for plugin in plugins or [{"type": name}]]
    return {
        "ifname": ifname,
        "label": name,
        "origin": "annotation cni, item 1",
        "args": "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p",
        "capabilities": {"mac": '"00:11:22:33:44:55"', "CNIDeviceInfoFile": '"@ROOT@/device"'},
        "binaries": [f"@ROOT@/bin/{type_}" for type_, _ in texts],
        "network": {"name": name, "version": version, "source": "x", "disableCheck": False, "disableGC": False, "plugins": texts},
    }  # fmt: skip


_PLAN = {
    "format": 1,
    "containerId": "cid1",
    "ifname": "eth0",
    "netns": "@ROOT@/netns",
    "path": ["@ROOT@/bin"],
    "bootId": "@BOOT@",
    "pod": {"namespace": "ns", "name": "p", "uid": "u1", "sandbox": "cid1"},
    "attachments": [_attachment("a", "eth0"), _attachment("c", "net1", CAPABLE, {"type": "bridge", "ipMasq": True}, version="1.1.0")],
}  # fmt: skip


def _seeds():
    first = dump(_PLAN)
    for lines in (
        [],
        [{"attached": 0, "result": _RESULT}],
        [{"attached": 0, "result": _RESULT}, {"attached": 1, "result": _RESULT}],
        [{"attached": 0, "result": _RESULT}, {"releasing": 0}, {"released": 0}, {"failed": True}],
        [{"failed": True}] * 6,
    ):
        text = b"\n".join([first, *(b"\n%s\n" % dump(line) for line in lines)])
        for verb in sorted(set(_VERBS)):
            yield _case(verb, text)
    yield _case(b"DEL", dump({**_PLAN, "bootId": "other", "pod": None}))
    yield _case(b"DEL", b"")
    yield _case(b"GC", network("a"))


def _case(verb, text):
    frame = {b"GC": _GC, b"CHECK": stdin(prevResult={"cniVersion": "1.1.0"})}.get(verb, stdin({"cni": "b"}))
    return {"CNI_COMMAND": verb, "stdin": frame, _FILE: text}


def _change(mutator, case, pool):
    lines = case[_FILE].split(b"\n")
    at = mutator.rng.randrange(len(lines))
    lines[at] = mutator.json(lines[at], [other[_FILE].partition(b"\n")[0] for other in pool])
    verb = mutator.rng.choice(_VERBS) if mutator.rng.random() < 0.1 else case["CNI_COMMAND"]
    return _case(verb, b"\n".join(lines))


TARGET = Target("state", BASE, list(_seeds()), _change, share=0.06)

"""The variables of a call: set to anything that an environment can hold, or not set."""

from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE

_NAMES = (
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_PATH",
    "CNI_ARGS",
    "CNI_NETNS_OVERRIDE",
)
_VERBS = (b"ADD", b"DEL", b"CHECK", b"GC", b"STATUS", b"VERSION", b"", b"add", b"ADD ")
_PATHS = (
    b"@ROOT@/bin",
    b"@ROOT@/netns",
    b"/proc/self/ns/net",
    b"@ROOT@/bin:/nowhere::.",
    b"@ROOT@/net.d",
    b"/",
    b"\xff/x",
    b"/dev/null",
)


def _seeds():
    for verb in _VERBS:
        yield {"CNI_COMMAND": verb}
        yield {"CNI_COMMAND": verb, "before": b"ADD"}
    yield {"CNI_NETNS": b"/proc/self/ns/net"}
    yield {"CNI_NETNS": b"/proc/self/ns/net", "CNI_NETNS_OVERRIDE": b"True"}
    yield {"CNI_CONTAINERID": b"c" * 300}
    yield {"CNI_IFNAME": "é".encode() * 7}


def _change(mutator, case, pool):
    rng = mutator.rng
    name = rng.choice(_NAMES)
    data = case.get(name, BASE.get(name, b""))
    way = rng.randrange(6)
    if way == 0:
        changed = {**case, name: b""}
    elif way == 1:
        changed = {**case, name: rng.choice(_VERBS if name == "CNI_COMMAND" else _PATHS)}
    elif way == 2:
        changed = {**case, name: rng.choice(pool).get(name, data)}
    elif name == "CNI_ARGS":
        changed = {**case, name: mutator.fields(data, b";")}
    elif name == "CNI_PATH":
        changed = {**case, name: mutator.fields(data, b":", b"/")}
    else:
        changed = {**case, name: mutator.bytes(data)}
    if rng.random() < 0.1:
        changed["CNI_COMMAND"] = rng.choice(_VERBS)
    return changed


TARGET = Target("env", BASE, list(_seeds()), _change, share=0.16)

"""The network configuration on stdin, of every verb."""

from genie_core.spec.versions import SUPPORTED
from tests.fuzz.oracle import SECRET
from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE, stdin

_SECRET = SECRET.decode()
_RESULT = {
    "interfaces": [{"name": "eth0", "sandbox": "/x"}],
    "ips": [{"address": "10.0.0.2/24", "interface": 0}],
    "dns": {"nameservers": ["10.0.0.1"]},
}
_OLD_RESULT = {
    "cniVersion": "0.2.0",
    "ip4": {"ip": "10.0.0.2/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
}
_EVERYTHING = {
    "default_plugin": "b", "log_level": "debug", "log_file": "@ROOT@/log", "default_networks": ["c", "ns/n"], "system_namespaces": ["kube-system"],
    "namespace_isolation": True, "global_namespaces": ["default", "ns"], "allowed_networks": {"n*": ["a", "c"], "x=y": ["x/*"]},
    "annotation_dialects": ["cni", "networks", "attachments", "v1.multus-cni.io/default-network"], "interface_prefix": "net", "result": "primary", "readiness_file": "@ROOT@/net.d",
    "max_parallel_adds": 3, "parallel_attachments": True, "smart_selection": {"candidates": ["a"], "weights": {"received": 1}}, "generate_missing": True, "delegate_timeout_seconds": 5,
    "policy": {"type": "k8s", "k8s_auth_token": _SECRET}, "apiKey": _SECRET,
}  # fmt: skip


def _seeds():
    yield {"stdin": stdin({"cni": "a"}, **_EVERYTHING)}
    yield {"stdin": stdin(**_EVERYTHING)}
    for version in SUPPORTED:
        yield {"stdin": stdin({"cni": "a,b"}, cniVersion=version)}
    yield {"stdin": stdin({"cni": "b"}, prevResult={"cniVersion": "1.0.0", **_RESULT})}
    yield {"stdin": stdin({"cni": "b"}, cniVersion="0.2.0", prevResult=_OLD_RESULT)}
    yield {
        "stdin": stdin({"cni": ""}, smart_selection={"candidates": ["a", "b", "c"], "weights": {"sent": 2}})
    }
    after = {"before": b"ADD"}
    yield {**after, "CNI_COMMAND": b"CHECK", "stdin": stdin(prevResult={"cniVersion": "1.1.0", **_RESULT})}
    yield {
        **after,
        "CNI_COMMAND": b"CHECK",
        "stdin": stdin(cniVersion="0.4.0", prevResult={"ips": [{"version": "4", "address": "10.0.0.2/24"}]}),
    }
    yield {**after, "CNI_COMMAND": b"DEL", "stdin": stdin()}
    yield {**after, "CNI_COMMAND": b"ADD", "stdin": stdin({"cni": "b"})}
    for valid in ([], [{"containerID": "cid1", "ifname": "eth0"}], None):
        yield {
            **after,
            "CNI_COMMAND": b"GC",
            "stdin": stdin().replace(
                b"{",
                b'{"cni.dev/valid-attachments": %s, '
                % str(valid).replace("'", '"').replace("None", "null").encode(),
                1,
            ),
        }
    yield {
        "CNI_COMMAND": b"GC",
        "stdin": stdin(default_plugin="c").replace(b"{", b'{"cni.dev/attachments": [], ', 1),
    }
    yield {"CNI_COMMAND": b"STATUS", "stdin": stdin(default_plugin="c")}
    yield {"CNI_COMMAND": b"DEL"}
    yield {"CNI_COMMAND": b"VERSION", "stdin": b""}


def _change(mutator, case, pool):
    changed = dict(case)
    data = mutator.json(
        case.get("stdin", BASE["stdin"]), [other["stdin"] for other in pool if "stdin" in other]
    )
    if mutator.rng.random() < 0.05:
        changed["CNI_COMMAND"] = mutator.rng.choice((b"ADD", b"DEL", b"CHECK", b"GC", b"STATUS", b"VERSION"))
    return {**changed, "stdin": data}


TARGET = Target("stdin", BASE, list(_seeds()), _change, share=0.22)

"""The pod's annotations, in every dialect, as containerd passes them."""

import json

from tests import manifests
from tests.fuzz.targets import Target
from tests.fuzz.targets.node import BASE, POD_ANNOTATIONS, dump, stdin
from tests.fuzz.world import ANNOTATIONS

_BASE = {**BASE, "stdin": stdin(runtimeConfig={POD_ANNOTATIONS: ANNOTATIONS.decode()})}
NPWG = "k8s.v1.cni.cncf.io/networks"
_KEYS = ("cni", "networks", NPWG, "v1.multus-cni.io/default-network", "kubernetes.io/config.source")
_FULL = {
    "name": "n", "namespace": "ns", "interface": "net7", "ips": ["10.1.2.3/24", "fd00::5"], "mac": "c2:b0:57:49:47:f1", "infiniband-guid": "c2:11:22:33:44:55:66:77",
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "TCP", "hostIP": "127.0.0.1"}], "bandwidth": {"ingressRate": 1000, "egressRate": 5, "egressBurst": 9},
    "cni-args": {"x": {"y": [1]}}, "deviceID": "0000:00:1f.6", "default-route": ["10.1.2.1", "fd00::1"],
}  # fmt: skip


def _seeds():
    for item in manifests.samples():
        if item["kind"] == "Pod":
            yield item["metadata"]["annotations"]
    yield {}
    yield {"cni": "a, b@eth3 ,c"}
    yield {"cni": "nobody"}
    yield {"cni": ""}
    yield {"networks": "l,l@eth4"}
    yield {"networks": "l:eth7"}
    yield {NPWG: "n,ns/n@net9, n"}
    yield {NPWG: json.dumps([_FULL])}
    yield {
        NPWG: json.dumps([{"name": "n", "default-route": ["10.0.0.1"]}, {"name": "n", "ips": ["10.1.2.3"]}])
    }
    yield {NPWG: "n", "v1.multus-cni.io/default-network": "kube-system/n"}
    yield {"v1.multus-cni.io/default-network": '[{"name": "n", "interface": "eth9"}]'}


def _case(annotations):
    return {"annotations": annotations}


def _change(mutator, case, pool):
    rng = mutator.rng
    way = rng.randrange(10)
    if way == 0:
        return _case(
            dump(
                {
                    rng.choice(_KEYS): mutator.fields(b"a,b@eth3,ns/n@net1", b",", b"@").decode(
                        "utf-8", "replace"
                    )
                }
            )
        )
    if way < 4:
        return _case(_one_value(mutator, case["annotations"]))
    return _case(mutator.json(case["annotations"], [other["annotations"] for other in pool]))


def _one_value(mutator, data):
    """The annotations with one of the values changed, as the text that it is."""
    try:
        annotations = json.loads(data)
        key = mutator.rng.choice(sorted(key for key, value in annotations.items() if isinstance(value, str)))
    except (ValueError, RecursionError, LookupError, AttributeError):
        return mutator.bytes(data)
    return dump({**annotations, key: mutator.string(annotations[key])})


TARGET = Target("annotations", _BASE, [_case(dump(item)) for item in _seeds()], _change, share=0.14)

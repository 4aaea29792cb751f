"""CNI_ARGS: the pod's name, and its annotations where the runtime passes them so (K8S_ANNOT)."""

from tests.fuzz.targets import Target
from tests.fuzz.targets.node import ARGS, BASE, dump, stdin

_ALONE = {"stdin": stdin(kubernetes=None)}  # no server for annotations
_ANNOTATIONS = ({"cni": "a"}, {"cni": "a,b@eth5"}, {"k8s.v1.cni.cncf.io/networks": '[{"name": "n"}]'}, None)


def _seeds():
    yield {"CNI_ARGS": ARGS}
    yield {"CNI_ARGS": b""}
    yield {"CNI_ARGS": ARGS + b";K8S_POD_NAMESPACE=other;A=B=C;IP=10.0.0.9"}
    yield {"CNI_ARGS": ARGS.replace(b"u1", b"0123456789abcdef0123456789abcdef"), "stdin": stdin()}
    for annotations in _ANNOTATIONS:
        yield {**_ALONE, "CNI_ARGS": b"K8S_ANNOT=" + dump(annotations)}
        yield {**_ALONE, "CNI_ARGS": ARGS + b";K8S_ANNOT=" + dump(annotations)}


def _change(mutator, case, pool):
    args = case.get("CNI_ARGS", ARGS)
    head, mark, annotations = args.partition(b"K8S_ANNOT=")
    if mark and mutator.rng.random() < 0.5:
        args = head + mark + mutator.json(annotations)
    elif mutator.rng.random() < 0.1:
        args = mutator.rng.choice(pool).get("CNI_ARGS", ARGS)
    else:
        args = mutator.fields(args, b";")
    return {**case, "CNI_ARGS": args}


TARGET = Target("args", BASE, list(_seeds()), _change, share=0.16)

"""Answers of the API server and cAdvisor: objects of every shape, status codes, bytes that are not HTTP."""

from tests import manifests
from tests.fuzz.answers import answer, body_of
from tests.fuzz.targets import Target
from tests.fuzz.targets.annotations import NPWG
from tests.fuzz.targets.node import BASE, CAPABLE, LOGICAL, PHYSICAL, RATES, dump, nad, pod, stdin

_BASE = {**BASE, "stdin": stdin()}
_NAD, _LOGICAL, _PHYSICAL = (
    "api/network-attachment-definitions",
    "api/logicalnetworks",
    "api/physicalnetworks",
)
_BY_NAD, _BY_LOGICAL = answer(pod({NPWG: "n"})), answer(pod({"networks": "l"}))
_STATUS = {
    "kind": "Status",
    "status": "Failure",
    "message": "no",
    "reason": "Forbidden",
    "details": {"retryAfterSeconds": 1},
}
_CODES = (200, 201, 204, 301, 304, 400, 401, 403, 404, 409, 410, 422, 503)


def _seeds():
    yield {"api/pods": answer(pod({"cni": "a,b"}))}
    yield {"api/pods": answer(pod({"cni": "a,b"}, uid="other"))}
    yield {"api/pods": _BY_NAD}
    yield {"api/pods": _BY_NAD, _NAD: answer(nad())}
    yield {
        "api/pods": _BY_NAD,
        _NAD: answer(nad({"cniVersion": "1.1.0", "plugins": [CAPABLE, {"type": "a"}]})),
    }
    yield {"api/pods": _BY_NAD, "api/PATCH": answer(dump(_STATUS), 409, "Conflict")}
    yield {"api/pods": _BY_LOGICAL}
    shared = {**PHYSICAL, "spec": {"sharedStatus": {"dedicatedNet": False, "subnet": "10.0.0.0/16"}}}
    others = {
        "items": [
            LOGICAL,
            {
                **LOGICAL,
                "metadata": {"name": "other"},
                "spec": {**LOGICAL["spec"], "sub_subnet": "10.0.3.0/24"},
            },
        ]
    }
    yield {
        "api/pods": _BY_LOGICAL,
        _PHYSICAL: answer(dump(shared)),
        _LOGICAL: answer(dump({**LOGICAL, **others})),
    }
    yield {"api/pods": answer(pod({"cni": ""})), "api/containers": answer(dump(RATES))}
    for item in manifests.samples():
        if item["kind"] == "NetworkAttachmentDefinition":
            yield {"api/pods": _BY_NAD, _NAD: answer(dump(item))}
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    body = pod({"cni": "b"})
    yield {"api/pods": chunked % (len(body), body)}
    yield {"api/pods": answer(dump(_STATUS), 403, "Forbidden")}


def _change(mutator, case, pool):
    rng = mutator.rng
    name = rng.choice([name for name in case if name.startswith("api/")] or ["api/pods"])
    data = case.get(name, _BASE.get(name, b""))
    way = rng.randrange(20)
    if way == 0:
        changed = mutator.bytes(data)
    elif way == 1:
        head, mark, body = data.partition(b"\r\n\r\n")
        changed = mutator.fields(head, b"\r\n", b":") + mark + body
    elif way == 2:
        changed = answer(body_of(data), rng.choice(_CODES))
    else:
        changed = answer(
            mutator.json(body_of(data), [body_of(other[name]) for other in pool if name in other])
        )
    return {**case, name: changed}


TARGET = Target("objects", _BASE, list(_seeds()), _change, share=0.07)

"""The metadata of an object in Kubernetes' protobuf encoding, which Go clients may send. Only what is read here.

Numbers: k8s.io/apimachinery/pkg/runtime/generated.proto (Unknown), pkg/apis/meta/v1/generated.proto (ObjectMeta).
"""

from typing import Any

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MARK = b"k8s\0"
_RAW, _METADATA, _VERSION, _LABELS, _ANNOTATIONS = 2, 1, 6, 11, 12
_VARINT, _LONG, _BYTES, _SHORT = 0, 1, 2, 5


def metadata_of(body: bytes) -> dict[str, Any]:
    """Its resourceVersion, labels and annotations. Raises ValueError for another encoding."""
    if not body.startswith(_MARK):
        raise ValueError("the body does not begin as Kubernetes' protobuf does")
    (encoded,) = _fields(_fields(body[len(_MARK) :])[_RAW][0])[_METADATA]
    found = _fields(encoded)
    version = found.get(_VERSION, [b""])[0].decode()
    return {
        "labels": dict(_pair(entry) for entry in found.get(_LABELS, [])),
        "annotations": dict(_pair(entry) for entry in found.get(_ANNOTATIONS, [])),
        **({"resourceVersion": version} if version else {}),
    }


def _pair(entry: bytes) -> tuple[str, str]:
    found = _fields(entry)
    key, value = (found.get(number, [b""])[0].decode() for number in (1, 2))
    return key, value


def _fields(data: bytes) -> dict[int, list[bytes]]:
    """The values by field number; numbers are left out. Raises ValueError where the message is cut off."""
    found: dict[int, list[bytes]] = {}
    while data:
        key, data = _varint(data)
        kind = key & 7
        if kind == _VARINT:
            _, data = _varint(data)
            continue
        if kind == _BYTES:
            size, data = _varint(data)
        else:
            size = {_LONG: 8, _SHORT: 4}[kind]
        if size > len(data):
            raise ValueError("the message is cut off")
        if kind == _BYTES:
            found.setdefault(key >> 3, []).append(data[:size])
        data = data[size:]
    return found


def _varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, data[place + 1 :]
    raise ValueError("a number is cut off")

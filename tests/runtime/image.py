"""The sandbox image: an OCI archive (image-spec 1.0) of one static program that waits.

The program is written here, byte by byte, so that no compiler and no registry is needed: an ELF64 file with one
loadable segment whose code calls pause(2) for ever.
"""

import gzip
import hashlib
import io
import json
import platform
import struct
import tarfile
from pathlib import Path

NAME = "docker.io/genie/pause:test"
_BASE = 0x400000
_HEADERS = 64 + 56
# mov eax, 34 (pause); syscall; jmp back         |  mov x8, 73 (ppoll) with no descriptors; svc 0; b back
_CODE = {
    "x86_64": (62, bytes.fromhex("b8220000000f05ebf7")),
    "aarch64": (
        183,
        struct.pack(
            "<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA
        ),
    ),
}
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def pause_program() -> bytes:
    """The program for this machine (elf(5))."""
    machine, code = _CODE[platform.machine()]
    size = _HEADERS + len(code)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def write(path: Path, name: str = NAME) -> None:
    """Write the archive for `ctr images import`, which gives the image that name."""
    layer = _tar({"pause": (pause_program(), 0o755)})
    packed = gzip.compress(layer, mtime=0)
    architecture = _GO_ARCHITECTURES[platform.machine()]
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
    )
    named = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    named["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "test"}
    index = _json({"schemaVersion": 2, "manifests": [named]})
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": (blob, 0o644) for blob in (packed, config, manifest)}
    layout = {"oci-layout": (b'{"imageLayoutVersion":"1.0.0"}', 0o644), "index.json": (index, 0o644)}
    path.write_bytes(_tar(layout | blobs))


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}

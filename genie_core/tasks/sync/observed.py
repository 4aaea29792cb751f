"""The networks that a pod asks for, as a short text to compare."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from genie_core.dialects import ASKING
from genie_core.jsontext import encode


def observed(annotations: Mapping[str, str]) -> str:
    """The request's hash: the first 16 hexadecimal digits of the SHA-256 of the annotations that ask for networks."""
    request = encode({key: annotations[key] for key in sorted(ASKING) if key in annotations})
    return hashlib.sha256(request.encode("ascii")).hexdigest()[:16]

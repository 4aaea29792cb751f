"""Kubernetes' names: RFC 1123 labels and subdomains (apimachinery pkg/util/validation). Pure; kubelet path."""

_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_INSIDE = _ALPHANUMERIC | {"-"}
MAX_LABEL, MAX_SUBDOMAIN = 63, 253


def is_label(text: str) -> bool:
    """Whether it is a namespace's name: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 characters."""
    return len(text) <= MAX_LABEL and _is_part(text)


def is_subdomain(text: str) -> bool:
    """Whether it is an object's name: labels' characters in parts between dots, at most 253 characters."""
    return len(text) <= MAX_SUBDOMAIN and all(_is_part(part) for part in text.split("."))


def _is_part(text: str) -> bool:
    return bool(text) and text[0] in _ALPHANUMERIC and text[-1] in _ALPHANUMERIC and _INSIDE.issuperset(text)

"""Which of the node's networks and of other namespaces' definitions a pod may take: `allowed_networks`.

    {"shop": ["storage", "vlan-*"], "team-*": ["infra/backup"], "tier=gold,zone=a": ["*"]}

A key is a namespace, or labels of it that must all be there; a value is a list of networks: a name as a file's name
gives it, or `namespace/name` of a NetworkAttachmentDefinition. `*` stands for any text without a '/'. Labels are read
from the API server, and only where no namespace's name has decided. Pure; on the kubelet path, where something is
restricted.
"""

from genie_core.dialects import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from genie_core.settings import Settings

    Rules = Mapping[str, Sequence[str]]


def is_allowed(
    rules: "Rules", namespace: str, network: str, labels: "Callable[[], Mapping[str, str]]"
) -> bool:
    """Whether pods of the namespace may take the network. `labels` reads the namespace's; it may raise TryAgain."""
    fitting = [who for who, networks in rules.items() if any(_fits(pattern, network) for pattern in networks)]
    if any(matches(who, namespace) for who in fitting if not is_selector(who)):
        return True
    selectors = [who for who in fitting if is_selector(who)]
    return bool(selectors) and _is_selected(selectors, labels())


def allowed_by_name(rules: "Rules", namespace: str) -> list[str]:
    """The patterns of the entries that name the namespace, without those that ask for labels."""
    found = [networks for who, networks in rules.items() if not is_selector(who) and matches(who, namespace)]
    return list(dict.fromkeys(pattern for networks in found for pattern in networks))


def limits(settings: "Settings") -> "dict[str, Any]":
    """The limits of a configuration, as `discover` shows them."""
    return {
        "namespaceIsolation": settings.namespace_isolation,
        "globalNamespaces": settings.global_namespaces,
        "allowedNetworks": settings.allowed_networks,
        "annotationDialects": settings.annotation_dialects,
        "allowCniArgs": settings.allow_cni_args,
    }


def can_take(settings: "Settings", namespace: str) -> "dict[str, Any]":
    """What pods of a namespace can take, as `explain pod` shows it; None for everything.

    `networks` are those of the node besides the default network; `byLabels` what comes to it with labels.
    """
    rules = settings.allowed_networks or {}
    by_name = allowed_by_name(rules, namespace)
    closed = settings.namespace_isolation or settings.allowed_networks is not None
    others = [f"{name}/*" for name in dict.fromkeys([namespace, *settings.global_namespaces])]
    definitions = [*others, *(pattern for pattern in by_name if "/" in pattern)]
    return {
        "networks": [pattern for pattern in by_name if "/" not in pattern] if closed else None,
        "definitions": definitions if settings.namespace_isolation else None,
        "byLabels": {who: list(networks) for who, networks in rules.items() if is_selector(who)},
        "annotations": [key for key, word in WORDS.items() if word in settings.annotation_dialects],
        "cniArgs": settings.allow_cni_args,
    }


def is_selector(who: str) -> bool:
    """Whether a key means labels: no namespace has '=' in its name."""
    return "=" in who


def _is_selected(selectors: "Sequence[str]", labels: "Mapping[str, str]") -> bool:
    """Whether all labels of one of the selectors are there."""
    wanted = [[pair.strip().partition("=") for pair in selector.split(",")] for selector in selectors]
    return any(
        all(key in labels and matches(value, labels[key]) for key, _, value in pairs) for pairs in wanted
    )


def _fits(pattern: str, network: str) -> bool:
    """Whether a pattern means the network; one without '/' never means another namespace's definition."""
    wanted, found = pattern.rpartition("/"), network.rpartition("/")
    return wanted[1] == found[1] and matches(wanted[0], found[0]) and matches(wanted[2], found[2])


def matches(pattern: str, text: str) -> bool:
    """Whether the text fits, where `*` stands for any text. (`fnmatch` would cost 8 ms: it imports `re`.)"""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    position = len(first)
    for part in middle:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return text.startswith(first) and text.endswith(last) and position + len(last) <= len(text)

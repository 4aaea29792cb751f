"""The annotations by which a pod asks for networks: the one table of them. Pure; on the kubelet path.

A new one is a row here and a module of `select/` with two functions:

    choose(chooser, annotations) -> (networks in front of `default_networks`, networks behind them)
    selections(text, namespace)  -> what the annotation names; raises InvalidConfig naming the item. Not with `blank`

docs/networks.md explains each of them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

CNI = "cni"
NETWORKS = "networks"
NPWG_NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"  # the answer to them (status.py)


class Dialect:
    """One way to ask. `key` is its annotation, `word` what `annotation_dialects` calls it, `module` that of `select/`.

    It applies where the annotation is there and not blank, with `blank` where it is blank; `rule` says so. Its networks
    are API objects of `kind`, "" for the node's own; with `additional` they come beside the default network.
    """

    __slots__ = ("additional", "blank", "key", "kind", "module", "rule", "word")

    def __init__(
        self,
        key: str,
        word: str,
        module: str,
        rule: str,
        *,
        blank: bool = False,
        kind: str = "",
        additional: bool = False,
    ) -> None:
        self.key: Final = key
        self.word: Final = word
        self.module: Final = module
        self.rule: Final = rule
        self.blank: Final = blank
        self.kind: Final = kind
        self.additional: Final = additional


BY_LOAD = Dialect(
    CNI,
    "cni",
    "smart",
    "it is blank: the least loaded network; on any doubt the default network",
    blank=True,
)
BY_LOGICAL_NETWORK = Dialect(
    NETWORKS,
    "networks",
    "logical",
    "cni is blank or absent, and this is not: each LogicalNetwork, in order",
    kind="LogicalNetwork",
)
BY_NAME = Dialect(CNI, "cni", "names", "it names networks: the configuration that each name fits, in order")
BY_ATTACHMENT = Dialect(
    NPWG_NETWORKS,
    "attachments",
    "attachments",
    "it is not blank: the default network, then each of its entries",
    kind="NetworkAttachmentDefinition",
    additional=True,
)
BY_DEFAULT = Dialect("", "", "default", "no annotation names a network: the default network")

# Each takes precedence over those before it.
DIALECTS = (BY_LOAD, BY_LOGICAL_NETWORK, BY_NAME, BY_ATTACHMENT)
# Every annotation by which a pod asks for networks -> the word of `annotation_dialects` that allows it.
WORDS = {**{dialect.key: dialect.word for dialect in DIALECTS}, DEFAULT_NETWORK: "default-network"}
ASKING = tuple(dict.fromkeys([*(dialect.key for dialect in reversed(DIALECTS)), DEFAULT_NETWORK]))


def asked(annotations: "Mapping[str, str]") -> dict[str, str]:
    """Those by which a pod asks for networks."""
    return {key: annotations[key] for key in ASKING if key in annotations}


def does_ask(annotations: "Mapping[str, str]") -> bool:
    """Whether any annotation asks for networks."""
    return any(key in annotations for key in ASKING)


def dialect_of(annotations: "Mapping[str, str]") -> Dialect:
    """The dialect that decides over the pod's networks; annotations of the others do not matter (D01, D02)."""
    for dialect in reversed(DIALECTS):
        text = annotations.get(dialect.key)
        if text is not None and dialect.blank is not bool(text.strip()):
            return dialect
    return BY_DEFAULT

"""`genie explain`: what a code means, what a key does, why a pod has its networks, who uses a network.

codes (with cni_errors, event_reasons), keys, selection, network: one module for each of these.
"""

from genie_core.tasks.explain.codes import ALL, Explained, explain, is_check, is_code, similar
from genie_core.tasks.explain.keys import KeyReport, explain_key, key_names
from genie_core.tasks.explain.network import NetworkUsage, explain_network
from genie_core.tasks.explain.selection import Chosen, Selection, explain_selection

__all__ = [
    "ALL",
    "Chosen",
    "Explained",
    "KeyReport",
    "NetworkUsage",
    "Selection",
    "explain",
    "explain_key",
    "explain_network",
    "explain_selection",
    "is_check",
    "is_code",
    "key_names",
    "similar",
]

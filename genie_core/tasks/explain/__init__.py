"""`genie explain`: what a code means, what a configuration key does, why a pod has its networks."""

from genie_core.tasks.explain.codes import ALL, Explained, explain
from genie_core.tasks.explain.keys import KeyReport, explain_key, key_names
from genie_core.tasks.explain.selection import Chosen, Selection, explain_selection

__all__ = [
    "ALL",
    "Chosen",
    "Explained",
    "KeyReport",
    "Selection",
    "explain",
    "explain_key",
    "explain_selection",
    "key_names",
]

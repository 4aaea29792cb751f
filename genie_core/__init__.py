"""Genie's core: everything the kubelet-facing plugin and the command line share."""

__version__ = "1.0.0"

"""Genie's core: everything that the plugin and the command line share."""

__version__ = "1.0.0"

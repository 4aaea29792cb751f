"""Genie's command line: options in, a task of the core, tables or JSON out."""

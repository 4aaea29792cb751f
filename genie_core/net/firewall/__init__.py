"""Firewall rules of both tools as one form, and what they do with a given packet."""

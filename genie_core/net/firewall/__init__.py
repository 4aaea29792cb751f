"""Firewall rules of both tools in one form, and their evaluation for a packet."""

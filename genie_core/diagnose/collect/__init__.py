"""Collectors: each reads one source once and may be missing; none of them changes anything."""

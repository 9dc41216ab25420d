"""Attacks by their number, each ending in the invariants."""

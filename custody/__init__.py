"""Custody: clients' assets, segregated, moved only by two quorums over one intent."""

__version__ = "0.1.0"

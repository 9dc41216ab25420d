"""What rules of every kind share when they are read."""

from __future__ import annotations

from collections.abc import Mapping

Groups = Mapping[str, frozenset[str]]
"""Group name to the ids of its members."""

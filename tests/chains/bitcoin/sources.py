"""Where the node is to look, from texts a test has."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """An address source of Bitcoin: both chains in one text, and each alone."""

    text: str
    receive_text: str
    change_text: str
    first_position: int = 0

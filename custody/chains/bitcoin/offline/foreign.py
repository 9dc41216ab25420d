"""The one boundary around foreign parsers.

On hostile input embit raises nine kinds of exception, bare ``IndexError`` and ``AssertionError`` among them,
python-bitcoinlib several more, bdkpython one family. Here each of them becomes ``ForeignRefusal``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class ForeignRefusal(Exception):
    """A library did not accept its input. Callers say what that means in their own words."""


def foreign(call: Callable[[], Result]) -> Result:
    """``call()``, with whatever a foreign library raises turned into ``ForeignRefusal``."""
    try:
        return call()
    except Exception as error:
        raise ForeignRefusal(type(error).__name__) from error

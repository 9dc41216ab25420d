"""HTML made of elements, so that no text can become markup: whatever is not an element already is escaped."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Final

from custody.kernel.lettering import told

_SPECIAL: Final = re.compile("[&<>\"']").search
_VOID: Final = frozenset({"input", "link", "meta"})
_EXACT: Final = frozenset({"pre", "textarea"})
"""What is in them is edited, copied or signed as it stands."""


class Markup(str):
    """Text that is HTML already; only ``element`` and ``joined`` make it."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Markup:
    """``<tag …>children</tag>``. ``class_`` and ``data_kind`` are written ``class`` and ``data-kind``."""
    written = "".join([f' {_attribute(key)}="{_escaped(value)}"' for key, value in attributes.items()])
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    held = map(_exact, children) if tag in _EXACT else children
    return Markup(f"<{tag}{written}>{joined(*held)}</{tag}>")


def joined(*children: str) -> Markup:
    """Elements and texts one after the other, without an element around them. Letters that can mislead are marked."""
    return Markup("".join([child if isinstance(child, Markup) else _escaped(told(child)) for child in children]))


def _exact(child: str) -> Markup:
    return child if isinstance(child, Markup) else Markup(_escaped(child))


def _escaped(text: str) -> str:
    """A page is a thousand texts, and few of them hold what has to be escaped."""
    return html.escape(text) if _SPECIAL(text) else str(text)


@lru_cache(maxsize=256)
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")

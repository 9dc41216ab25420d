"""HTML made of elements, so that no text can become markup: whatever is not an element already is escaped."""

from __future__ import annotations

import html
from typing import Final

_VOID: Final = frozenset({"input", "link", "meta"})


class Markup(str):
    """Text that is HTML already; only ``element`` and ``joined`` make it."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Markup:
    """``<tag …>children</tag>``. ``class_`` and ``data_kind`` are written ``class`` and ``data-kind``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Markup:
    """Elements and texts one after the other, without an element around them."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))

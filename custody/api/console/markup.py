"""HTML made of elements, so that no text can become markup: whatever is not an element already is escaped."""

from __future__ import annotations

import html
from typing import Final

from custody.kernel.lettering import told

_VOID: Final = frozenset({"input", "link", "meta"})
_EXACT: Final = frozenset({"pre", "textarea"})
"""What is in them is edited, copied or signed as it stands."""


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
    held = map(_exact, children) if tag in _EXACT else children
    return Markup(f"<{tag}{written}>{joined(*held)}</{tag}>")


def joined(*children: str) -> Markup:
    """Elements and texts one after the other, without an element around them. Letters that can mislead are marked."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(told(child)) for child in children))


def _exact(child: str) -> Markup:
    return child if isinstance(child, Markup) else Markup(html.escape(child))

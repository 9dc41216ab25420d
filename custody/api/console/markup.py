"""HTML made of elements, so that no text can become markup: whatever is not an element already is escaped."""

from __future__ import annotations

import html
from typing import Final

_VOID: Final = frozenset({"input", "link", "meta"})


class Markup(str):
    """Text that is HTML already; only ``element`` and ``page`` make it."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Markup:
    """``<tag …>children</tag>``. ``class_`` and ``data_kind`` are written ``class`` and ``data-kind``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    inner = "".join(child if isinstance(child, Markup) else html.escape(child) for child in children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def facts(*rows: tuple[str, str], class_: str = "plain") -> Markup:
    """Names and values, one under the other."""
    pairs = [part for name, value in rows for part in (element("dt", name), element("dd", value))]
    return element("dl", *pairs, class_=class_)


def page(title: str, *body: str) -> str:
    """A whole document with our own style and script, and no other."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · Custody"),
        element("link", rel="stylesheet", href="/console/static/console.css"),
        element("script", src="/console/static/console.js", defer="defer"),
    )
    return "<!doctype html>" + element("html", head, element("body", *body), lang="en")

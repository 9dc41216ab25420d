"""What is drawn: a QR code and a chart, as SVG geometry without a style of their own; each is told in words besides."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import segno

from custody.api.console.markup import Markup, element

QUIET: Final = 4
"""Modules of white around a QR code, as its standard asks."""
WIDTH, HEIGHT, LEFT, TOP = 640, 180, 8, 24
DAYS: Final = 30
WHOLE: Final = 1_000_000
"""Coverage of every unit, in millionths."""
SHAPES: Final = ("circle", "diamond", "square", "triangle", "cross")
"""A shape for each series: as many as one chart has."""


def qr_code(text: str, *, label: str) -> Markup:
    """``text`` as a QR code, black on white in either theme."""
    rows = segno.make(text, micro=False, error="m").matrix
    size = len(rows) + 2 * QUIET
    path = "".join(_runs(row, line + QUIET) for line, row in enumerate(rows))
    return element(
        "svg",
        element("rect", x="0", y="0", width=str(size), height=str(size), class_="white"),
        element("path", d=path, class_="black"),
        viewBox=f"0 0 {size} {size}",
        class_="qr",
        role="img",
        aria_label=label,
    )


def qr_file(text: str, *, title: str) -> bytes:
    """``text`` as a QR code in a file of its own, black on white, which ``title`` tells in words."""
    drawn = io.BytesIO()
    segno.make(text, micro=False, error="m").save(drawn, kind="svg", scale=8, border=QUIET, light="#fff", title=title)
    return drawn.getvalue()


def coverage_chart(series: Sequence[Mapping[str, Any]], *, until: date, label: str) -> Markup:
    """A line for each asset over thirty days; a day without a run is a gap, a day with a break a larger mark."""
    chosen = series[: len(SHAPES)]
    values = [point["coverage"] for each in chosen for point in each["points"]]
    low, high = min([*values, WHOLE]), max([*values, WHOLE])
    low -= max((high - low) // 10, 1)
    high += max((high - low) // 10, 1)
    first = until - timedelta(days=DAYS - 1)
    lines = [_series(each, SHAPES[place], first, low, high) for place, each in enumerate(chosen)]
    whole = str(_y(WHOLE, low, high))
    return element(
        "svg",
        element("line", x1=str(LEFT), x2=str(WIDTH - LEFT), y1=whole, y2=whole, class_="whole-line"),
        element("text", "100 %: every unit the books say", x=str(LEFT), y=str(_y(WHOLE, low, high) - 6)),
        *lines,
        element("text", f"{first:%Y-%m-%d}", x=str(LEFT), y=str(HEIGHT + TOP + 14)),
        element("text", f"{until:%Y-%m-%d}", x=str(WIDTH - LEFT), y=str(HEIGHT + TOP + 14), class_="end"),
        viewBox=f"0 0 {WIDTH} {HEIGHT + TOP + 20}",
        class_="chart",
        role="img",
        aria_label=label,
    )


def percent(millionths: int) -> str:
    """``99.9999 %``: never rounded up."""
    return f"{millionths // 10_000}.{millionths % 10_000:04d} %"


def _series(series: Mapping[str, Any], shape: str, first: date, low: int, high: int) -> Markup:
    placed = [
        ((date.fromisoformat(point["day"]) - first).days, _y(point["coverage"], low, high), point["result"])
        for point in series["points"]
    ]
    shown = [(day, y, result) for day, y, result in placed if 0 <= day < DAYS]
    path, before = "", -2
    for day, y, _ in shown:
        path += f"{'L' if day == before + 1 else 'M'}{_x(day)} {y}"
        before = day
    marks = [_mark(shape, _x(day), y, 5 if result == "break" else 3, result) for day, y, result in shown]
    last = shown[-1:] or [(0, 0, "")]
    name = element("text", series["asset"]["code"], x=str(WIDTH - LEFT), y=str(last[0][1] + 16), class_="end")
    return element(
        "g", element("path", d=path or "M0 0", class_="line"), *marks, name if shown else "", class_="series"
    )


def _mark(shape: str, x: int, y: int, r: int, result: str) -> Markup:
    tone = "bad" if result == "break" else "info"
    if shape == "circle":
        return element("circle", cx=str(x), cy=str(y), r=str(r), class_=f"used {tone}")
    paths = {
        "diamond": f"M{x} {y - r}L{x + r} {y}L{x} {y + r}L{x - r} {y}z",
        "square": f"M{x - r} {y - r}h{2 * r}v{2 * r}h{-2 * r}z",
        "triangle": f"M{x} {y - r}L{x + r} {y + r}L{x - r} {y + r}z",
        "cross": f"M{x - r} {y - 1}h{2 * r}v2h{-2 * r}zM{x - 1} {y - r}h2v{2 * r}h-2z",
    }
    return element("path", d=paths[shape], class_=f"used {tone}")


def _runs(row: Sequence[int], line: int) -> str:
    """The black runs of one row of modules."""
    path, start = "", None
    for place, module in enumerate((*row, 0)):
        if module and start is None:
            start = place
        elif not module and start is not None:
            width = place - start
            path += f"M{start + QUIET} {line}h{width}v1h-{width}z"
            start = None
    return path


def _x(day: int) -> int:
    return LEFT + 4 + day * (WIDTH - 2 * LEFT - 8) // (DAYS - 1)


def _y(value: int, low: int, high: int) -> int:
    return TOP + (high - value) * HEIGHT // max(high - low, 1)

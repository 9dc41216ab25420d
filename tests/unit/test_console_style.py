"""The stylesheet keeps its promises: enough contrast for every token, in both themes, and nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import custody.api.console

STYLE = (Path(custody.api.console.__file__).parent / "static/console.css").read_text()
BLOCKS = re.findall(r"(:root[^{]*)\{([^}]*--bg[^}]*)\}", STYLE)
TEXT, SHAPE = 4.5, 3.0
WANTED = (
    *(
        (name, ground, TEXT)
        for name in ("text", "dim", "accent", "ok", "warn", "bad", "info")
        for ground in ("bg", "panel")
    ),
    *((name, f"{name}-tint", TEXT) for name in ("ok", "warn", "bad", "info")),
    *(("text", f"{name}-tint", TEXT) for name in ("ok", "warn", "bad", "info")),
    ("dim", "info-tint", TEXT),
    ("accent", "info-tint", TEXT),
    ("on-accent", "accent", TEXT),
    ("line", "bg", SHAPE),
    ("line", "panel", SHAPE),
)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", range(3))
def test_every_token_can_be_read(place: int) -> None:
    assert len(BLOCKS) == 3
    tokens = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", BLOCKS[place][1]))
    low = [(name, ground) for name, ground, wanted in WANTED if contrast(tokens[name], tokens[ground]) < wanted]
    assert low == []


def test_the_two_ways_to_the_dark_are_one_palette() -> None:
    tokens = [re.findall(r"--[a-z-]+: #[0-9a-f]{6}", block) for _, block in BLOCKS]
    assert tokens[1] == tokens[2]
    assert "#000000" not in tokens[1][0]


def test_nothing_comes_from_elsewhere() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE

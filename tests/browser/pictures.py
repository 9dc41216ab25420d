"""The pictures of the README: made by the test of the first five minutes, as ``build/screens/readme-….png``.

CONTRIBUTING.md says how the committed ones, in ``docs/pictures``, are made anew.
"""

from __future__ import annotations

from html import escape
from typing import Final

from playwright.sync_api import Browser, Page

from tests.browser.looking import SCREENS

MOST_BYTES: Final = 150_000
_TERMINAL: Final = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181d; color: #e4e6eb; }}
pre {{ margin: 0; padding: 20px 24px; width: 106ch; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 14px/1.5 "DejaVu Sans Mono", "Liberation Mono", monospace; }}
</style><pre>{text}</pre>"""


def keep(page: Page, name: str) -> None:
    """What the window shows of a page, as ``readme-NAME.png``. Raises ``AssertionError`` for one above 150 kB."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    found = page.screenshot(path=str(SCREENS / f"readme-{name}.png"))
    assert len(found) <= MOST_BYTES


def keep_terminal(browser: Browser, text: str, name: str) -> None:
    """Text as a terminal shows it, as ``readme-NAME.png``."""
    page = browser.new_page(viewport={"width": 960, "height": 100})
    page.set_content(_TERMINAL.format(text=escape(text)))
    box = page.locator("pre").bounding_box()
    assert box
    page.set_viewport_size({"width": int(box["width"]), "height": int(box["height"])})
    keep(page, name)
    page.close()

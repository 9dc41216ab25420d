"""Looking at a page: screenshots in both themes and widths, kept as build output, and axe, which must find nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tests.browser.chromium import Person

HERE: Final = Path(__file__).parent
SCREENS: Final = HERE.parent.parent / "build" / "screens"
AXE: Final = HERE / "axe/node_modules/axe-core/axe.min.js"
WIDTHS: Final = (360, 1600)
SCANNED: Final = (("light", 360), ("dark", 1600))
"""Where axe looks: at each palette once and at each layout once, for a palette changes no layout nor a layout one."""
A4_WIDTH: Final = 794
"""In the pixels of a style sheet."""
THEMES: Final = ("light", "dark")
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
MOST_BYTES: Final = 60_000
_RUN: Final = """(tags) => axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] })"""


_FOLDED: Final = """() => [...document.querySelectorAll("details > :not(summary)")]
  .filter((each) => !each.checkVisibility() || each.getBoundingClientRect().height === 0)
  .filter((each) => !getComputedStyle(each.parentElement.querySelector("summary"), "::after").content
    .includes("not printed, it is on the screen"))
  .map((each) => each.textContent.slice(0, 80))"""


def look(person: Person, path: str, name: str) -> None:
    """Open ``path`` and look at it four times; the pictures are ``build/screens/NAME-THEME-WIDTH.png``.

    Raises ``AssertionError`` for what axe finds, for a page wider than its window and for one above 60 kB.
    """
    person.open(path)
    look_at(person, name)


def look_at(person: Person, name: str) -> None:
    """The same for the page that is open, without loading it again."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    page = person.page
    before = page.viewport_size
    found: list[str] = []
    for theme in THEMES:
        _emulate(person, theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=str(SCREENS / f"{name}-{theme}-{width}.png"), full_page=True)
            where = f"{name} {theme} {width}"
            if (theme, width) in SCANNED:
                found += [f"{where}: {each}" for each in violations(person)]
            wide = _too_wide(person)
            found += [f"{where}: {wide} px wider than its window"] if wide > 0 else []
    if before:
        page.set_viewport_size(before)
    _emulate(person)
    weight = page.evaluate("document.documentElement.outerHTML.length") + _files(person)
    found += [f"{name}: {weight} bytes"] if weight > MOST_BYTES else []
    assert not found, "\n".join(found)


def look_printed(person: Person, name: str) -> None:
    """What a printer would be given of the page that is open, A4, from a light and from a dark screen.

    The pictures are ``build/screens/NAME-print-THEME.png``. Raises ``AssertionError`` for what axe finds, and for a
    page wider than the paper or with something folded away on it of which nothing is said.
    """
    page = person.page
    before = page.viewport_size
    found: list[str] = []
    page.set_viewport_size({"width": A4_WIDTH, "height": 1123})
    for theme in THEMES:
        _emulate(person, theme, media="print")
        page.screenshot(path=str(SCREENS / f"{name}-print-{theme}.png"), full_page=True)
        # Nobody presses paper: how large a target is, is no matter there.
        against = [each for each in violations(person) if not each.startswith("target-size:")]
        found += [f"{name} printed {theme}: {each}" for each in against]
        found += [f"{name} does not fit on paper"] if _too_wide(person) > 0 else []
        found += [f"{name} printed folds away: {each}" for each in page.evaluate(_FOLDED)]
    _emulate(person)
    if before:
        page.set_viewport_size(before)
    assert not found, "\n".join(found)


def _emulate(person: Person, theme: str = "", *, media: str = "") -> None:
    """Look with this theme and medium; without them as the browser does by itself."""
    features = [{"name": "prefers-color-scheme", "value": theme}] if theme else []
    person.devtools.send("Emulation.setEmulatedMedia", {"features": features, "media": media})


def _too_wide(person: Person) -> int:
    wide = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(wide)


def violations(person: Person) -> list[str]:
    """What axe has against the page that is open: rule, why, and the first three elements.

    It runs in the page by way of the debugger, which the page's content security policy does not bind.
    """
    if not person.page.evaluate("typeof axe === 'object'"):
        person.devtools.send("Runtime.evaluate", {"expression": AXE.read_text()})
    result: Any = person.page.evaluate(_RUN, list(TAGS))
    return [
        f"{each['id']}: {each['help']}: {' | '.join(node['html'][:160] for node in each['nodes'][:3])}"
        for each in result["violations"]
    ]


def _files(person: Person) -> int:
    """The bytes of every script, style and picture that the page loads."""
    return int(
        person.page.evaluate(
            """async () => {
              const wanted = [...document.querySelectorAll("script, link")].map((each) => each.src || each.href);
              const answers = await Promise.all(wanted.map((each) => fetch(each).then((answer) => answer.text())));
              return answers.reduce((sum, text) => sum + text.length, 0);
            }"""
        )
    )

"""The page that says which keys do what, and how the console looks in this browser."""

from __future__ import annotations

from typing import Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.looks import DENSITIES, LETTERS, THEMES, Looks
from custody.api.console.markup import Markup
from custody.api.console.navigation import PLACES, SIGN_IN
from custody.api.console.parts import Row

KEYS: Final = (
    ("j, k", "next and previous row"),
    ("Enter", "open the row"),
    ("u", "back to the list"),
    ("], [", "next and previous item that waits for you"),
    ("/", "to the search field, where there is one"),
    ("a", "to the Approve button; it is pressed with Enter"),
    ("x", "to the reason for a rejection"),
    ("c", "copy the code"),
    ("d", "open what is signed and the raw documents"),
    ("t", "light, dark, or as the system says"),
    ("Esc", "close what is open"),
    ("?", "this page"),
)


def settings(visit: Visit | None) -> str:
    """Keys first, then the choices, or the way in for who is not signed in; all but the keys work without script."""
    going = [(f"g then {place.letter}", f"to {place.word}") for place in PLACES]
    rows = [Row((key, does)) for key, does in (*KEYS, *going)]
    return page(
        visit,
        "Help",
        parts.lines(
            "No key moves money, rejects or freezes: your passkey is asked for by a button, and by nothing else."
        ),
        _way_in() if visit is None else "",
        parts.table("Keys", ("key", "does"), rows, empty="No keys."),
        _choices(visit.looks) if visit is not None else "",
    )


def _way_in() -> Markup:
    return parts.section(
        "Signing in",
        parts.lines(
            "You sign in with a passkey; there is no password. It counts when a version of the trust root names it and "
            "its cooling period is over.",
            "With an invitation you make one: an operator runs custody console invite NAME and gives you the link, "
            "which works once.",
            "A lost passkey is replaced in the same way: a new invitation, and two operators who agree to the new one.",
        ),
        parts.link("Sign in", SIGN_IN),
    )


def _choices(looks: Looks) -> Markup:
    return parts.section(
        "How this browser shows the console",
        parts.form(
            "/console/settings",
            parts.choice("Theme", "theme", [(each, each) for each in THEMES], chosen=looks.theme),
            parts.choice("Rows", "density", [(each, each) for each in DENSITIES], chosen=looks.density),
            parts.choice("Single letters as keys", "letters", [(each, each) for each in LETTERS], chosen=looks.letters),
            parts.button("Keep these settings"),
            id_="settings",
        ),
    )

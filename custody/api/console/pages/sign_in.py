"""Where an operator signs in."""

from __future__ import annotations

from custody.api.console import parts
from custody.api.console.frame import page
from custody.api.console.markup import element


def sign_in(problem: str = "") -> str:
    """The one field, and what was wrong with it."""
    return page(
        None,
        "Sign in",
        parts.form(
            "/console/sign-in",
            parts.entry("Your API token", "token", kind="password"),
            parts.button("Sign in"),
        ),
        element("p", problem, class_="bad", id="outcome", role="alert"),
    )

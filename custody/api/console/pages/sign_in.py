"""Where an operator signs in, and where somebody who was invited makes a passkey."""

from __future__ import annotations

from custody.api.console import parts
from custody.api.console.asking import later
from custody.api.console.frame import page
from custody.api.console.markup import element
from custody.api.console.pages.passkeys import commands
from custody.evidence.passkeys import Console, Credential


def sign_in(console: Console) -> str:
    """The one button, and the origin in words."""
    return page(
        None,
        "Sign in",
        parts.section(
            "Use your passkey",
            parts.lines(
                f"You are on {console.origin}. Signing in shows you what waits; it moves no money.",
                "A passkey counts here when a version of the trust root names it and its cooling period is over.",
            ),
            later("get", "Use your passkey", ask="/console/sign-in/question", send="/console/sign-in"),
        ),
        element("p", "First time here? Open the link of your invitation: custody console invite NAME prints one."),
    )


def invited(console: Console) -> str:
    """The page behind the link of an invitation. Who is invited is known when the secret in the link was sent."""
    return page(
        None,
        "Make your passkey",
        parts.section(
            "You are invited",
            parts.lines(
                f"You are on {console.origin}. Making a passkey moves no money and lets you decide nothing yet.",
                "It counts when two operators have put it into the next version of the trust root, each on their own "
                "machine, and its cooling period is over. The next page shows them what to type.",
                "The link works once.",
            ),
            later(
                "create", "Make a passkey", ask="/console/invitation/question", send="/console/invitation", secret=True
            ),
        ),
    )


def candidate(operator: str, credential: Credential, *, is_new: bool, stands: str) -> str:
    """A passkey that was made, and how it comes to count."""
    return page(
        None,
        f"The passkey of {operator}",
        parts.section("How far it has got", element("p", stands), parts.link("Sign in", "/console/sign-in")),
        commands(operator, credential, is_new=is_new),
    )

"""The page between wanting a change that is no intent and making it: what it does, and what the passkey signs."""

from __future__ import annotations

from collections.abc import Sequence

from custody.api.console import parts
from custody.api.console.asking import Question, ask
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element


def step(
    visit: Visit,
    label: str,
    *,
    effect: str,
    facts: Sequence[tuple[str, str]],
    asked: Question | None,
    back: str,
    current: str,
    style: str = "approve",
    above: Sequence[Markup] = (),
) -> str:
    """The effect first, then the button that asks the passkey; without ``asked`` there is none that counts."""
    words = f"{label} with your passkey"
    if asked is None:
        button: Markup = element("p", parts.button(words, why_not="You have no passkey that counts. Register one."))
    else:
        button = ask(asked, words, style)
    signed = (("challenge", asked.challenge.hex()),) if asked is not None else ()
    return page(
        visit,
        f"{label}?",
        element("p", effect),
        *above,
        parts.section(
            "What your passkey signs",
            parts.facts(*facts, ("asked for by", visit.operator), *signed, class_="exact"),
            button,
        ),
        element("p", parts.link("Back", back)),
        current=current,
    )

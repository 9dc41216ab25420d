"""The one button of a page that asks a browser for a passkey, and what its answer is sent with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.api.console import parts
from custody.api.console.markup import Markup, element


@dataclass(frozen=True, slots=True)
class Question:
    """What the one button of a page asks the browser, and where the answer goes."""

    kind: str
    """``get`` or ``create``."""
    options: Mapping[str, Any]
    challenge: bytes
    send: str


def ask(question: Question, label: str, style: str) -> Markup:
    """The button, and the line that says what became of it. Without script the page says that it takes one."""
    return _button(
        label,
        style,
        data_kind=question.kind,
        data_options=json.dumps(question.options),
        data_challenge=question.challenge.hex(),
        data_send=question.send,
    )


def later(kind: str, label: str, *, ask: str, send: str, secret: bool = False) -> Markup:
    """The same where the question is fetched from ``ask`` when the button is pressed.

    With ``secret``, what stands behind the address's ``#`` is sent along.
    """
    more = {"data_secret": "yes"} if secret else {}
    return _button(label, "primary", data_kind=kind, data_ask=ask, data_send=send, **more)


def _button(label: str, style: str, **data: str) -> Markup:
    return element(
        "div",
        element("p", parts.button(label, kind="button", id_="passkey", tone=style, described_by="outcome", **data)),
        element("p", id="outcome", role="status"),
        element("noscript", element("p", "Nothing is sent: a passkey is asked for by a script, and scripts are off.")),
        class_="ask",
    )

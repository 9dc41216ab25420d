"""What a notice says: the intent's own words and code, and no way to answer it. Pure.

There is no link in it, so that nobody learns to follow one: a verdict begins at the console, opened as always.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from custody.kernel.canonical import canonical_json
from custody.kernel.clock import rfc3339
from custody.notices.model import MOST_SAID, Item

TYPE: Final = "notice.waiting"
_ENDING: Final = (
    "No money moves by this message or by an answer to it.",
    "Open the console as you always do, and compare the code there.",
    "This message has no link of the house: one that stands in it was written by whoever asked.",
)


def subject(items: Sequence[Item], *, house: str) -> str:
    """How many wait, and in which house. Nothing in it was written by whoever asked."""
    number = len(items)
    what = "1 request waits for you" if number == 1 else f"{number} requests wait for you"
    return f"{what} at {house}" + (", and soon no more" if any(item.is_reminder for item in items) else "")


def text(items: Sequence[Item], *, operator: str, house: str) -> str:
    """The mail: what would be paid comes first, then until when, then what this message is not."""
    said = [_said(item) for item in items[:MOST_SAID]]
    if len(items) > MOST_SAID:
        said.append(f"{len(items) - MOST_SAID} more wait for you in the queue of the console.")
    to = f"To {operator}, whose verdict is missing at {house}."
    return "\n\n".join([*said, "\n".join([to, *_ENDING])]) + "\n"


def code_subject(*, house: str) -> str:
    """Of the mail with the code; the code itself is not in it, for subjects are shown on locked screens."""
    return f"Confirm this address at {house}"


def code_text(code: str, *, operator: str, house: str) -> str:
    """The mail that asks whoever reads it to say so, where one is signed in already."""
    return (
        f"The code is {code[:4]} {code[4:]}.\n\n"
        f"{operator} asked at {house} to be told here what waits for a verdict.\n"
        "If that is you, open the console as you always do, and enter the code under Health, Notices.\n"
        "If not, do nothing: without the code nothing more is sent to this address.\n"
        "No money moves by this message, and it has no link.\n"
    )


def document(message: str, items: Sequence[Item], *, operator: str, house: str, now: datetime) -> bytes:
    """The body of a webhook: the same, for a program."""
    shown: list[dict[str, Any]] = [
        {
            "digest": item.digest,
            "code": item.code,
            "kind": item.kind,
            "client": item.client,
            "words": list(item.words),
            "not_after": rfc3339(item.not_after),
            "reminder": item.is_reminder,
        }
        for item in items[:MOST_SAID]
    ]
    return canonical_json(
        {
            "id": message,
            "type": TYPE,
            "created_at": rfc3339(now),
            "data": {"operator": operator, "house": house, "waiting": len(items), "intents": shown},
        }
    )


def _said(item: Item) -> str:
    until = f"{item.not_after:%Y-%m-%d %H:%M} UTC"
    ending = f"Not agreed to by {until}, it ends." if item.is_reminder else f"It waits for your verdict until {until}."
    return "\n".join([*item.words, ending])

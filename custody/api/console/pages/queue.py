"""What waits for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import element
from custody.api.console.navigation import QUEUE
from custody.api.console.pages.people import missing


def queue(visit: Visit, intents: Sequence[Mapping[str, Any]]) -> str:
    """What waits for people, with who is missing."""
    cards = [
        element(
            "li",
            element("a", intent["words"][0], href=f"/console/intents/{intent['digest']}"),
            element("p", missing(intent), class_="soft"),
            element("p", f"code {intent['code']}", class_="small"),
            class_="card",
        )
        for intent in intents
    ]
    body = element("ul", *cards) if cards else element("p", "Nothing waits for anybody.")
    return page(visit, "Waiting", body, current=QUEUE)

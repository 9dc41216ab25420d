"""The page between a critical finding and a verdict: one finding, one question, and the way back.

The question is answered from what the client sent, and not from this console: two groups of the address are left out
everywhere on the page. Which two is a matter of the intent and of the person, so that asking again shows no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.navigation import QUEUE
from custody.views.deciding import why_not_approve

MASKED: Final = 2
_MASK: Final = "····"


def hidden_groups(address: str, digest: str, operator: str) -> tuple[int, ...]:
    """The places of the groups that are asked for: from the middle, never the first or the last."""
    inner = list(range(1, len(parts.groups_of(address)[1]) - 1))
    chance = int.from_bytes(hashlib.sha256(f"{digest} {operator}".encode()).digest(), "big")
    chosen = []
    for _ in range(min(MASKED, len(inner))):
        chosen.append(inner.pop(chance % len(inner)))
        chance //= 64
    return tuple(sorted(chosen))


def is_answered(address: str, places: tuple[int, ...], given: tuple[str, ...]) -> bool:
    """Whether these are the groups that were left out, in order."""
    groups = parts.groups_of(address)[1]
    said = [each.replace(" ", "").lower() for each in given]
    return said == [groups[place].lower() for place in places]


def interruption(visit: Visit, shown: Mapping[str, Any]) -> str:
    """The question. After a wrong answer the same one; after the second, who is asked instead."""
    why_not = why_not_approve(visit.operator, shown)
    if why_not:
        return _for_somebody_else(visit, shown, why_not)
    places = hidden_groups(shown["destination"], shown["digest"], visit.operator)
    found = next(each for each in shown["findings"] if each["level"] == "CRITICAL")
    names = ("first", "second")[: len(places)]
    problem = "The address says something else. No verdict is recorded; a second miss asks another person."
    fields = [
        parts.entry(
            f"Group {place + 1}",
            name,
            hint="Four characters, as the client wrote them.",
            problem=problem if shown["misread"] else "",
        )
        for name, place in zip(names, places, strict=True)
    ]
    return page(
        visit,
        "Stop: read the address from the client's instruction",
        parts.section(
            found["sentence"],
            element(
                "p",
                "Nothing is sent. Two groups of the address are left out here; type them from what the client sent.",
            ),
            _masked(shown["destination"], places),
            parts.form(
                f"/console/intents/{shown['digest']}/statement",
                parts.hidden("verdict", "approve"),
                *fields,
                parts.button("Go on to approve …", tone="approve"),
            ),
            element("p", "If they differ, somebody swapped the address: reject it, and call the client."),
        ),
        element("p", parts.link("Back", f"/console/intents/{shown['digest']}")),
        current=QUEUE,
    )


def _for_somebody_else(visit: Visit, shown: Mapping[str, Any], why_not: str) -> str:
    return page(
        visit,
        "Nothing is sent: somebody else has to read the address",
        parts.section(
            "What it means",
            parts.lines(why_not, "Both misses are in the audit log. Call the client before anybody agrees."),
        ),
        element("p", parts.link("Back, to say no", f"/console/intents/{shown['digest']}#verdicts")),
        current=QUEUE,
    )


def _masked(address: str, places: tuple[int, ...]) -> Markup:
    prefix, groups = parts.groups_of(address)
    shown = [
        element("span", _MASK, class_="g", aria_label=f"group {place + 1} is left out", role="img")
        if place in places
        else element("span", group, class_="g")
        for place, group in enumerate(groups)
    ]
    return element("p", element("span", element("span", prefix, class_="prefix"), *shown, class_="address"))

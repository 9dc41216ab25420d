"""What is stopped, and the one button that stops more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import element
from custody.api.console.parts import Row

POLICY: Final = "/console/policy"


def freezes(visit: Visit, shown: Mapping[str, Any]) -> str:
    """Everything that is frozen, the button that freezes, and what letting go takes, said before it is pressed."""
    stops = shown["stops"]
    return page(
        visit,
        "Freezes",
        element("p", _said(stops), class_="lead"),
        parts.table(
            "Frozen now",
            ("what", "since", "by", "why", "what lifts it"),
            [_row(visit, each, shown["unfreeze_takes"]) for each in stops],
            empty="Nothing is frozen.",
        ),
        parts.section(
            "Freeze",
            element("p", _freezing(shown), id="before-you-freeze"),
            parts.form(
                "/console/requests/freeze",
                parts.hidden("scope", "everything"),
                parts.hidden("subject", "everything"),
                parts.entry("Why everything stops", "purpose", hint="One line. It is signed."),
                parts.button("Freeze everything …", tone="reject"),
                id_="freeze-everything",
            ),
            element(
                "p",
                parts.link(
                    "Freeze one client, vault or asset …", "/console/requests/freeze?scope=client", class_="button"
                ),
            ),
        ),
        current=POLICY,
    )


def _said(stops: Sequence[Mapping[str, Any]]) -> str:
    if not stops:
        return "Money leaves as the policy allows: nothing is frozen."
    if any(each["scope"] == "everything" for each in stops):
        return "Nothing is paid: everything is frozen."
    return f"{len(stops)} {'reason' if len(stops) == 1 else 'reasons'} to pay nothing out of what is named below."


def _freezing(shown: Mapping[str, Any]) -> str:
    alone = "You freeze alone, at once" if not shown["freeze_takes"] else f"Freezing {_takes(shown['freeze_takes'])}"
    back = shown["unfreeze_takes"]
    again = f"letting it go again takes more: only once {back}" if back else "the policy asks nobody to let it go again"
    return (
        f"{alone}: nothing of it is paid from then on. What is signed already may still confirm. {again.capitalize()}."
    )


def _takes(words: str) -> str:
    return words if words.startswith("is ") else f"happens once {words}"


def _row(visit: Visit, stop: Mapping[str, Any], takes: str) -> Row:
    what = stop["scope"] if stop["scope"] == "everything" else f"{stop['scope']} {stop['subject']}"
    lifts: str = f"An unfreeze, once {takes}." if takes else "An unfreeze."
    if stop["cause"] == "break":
        lifts = "A break resolution, and nothing else."
    address = f"/console/requests/unfreeze?scope={stop['scope']}&subject={stop['subject']}"
    again = "" if stop["cause"] == "break" else parts.link(f"Let {what} go again …", address)
    return Row(
        (
            parts.tag(what, "bad"),
            parts.moment(stop["since"], visit.at),
            stop["by"] or stop["cause_words"],
            stop["reason"],
            element("span", lifts, " ", again),
        ),
        tone="bad",
    )

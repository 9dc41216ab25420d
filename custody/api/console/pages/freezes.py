"""What is stopped, and the one button that stops more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import element
from custody.api.console.navigation import FREEZES
from custody.api.console.pages import listing
from custody.api.console.parts import Row

POLICY: Final = "/console/policy"


def freezes(visit: Visit, shown: Mapping[str, Any], *, after: str | None = None) -> str:
    """Everything that is frozen, the button that freezes, and what letting go takes, said before it is pressed; then
    what was frozen before.
    """
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
        parts.table(
            "Frozen before, the newest first",
            ("what", "from", "by", "why", "until", "let go by", "agreed"),
            [_past(visit, each) for each in shown["lifted"]],
            empty="Nothing was frozen before.",
        ),
        listing.turn(FREEZES, shown["next"], began=after is not None),
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
    what = _what(stop)
    lifts: str = f"An unfreeze, once {takes}." if takes else "An unfreeze."
    if stop["cause"] == "break":
        lifts = "A break resolution, and nothing else."
    address = listing.where("/console/requests/unfreeze", scope=stop["scope"], subject=stop["subject"])
    again = "" if stop["cause"] == "break" else parts.link(f"Let {what} go again …", address)
    return Row(
        (
            parts.tag(what, "bad"),
            parts.moment(stop["since"], visit.at),
            _by(stop),
            stop["reason"],
            element("span", lifts, " ", again),
        ),
        tone="bad",
    )


def _past(visit: Visit, stop: Mapping[str, Any]) -> Row:
    letting = stop["lifted_for"] or "an intent"
    return Row(
        (
            _what(stop),
            parts.moment(stop["since"], visit.at),
            _by(stop),
            stop["reason"],
            parts.moment(stop["lifted_at"], visit.at),
            parts.link(letting, f"/console/intents/{stop['lifted_by']}"),
            ", ".join(stop["agreed"]) or "nobody was asked",
        )
    )


def _what(stop: Mapping[str, Any]) -> str:
    return str(stop["scope"]) if stop["scope"] == "everything" else f"{stop['scope']} {stop['subject']}"


def _by(stop: Mapping[str, Any]) -> str:
    """Who asked for it, with the way to the request; what the daemon found has none."""
    if stop["digest"] is None:
        return str(stop["cause_words"])
    return parts.link(stop["by"] or "an intent", f"/console/intents/{stop['digest']}")

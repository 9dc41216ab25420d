"""Asking for something with a passkey: the form, the words of what would be asked for, and the button that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.asking import Question, ask
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.evidence.codes import digest_code
from custody.evidence.intents import in_the_house
from custody.evidence.requests import RULE_CHANGES, Request
from custody.evidence.requests.parties import RESOLUTIONS, SCOPES
from custody.evidence.words import say
from custody.views.policy import Prospect

NO_PASSKEY: Final = "You have no passkey that counts. Register one, or ask on your own machine with custody."
_RULES: Final = frozenset(each.kind for each in RULE_CHANGES)
_TITLES: Final = {
    "freeze": "Freeze",
    "unfreeze": "Let it go again",
    "break_resolution": "Resolve a break",
    "destination_listing": "Change a list of destinations",
    "policy_change": "Propose another policy",
}
PLACES: Final = {
    "freeze": "/console/freezes",
    "unfreeze": "/console/freezes",
    "break_resolution": "/console/reconciliation",
    "destination_listing": "/console/destinations",
    "policy_change": "/console/policy",
}
"""Where each kind is asked for from, and what its page stands under."""
_STANDS_UNDER: Final = PLACES | {
    "freeze": "/console/policy",
    "unfreeze": "/console/policy",
    "destination_listing": "/console/clients",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What stands in a form: what was sent before, and what was wrong with which field of it."""

    values: Mapping[str, str] = field(default_factory=dict)
    field: str = ""
    problem: str = ""


def form_page(
    visit: Visit, kind: str, given: Given, *, chains: Mapping[str, str], above: Sequence[tuple[str, str]] = ()
) -> str:
    """The form for one kind on a page of its own; ``above`` are facts about what it is about."""
    title = _TITLES[kind]
    return page(
        visit,
        f"Error: {title}" if given.problem else title,
        summary(given),
        parts.section("What it is about", parts.facts(*above)) if above else "",
        parts.section("What you ask for", form_for(kind, given, chains=chains)),
        element("p", parts.link("Back", PLACES[kind])),
        current=_STANDS_UNDER[kind],
    )


def resolving(break_id: str) -> Markup:
    """The form that asks for a break to be resolved, on the page that shows the break."""
    return parts.section(
        "Propose how it is resolved",
        element(
            "p", "Nothing leaves the vault until other people have agreed. An entry is posted before, if one is due."
        ),
        form_for("break_resolution", Given({"subject": break_id}), chains={}),
    )


def summary(given: Given) -> Markup | str:
    """What was wrong, in the same words as beside the field, with a link to it. Nothing was changed."""
    if not given.problem:
        return ""
    named = f"{given.field}: {given.problem}"
    link = parts.link(named, f"#{given.field}") if given.field in given.values else given.problem
    return element(
        "section",
        element("h2", "Nothing was asked for, and nothing has changed"),
        element("p", link),
        class_="problem",
        role="alert",
        tabindex="-1",
        id="problem",
    )


def form_for(kind: str, given: Given, *, chains: Mapping[str, str]) -> Markup:
    """The form of one kind. It asks for nothing by itself: the next page shows the words, and your passkey asks."""
    return parts.form(
        f"/console/requests/{kind}",
        *_FORMS[kind](given, chains),
        _entry(
            given,
            "Why",
            "purpose",
            hint="One line. It is signed, and whoever has to agree reads it.",
        ),
        parts.button(f"{_TITLES[kind]} …"),
        id_=f"ask-{kind}",
    )


def question(
    visit: Visit,
    request: Request,
    prospect: Prospect,
    asked: Question,
    *,
    changes: Sequence[str],
    has_passkey: bool,
) -> str:
    """What would be asked for, in the words that everybody else will read, and the one button that asks for it."""
    intent = in_the_house(request)
    title = f"{_TITLES[request.kind]}?"
    return page(
        visit,
        title,
        element(
            "section",
            element("ul", *(element("li", line) for line in say(intent)[:-1]), class_="words"),
            element("h2", "Code"),
            parts.digest_code(digest_code(intent.digest)),
            element("p", intent.digest, class_="small soft", id="digest"),
        ),
        parts.section(
            "What happens then",
            element("p", prospect.words, id="prospect"),
            _by_file() if request.kind in _RULES else "",
        ),
        parts.section("What it changes", element("ul", *(element("li", line) for line in changes), class_="mono"))
        if changes
        else "",
        parts.section(
            "What your passkey signs",
            parts.facts(*_spelled(request.to_json()), ("challenge", asked.challenge.hex()), class_="exact"),
            _button(asked, request.kind, prospect, has_passkey),
        ),
        element("p", parts.link("Back", PLACES[request.kind])),
        current=_STANDS_UNDER[request.kind],
    )


def _button(asked: Question, kind: str, prospect: Prospect, has_passkey: bool) -> Markup:
    label = f"{_TITLES[kind]} with your passkey"
    if prospect.outcome == "deny":
        return element("p", parts.button(label, why_not=f"Nothing has changed. {prospect.words}"))
    if not has_passkey:
        return element("p", parts.button(label, why_not=NO_PASSKEY))
    return ask(asked, label, "reject" if kind == "freeze" else "approve")


def _by_file() -> Markup:
    return element(
        "p",
        "A passkey proposes a change of the rules and agrees to none: whoever agrees reads the file on a machine of "
        "their own, with custody approve FILE.",
    )


def _spelled(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), str(value)) for name, value in document.items()]


def _entry(given: Given, label: str, name: str, *, hint: str, lines: int = 0) -> Markup:
    problem = given.problem if name == given.field else ""
    return parts.entry(label, name, hint=hint, value=given.values.get(name, ""), problem=problem, lines=lines)


def _stop_form(given: Given, _chains: Mapping[str, str]) -> list[Markup]:
    return [
        parts.choice(
            "What kind of thing", "scope", [(each, each) for each in SCOPES], chosen=given.values.get("scope", "")
        ),
        _entry(given, "Which one", "subject", hint="Its id; empty where it is everything."),
    ]


def _resolution_form(given: Given, _chains: Mapping[str, str]) -> list[Markup]:
    words = {"explained": "explained: nothing has to be booked", "corrected": "corrected: an entry was posted"}
    return [
        _entry(given, "Break", "subject", hint="Its id."),
        parts.choice(
            "How it is resolved",
            "resolution",
            [(each, words[each]) for each in RESOLUTIONS],
            chosen=given.values.get("resolution", ""),
        ),
    ]


def _listing_form(given: Given, chains: Mapping[str, str]) -> list[Markup]:
    return [
        _entry(given, "Client", "client", hint="Its id."),
        parts.choice("Network", "chain", list(chains.items()), chosen=given.values.get("chain", "")),
        _entry(
            given,
            "Address",
            "destination",
            hint="The whole address; blanks in it do not matter.",
        ),
        _entry(given, "Label", "label", hint="What people call it, at most 80 characters."),
        parts.choice(
            "What to do",
            "action",
            [("list", "put it on the list"), ("delist", "take it off the list")],
            chosen=given.values.get("action", ""),
        ),
    ]


def _policy_form(given: Given, _chains: Mapping[str, str]) -> list[Markup]:
    return [_entry(given, "Document", "document", hint="The whole document, YAML.", lines=24)]


_FORMS: Final[Mapping[str, Callable[[Given, Mapping[str, str]], list[Markup]]]] = {
    "freeze": _stop_form,
    "unfreeze": _stop_form,
    "break_resolution": _resolution_form,
    "destination_listing": _listing_form,
    "policy_change": _policy_form,
}

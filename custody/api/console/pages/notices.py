"""Notices: by which ways you are told that something waits for you, who is told at all, and what was sent to you."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.asking import Question
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages.stepping import step as step_page
from custody.api.console.parts import Row, Tone
from custody.notices.model import CHANNELS, CODE, MAIL, WEBHOOK, Channel, Message

NOTICES: Final = "/console/notices"
HEALTH: Final = "/console/health"
_WORDS: Final = {MAIL: "mail", WEBHOOK: "signed webhook"}
_TONES: Final[Mapping[str, Tone]] = {"sent": "ok", "waiting": "info", "dropped": "plain", "failed": "bad"}
_EFFECTS: Final = {
    MAIL: "A code is sent there; once you have entered it, what waits for your verdict is told there.",
    WEBHOOK: "What waits for your verdict is told there from now on.",
}
_WHY: Final = {
    "sent": "",
    "waiting": "",
    "dropped": "nothing in it waited for you any more",
    "failed": "given up",
}


def notices(visit: Visit, shown: Mapping[str, Any], *, problem: tuple[str, str] = ("", ""), given: str = "") -> str:
    """Your channels first; ``problem`` is the field that was wrong and why."""
    mine = [each for each in shown["channels"] if each.operator == visit.operator]
    return page(
        visit,
        "Notices",
        element(
            "p",
            "No money moves by a notice: it says what waits for your verdict, with its code, and has no link. "
            "You hear of each request once, and once more within two hours of its end.",
        ),
        parts.table(
            "How you are told",
            ("channel", "address", "stands", "changed"),
            [_channel(visit, each) for each in mine],
            empty="You are told nowhere: choose a channel below.",
        ),
        *(_confirming(shown, each, problem) for each in mine if each.is_on and each.confirmed_at is None),
        parts.section("What can be done", *(_switch(each) for each in mine)) if mine else "",
        _form(shown, problem, given),
        parts.table(
            "Who is told",
            ("operator", *(_WORDS[kind] for kind in CHANNELS)),
            _everybody(shown["operators"], shown["channels"]),
            empty="The trust root names no operator.",
        ),
        parts.table(
            "Sent to you",
            ("at", "channel", "requests", "stands", "attempts"),
            [_message(visit, each) for each in shown["messages"]],
            empty="Nothing was sent to you yet.",
            numbers=(2, 4),
        ),
        current=HEALTH,
    )


def choose(visit: Visit, kind: str, address: str, secret: str, asked: Question | None) -> str:
    """Where you would be told from now on; with the secret of a webhook, which is shown this once."""
    above: tuple[Markup, ...] = ()
    if secret:
        above = (
            parts.section(
                "The secret your receiver verifies with",
                element("p", "It is shown this once, and counts when your passkey has agreed."),
                parts.facts(("secret", secret), class_="exact"),
            ),
        )
    return step_page(
        visit,
        f"Tell me by {_WORDS[kind]}",
        effect=f"{_EFFECTS[kind]} Money is not touched.",
        facts=(("channel", _WORDS[kind]), ("address", address)),
        asked=asked,
        back=NOTICES,
        current=HEALTH,
        above=above,
    )


def confirm(visit: Visit, kind: str, address: str, asked: Question | None) -> str:
    """The code was right: what waits is told there from now on."""
    return step_page(
        visit,
        f"Confirm {_WORDS[kind]}",
        effect="The code is the one that was sent. What waits for your verdict is told there from now on. "
        "Money is not touched.",
        facts=(("channel", _WORDS[kind]), ("address", address)),
        asked=asked,
        back=NOTICES,
        current=HEALTH,
    )


def switch(visit: Visit, kind: str, is_on: bool, asked: Question | None) -> str:
    """Switching one channel off, or on again."""
    effect = "You are told there again." if is_on else "You are told nothing there: look at the queue yourself."
    return step_page(
        visit,
        f"Switch {_WORDS[kind]} {'on' if is_on else 'off'}",
        effect=f"{effect} Money is not touched.",
        facts=(("channel", _WORDS[kind]), ("from now on", "on" if is_on else "off")),
        asked=asked,
        back=NOTICES,
        current=HEALTH,
        style="approve" if is_on else "reject",
    )


def _channel(visit: Visit, each: Channel) -> Row:
    return Row((_WORDS[each.kind], each.address, _stands(each), parts.moment(each.changed_at, visit.at)))


def _stands(each: Channel | None) -> Markup | str:
    if each is None:
        return "none"
    if not each.is_on:
        return parts.tag("off", "warn")
    return parts.tag("waits for its code", "warn") if each.confirmed_at is None else parts.tag("on", "ok")


def _switch(each: Channel) -> Markup:
    to = "off" if each.is_on else "on"
    return parts.form(
        f"{NOTICES}/{each.kind}/{to}", parts.button(f"Switch {_WORDS[each.kind]} {to} …"), id_=f"{each.kind}-{to}"
    )


def _confirming(shown: Mapping[str, Any], each: Channel, problem: tuple[str, str]) -> Markup:
    sent = "It was mailed" if shown["has_mail"] else "It is mailed as soon as a mail server is set"
    return parts.section(
        f"Confirm {_WORDS[each.kind]}",
        element("p", f"Nothing else is sent to {each.address} until its code comes back."),
        parts.form(
            f"{NOTICES}/{each.kind}/code",
            parts.entry(
                "Code",
                "code",
                hint=f"Eight digits. {sent}; for another one, choose the address again below.",
                problem=problem[1] if problem[0] == "code" else "",
            ),
            parts.button("Confirm …"),
            id_="confirm",
        ),
    )


def _form(shown: Mapping[str, Any], problem: tuple[str, str], given: str) -> Markup:
    kinds = [(kind, _WORDS[kind]) for kind in CHANNELS]
    said = f"{problem[0]}: {problem[1]}" if problem[0] not in ("", "code") else ""
    mail = "" if shown["has_mail"] else " No mail server is set: mail waits until there is one."
    return parts.section(
        "Be told elsewhere",
        parts.form(
            NOTICES,
            element("p", said, id="problem", class_="problem", role="alert") if said else "",
            parts.choice("Channel", "channel", kinds, hint=f"One address each; another one takes its place.{mail}"),
            parts.entry(
                "Address", "address", value=given, hint="name@example.com, or https://example.com/notices for a webhook"
            ),
            parts.button("Be told there …"),
            id_="choose",
        ),
    )


def _everybody(operators: Sequence[str], channels: Sequence[Channel]) -> list[Row]:
    stands = {(each.operator, each.kind): each for each in channels}
    return [Row((name, *(_stands(stands.get((name, kind))) for kind in CHANNELS))) for name in operators]


def _message(visit: Visit, each: Message) -> Row:
    why = each.problem or _WHY[each.state]
    return Row(
        (
            parts.moment(each.created_at, visit.at),
            _WORDS[each.kind],
            "a code" if each.says == CODE else str(each.intents),
            parts.tag(f"{each.state}: {why}" if why else each.state, _TONES[each.state]),
            str(each.attempts),
        )
    )

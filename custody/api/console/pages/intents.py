"""One intent, the choice about it, and the statement that a passkey signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.asking import Question, ask
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.navigation import QUEUE
from custody.api.console.pages.people import missing
from custody.evidence.approvals import Statement
from custody.kernel.clock import rfc3339

_BY_FILE_ONLY: Final = ("operator_change", "group_change", "policy_change", "keyset_change", "root_change")
_VERDICTS: Final = {"approve": "Approve", "reject": "Reject"}


def intent(visit: Visit, shown: Mapping[str, Any], *, has_passkey: bool) -> str:
    """One intent: its words, its code, who has spoken and who is missing; and the buttons where they make sense."""
    is_open = shown["state"] == "pending" or (shown["state"] == "approved" and shown["delay_left_seconds"] > 0)
    closed = _why_not(visit.operator, shown, has_passkey) if is_open else ""
    return page(
        visit,
        "Do you agree to this?" if is_open and not closed else f"This is {shown['state']}",
        _said(shown),
        _people(shown),
        element("p", closed, class_="soft") if closed or not is_open else _choice(shown),
        current=QUEUE,
    )


def statement(visit: Visit, shown: Mapping[str, Any], said: Statement, question: Question) -> str:
    """The statement that is about to be signed, beside the words of what it is about, and the button that signs it."""
    verb = _VERDICTS[said.verdict]
    return page(
        visit,
        f"{verb} this?",
        _said(shown),
        parts.section(
            "What your passkey signs",
            parts.facts(
                ("verdict", said.verdict),
                ("intent", said.digest),
                ("approver", said.approver),
                ("given at", rfc3339(said.given_at)),
                ("good until", rfc3339(said.not_after)),
                ("nonce", said.nonce),
                ("challenge", said.message.hex()),
                class_="exact",
            ),
            ask(question, f"{verb} with your passkey", said.verdict),
        ),
        element("p", parts.link("Back", f"/console/intents/{said.digest}")),
        current=QUEUE,
    )


def _said(shown: Mapping[str, Any]) -> Markup:
    return element(
        "section",
        element("ul", *(element("li", line) for line in shown["words"][:-1]), class_="words"),
        element("h2", "Code"),
        element("p", shown["code"], class_="code", id="code"),
        element("p", shown["digest"], class_="small soft", id="digest"),
    )


def _people(shown: Mapping[str, Any]) -> Markup:
    spoken = [(each["approver"], f"{each['verdict']} at {each['given_at']}") for each in shown["approvals"]]
    return element(
        "section",
        element("h2", "People"),
        parts.facts(
            ("asked for by", shown["document"]["request"]["requester"]),
            *spoken,
            ("stands", missing(shown)),
            ("policy", shown["decision"]["explanation"][0]),
        ),
    )


def _why_not(operator: str, shown: Mapping[str, Any], has_passkey: bool) -> str:
    """Why there is nothing to press; empty where there is."""
    if shown["document"]["request"]["requester"] == operator:
        return "You asked for it: others have to agree."
    if shown["kind"] in _BY_FILE_ONLY:
        return "A change of the rules is agreed to on your own machine, with: custody approve FILE"
    if operator in shown["tally"]["approved"] and shown["state"] == "pending":
        return "You have agreed to it."
    return "" if has_passkey else "You have no passkey that counts. Register one, or use: custody approve"


def _choice(shown: Mapping[str, Any]) -> Markup:
    where = f"/console/intents/{shown['digest']}/statement"
    yes = parts.form(where, parts.button("Approve …", name="verdict", value="approve", tone="approve"))
    no = parts.form(
        where,
        parts.entry("Why not", "reason", hint="At least 10 characters. It is kept beside your verdict, unsigned."),
        parts.button("Reject …", name="verdict", value="reject", tone="reject"),
    )
    return parts.section("Your verdict", *([yes, no] if shown["state"] == "pending" else [no]))

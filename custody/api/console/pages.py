"""The console's pages, made of elements from what operations say. Nothing here decides anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.api.console.markup import Markup, element, facts, page
from custody.evidence.approvals import Statement
from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Credential
from custody.kernel.clock import rfc3339

_BY_FILE_ONLY: Final = ("operator_change", "group_change", "policy_change", "keyset_change", "root_change")
_VERDICTS: Final = {"approve": "Approve", "reject": "Reject"}


@dataclass(frozen=True, slots=True)
class Passkey:
    """One of an operator's passkeys, and how far it has got."""

    credential: Credential
    standing: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the one button of a page asks the browser, and where the answer goes."""

    kind: str
    """``get`` or ``create``."""
    options: Mapping[str, Any]
    challenge: bytes
    send: str


def sign_in(problem: str = "") -> str:
    """Where an operator signs in."""
    return page(
        "Sign in",
        _header(None),
        element(
            "main",
            element("h1", "Sign in"),
            element(
                "section",
                element(
                    "form",
                    element("label", "Your API token", for_="token"),
                    element(
                        "input",
                        id="token",
                        name="token",
                        type="password",
                        autocomplete="off",
                        required="required",
                        maxlength="500",
                    ),
                    element("p", element("button", "Sign in")),
                    method="post",
                    action="/console/sign-in",
                ),
                element("p", problem, class_="bad", id="outcome", role="alert"),
            ),
        ),
    )


def queue(operator: str, intents: Sequence[Mapping[str, Any]]) -> str:
    """What waits for people, with who is missing."""
    cards = [
        element(
            "li",
            element("a", intent["words"][0], href=f"/console/intents/{intent['digest']}"),
            element("p", _missing(intent), class_="soft"),
            element("p", f"code {intent['code']}", class_="small"),
            class_="card",
        )
        for intent in intents
    ]
    body = element("ul", *cards) if cards else element("p", "Nothing waits for anybody.")
    return page("Queue", _header(operator), element("main", element("h1", "Waiting"), body))


def intent(operator: str, shown: Mapping[str, Any], *, has_passkey: bool) -> str:
    """One intent: its words, its code, who has spoken and who is missing; and the buttons where they make sense."""
    is_open = shown["state"] == "pending" or (shown["state"] == "approved" and shown["delay_left_seconds"] > 0)
    closed = _why_not(operator, shown, has_passkey) if is_open else ""
    return page(
        "Intent",
        _header(operator),
        element(
            "main",
            element("h1", "Do you agree to this?" if is_open and not closed else f"This is {shown['state']}"),
            _said(shown),
            _people(shown),
            element("p", closed, class_="soft") if closed or not is_open else _choice(shown),
        ),
    )


def statement(operator: str, shown: Mapping[str, Any], said: Statement, question: Question) -> str:
    """The statement that is about to be signed, beside the words of what it is about, and the button that signs it."""
    verb = _VERDICTS[said.verdict]
    return page(
        verb,
        _header(operator),
        element(
            "main",
            element("h1", f"{verb} this?"),
            _said(shown),
            element(
                "section",
                element("h2", "What your passkey signs"),
                facts(
                    ("verdict", said.verdict),
                    ("intent", said.digest),
                    ("approver", said.approver),
                    ("given at", rfc3339(said.given_at)),
                    ("good until", rfc3339(said.not_after)),
                    ("nonce", said.nonce),
                    ("challenge", said.message.hex()),
                    class_="exact",
                ),
                _ask(question, f"{verb} with your passkey", said.verdict),
            ),
            element("p", element("a", "Back", href=f"/console/intents/{said.digest}")),
        ),
    )


def enrolment(operator: str, passkeys: Sequence[Passkey], waiting: Sequence[Credential]) -> str:
    """An operator's passkeys, which of them count, and what to do so that those that are ``waiting`` do."""
    cards = [_passkey(each) for each in passkeys]
    return page(
        "Passkeys",
        _header(operator),
        element(
            "main",
            element("h1", "Your passkeys"),
            element("ul", *cards) if cards else element("p", "You have none yet."),
            element(
                "section",
                element("h2", "Register another"),
                element(
                    "p",
                    "A passkey that you register here counts for nothing until a version of the trust root names it, "
                    "a second person has agreed to that version on their own machine, and its cooling period is over.",
                ),
                element("form", element("button", "Register a passkey"), method="post", action="/console/passkeys/new"),
            ),
            *(_commands(operator, each) for each in waiting),
        ),
    )


def registration(operator: str, question: Question) -> str:
    """The page whose button makes a passkey."""
    return page(
        "Register",
        _header(operator),
        element(
            "main",
            element("h1", "Register a passkey"),
            element(
                "section",
                facts(("for", operator), ("used at", question.options["rp"]["id"])),
                _ask(question, "Make a passkey", "approve"),
            ),
            element("p", element("a", "Back", href="/console/passkeys")),
        ),
    )


def _header(operator: str | None) -> Markup:
    if operator is None:
        return element("header", element("strong", "Custody"))
    return element(
        "header",
        element("strong", "Custody"),
        element("a", "Queue", href="/console"),
        element("a", "Passkeys", href="/console/passkeys"),
        element("span", operator, class_="soft"),
        element("form", element("button", "Sign out"), method="post", action="/console/sign-out"),
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
        facts(
            ("asked for by", shown["document"]["request"]["requester"]),
            *spoken,
            ("stands", _missing(shown)),
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


def _missing(shown: Mapping[str, Any]) -> str:
    wanted = [(f"{count} of {group}", group) for group, count in shown["tally"]["missing"].items()]
    wanted += [(f"somebody who is {role}", role) for role in shown["tally"]["missing_roles"]]
    waits = [
        f"{words} ({', '.join(shown['missing_people'].get(name, [])) or 'nobody left who may'})"
        for words, name in wanted
    ]
    parts = [f"missing {', '.join(waits)}"] if waits and shown["state"] == "pending" else [shown["state"]]
    if shown["delay_left_seconds"]:
        parts.append(f"waits at least {shown['delay_left_seconds']} s more")
    return "; ".join(parts)


def _choice(shown: Mapping[str, Any]) -> Markup:
    verdicts = ("approve", "reject") if shown["state"] == "pending" else ("reject",)
    buttons = [
        element("button", f"{_VERDICTS[verdict]} …", name="verdict", value=verdict, class_=verdict)
        for verdict in verdicts
    ]
    where = f"/console/intents/{shown['digest']}/statement"
    return element("form", *buttons, class_="verdict", method="post", action=where)


def _ask(question: Question, label: str, style: str) -> Markup:
    button = element(
        "button",
        label,
        type="button",
        id="passkey",
        class_=style,
        data_kind=question.kind,
        data_options=json.dumps(question.options),
        data_challenge=question.challenge.hex(),
        data_send=question.send,
    )
    return element("div", element("p", button), element("p", id="outcome", role="status"))


def _passkey(each: Passkey) -> Markup:
    return element(
        "li",
        facts(
            ("stands", each.standing),
            ("code", digest_code(each.credential.fingerprint)),
            ("id", each.credential.id),
            ("public key", each.credential.public_key),
            class_="exact",
        ),
        class_="card",
    )


def _commands(operator: str, passkey: Credential) -> Markup:
    ask = (
        f"custody passkey propose passkey.json --for {operator} --root root.json --policy policy.yaml \\\n"
        f"  --as {operator} --key {operator}.pem --out proposal.json --token-file {operator}.token"
    )
    agree = (
        "custody approve proposal.json --root root.json --as YOUR-NAME --key YOUR-KEY.pem \\\n"
        "  --token-file YOUR-NAME.token"
    )
    return element(
        "section",
        element("h2", f"So that {digest_code(passkey.fingerprint)} counts"),
        element("p", "Save this as passkey.json on your own machine, and ask for it with a key you have already:"),
        element("pre", json.dumps(passkey.to_json(), indent=2), class_="passkey"),
        element("pre", ask),
        element("p", "A second person compares the code with you, reads the proposal and agrees on their machine:"),
        element("pre", agree),
    )


def in_words(counts_from: datetime | None, is_locked: bool, is_pinned: bool, now: datetime) -> str:
    """How far a passkey has got."""
    if is_locked:
        return "locked: nothing by it counts any more"
    if not is_pinned:
        return "candidate: counts for nothing yet"
    if counts_from is not None and counts_from > now:
        return f"cooling: counts from {rfc3339(counts_from)}"
    return "counts"

"""An operator's passkeys, which of them count, and what to do so that another one does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from custody.api.console import parts
from custody.api.console.asking import Question, ask
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Credential
from custody.kernel.clock import rfc3339

PEOPLE = "/console/people"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One of an operator's passkeys, and how far it has got."""

    credential: Credential
    standing: str


def enrolment(visit: Visit, passkeys: Sequence[Passkey], waiting: Sequence[Credential]) -> str:
    """An operator's passkeys, which of them count, and what to do so that those that are ``waiting`` do."""
    cards = [_passkey(each) for each in passkeys]
    return page(
        visit,
        "Your passkeys",
        element("ul", *cards, class_="cards") if cards else element("p", "You have none yet."),
        parts.section(
            "Make another",
            element(
                "p",
                "One of your passkeys says that it is you; then this browser makes another. It counts for nothing "
                "until a version of the trust root names it, a second person has agreed to that version on their own "
                "machine, and its cooling period is over.",
            ),
            parts.form("/console/passkeys/new", parts.button("Make another passkey …")),
        ),
        *(commands(visit.operator, each) for each in waiting),
        current=PEOPLE,
    )


def another(visit: Visit, question: Question) -> str:
    """The page whose button says that it is the person himself who wants another passkey."""
    return page(
        visit,
        "Make another passkey",
        parts.section(
            "First the one you have",
            parts.facts(("for", visit.operator), ("used at", visit.console.rp_id)),
            ask(question, "Use your passkey", "primary"),
        ),
        element("p", parts.link("Back", "/console/passkeys")),
        current=PEOPLE,
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


def _passkey(each: Passkey) -> Markup:
    return element(
        "li",
        parts.facts(
            ("stands", each.standing),
            ("code", digest_code(each.credential.fingerprint)),
            ("id", each.credential.id),
            ("public key", each.credential.public_key),
            class_="exact",
        ),
        class_="card",
    )


def commands(operator: str, passkey: Credential, *, is_new: bool = False) -> Markup:
    """What two people type so that a candidate becomes a passkey that counts."""
    asker = "YOUR-NAME" if is_new else operator
    new = " --new" if is_new else ""
    propose = (
        f"custody passkey propose passkey.json --for {operator}{new} --root root.json --policy policy.yaml \\\n"
        f"  --as {asker} --key {asker}.pem --out proposal.json --token-file {asker}.token"
    )
    agree = (
        "custody approve proposal.json --root root.json --as YOUR-NAME --key YOUR-KEY.pem \\\n"
        "  --token-file YOUR-NAME.token"
    )
    who = "An operator asks for it with a key of theirs:" if is_new else "Ask for it with a key you have already:"
    return element(
        "section",
        element("h2", f"So that {digest_code(passkey.fingerprint)} counts"),
        element("p", "It counts for nothing yet. Save this as passkey.json on your own machine."),
        element("pre", json.dumps(passkey.to_json(), indent=2), class_="passkey"),
        element("p", who),
        element("pre", propose),
        element("p", "A second person compares the code with you, reads the proposal and agrees on their machine:"),
        element("pre", agree),
    )

"""One intent: the sentence first, what was found, where the money goes, who agreed, and the verdict last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.asking import Question, ask
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element, joined
from custody.api.console.navigation import QUEUE
from custody.api.console.pages.people import delay_left, missing
from custody.api.console.pages.signing import signed
from custody.api.console.parts import Row, Tone
from custody.evidence.approvals import Statement
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.views.deciding import headline, why_not, why_not_approve
from custody.views.findings import SPOKEN

_VERDICTS: Final = {"approve": "Approve", "reject": "Reject"}
_TONES: Final[dict[str, Tone]] = {"CRITICAL": "bad", "ERROR": "warn", "WARN": "warn", "INFO": "info", "OK": "ok"}
SHORTEST_REASON: Final = 10
_FREED: Final = ("denied", "rejected", "expired", "cancelled", "failed")
"""Where a payment ends that is not made."""


def intent(visit: Visit, shown: dict[str, Any]) -> str:
    """The whole page; what can be done about it stands at its end, and in a bar that stays in sight."""
    closed = why_not(visit.operator, shown)
    return page(
        visit,
        headline(shown),
        element("p", _stands(shown), class_="stands"),
        *_rivals(shown),
        _findings(shown),
        _said(shown),
        _destination(visit, shown),
        _money(shown),
        _reference(shown),
        _policy(shown),
        _people(shown),
        _timeline(visit, shown),
        signed(shown),
        _choice(visit.operator, shown, closed),
        _bar(shown, closed),
        current=QUEUE,
        live=f"/console/intents/{shown['digest']}",
    )


def statement(visit: Visit, shown: Mapping[str, Any], said: Statement, question: Question) -> str:
    """The statement that is about to be signed, beside the words of what it is about, and the button that signs it."""
    verb = _VERDICTS[said.verdict]
    return page(
        visit,
        f"{verb} this?",
        _said(shown),
        _pays(shown),
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


def done(visit: Visit, shown: Mapping[str, Any], following: Mapping[str, Any] | None) -> str:
    """What became of the verdict, in the money's words first, and what waits next."""
    own = next((each for each in reversed(shown["approvals"]) if each["approver"] == visit.operator), None)
    verdict = "Nothing by you is recorded." if own is None else f"Your {_NOUNS[own['verdict']]} is recorded."
    moved = "Nothing is sent yet." if shown["state"] in ("pending", "approved") else "Nothing is sent."
    after = (
        element(
            "p", "Next: ", parts.link(following["sentence"], f"/console/intents/{following['digest']}", data_next="yes")
        )
        if following
        else element("p", "That was the last. ", parts.link("Back to the queue", QUEUE))
    )
    return page(
        visit,
        verdict,
        parts.lines(moved, f"{missing(shown).capitalize()}."),
        parts.digest_code(shown["code"]),
        after,
        element("p", parts.link("Back to this one", f"/console/intents/{shown['digest']}")),
        current=QUEUE,
    )


_NOUNS: Final = {"approve": "approval", "reject": "rejection"}


def _stands(shown: Mapping[str, Any]) -> str:
    if shown["state"] == "pending":
        return f"Nothing is sent yet: {missing(shown)}."
    if shown["delay_left_seconds"]:
        return f"Nothing is sent yet: people agreed, and its delay runs for {delay_left(shown)} more."
    payment = shown["payment"]
    if payment and payment["status"] in _FREED:
        return f"Nothing is sent: this is {payment['status']}, and its money is free."
    return f"This is {shown['state']}" + (
        f"; the payment is {payment['status'].replace('_', ' ')}." if payment else "."
    )


def _findings(shown: Mapping[str, Any]) -> Markup:
    items = [
        element(
            "li",
            parts.tag(SPOKEN[each["level"]], _TONES[each["level"]]),
            f" {each['sentence']}",
            element("span", f" {each['evidence']}", class_="soft") if each["evidence"] else "",
            id=f"finding-{each['id']}",
        )
        for each in shown["findings"]
    ]
    return parts.section(
        "Findings", element("ul", *items, class_="plain") if items else element("p", "Nothing was looked at.")
    )


def _said(shown: Mapping[str, Any]) -> Markup:
    return parts.section(
        "In words",
        element("ul", *(element("li", line) for line in shown["words"][:-1]), class_="words"),
        element("h3", "Code"),
        parts.digest_code(shown["code"]),
        element("p", "The cosigner, the command line and every notice show the same code.", class_="soft"),
        element("p", shown["digest"], class_="mono soft whole", id="digest"),
    )


def _pays(shown: Mapping[str, Any]) -> Markup | str:
    """The destination once more, in groups that can be compared with what the client sent."""
    to = shown["document"]["request"].get("destination")
    return parts.section("Destination", element("p", parts.address(to))) if to else ""


def _destination(visit: Visit, shown: Mapping[str, Any]) -> Markup | str:
    if not shown.get("destination"):
        return ""
    twin = shown["twin"]
    rows = [("address", parts.address(shown["destination"], twin=twin))]
    if twin:
        rows += [("looks like", parts.address(twin, twin=shown["destination"]))]
    note = element("p", parts.tag("differs", "warn"), " marks the groups in which the two differ.") if twin else ""
    name = shown["destination_name"] or "on no list of the client"
    return parts.section("Destination", parts.facts(("name", name), *rows), note, parts.lines(*_known(shown, visit.at)))


def _money(shown: Mapping[str, Any]) -> Markup | str:
    if shown.get("amount") is None:
        return ""
    amount, fee = shown["amount"], shown["max_fee"]
    rows: list[tuple[str, str]] = [
        ("amount", parts.amount(amount["decimal"], shown["asset"]["code"], base_units=amount["base_units"]))
    ]
    if fee:
        share = f" ({shown['fee_share']} of the amount)" if shown["fee_share"] else ""
        rows += [("network fee at most", joined(parts.amount(fee["decimal"], fee["code"]), share))]
    if shown["usd"]:
        age = shown["price_age_seconds"]
        old = f", at a price {parts.lasting(timedelta(seconds=int(age)))} old" if age else ""
        rows += [("worth", element("span", f"about {shown['usd']} USD{old}", class_="soft"))]
    if shown["payment"]:
        held = shown["payment"]["held"]
        rows += [("held now", parts.amount(held["decimal"], shown["asset"]["code"]))]
    return parts.section("Money", parts.facts(*rows), _expected(shown))


def _reference(shown: Mapping[str, Any]) -> Markup | str:
    """What the client's books call the payment, closed: whoever asked wrote it, and no signature is over it."""
    payment = shown["payment"]
    if not payment or not payment["reference"]:
        return ""
    return parts.disclosure(
        "What the client's books call it",
        element("p", payment["reference"], class_="mono whole", id="reference"),
        element("p", "Nobody signed this. It says nothing of who is paid, or how much.", class_="soft"),
    )


def _expected(shown: Mapping[str, Any]) -> Markup | str:
    """What the books say before it is paid, and after: expected until the chain confirms it."""
    if not shown["effect"]:
        return ""
    rows = [
        Row((each["what"], *(parts.amount(each[when]["decimal"], each["code"]) for when in ("before", "after"))))
        for each in shown["effect"]
    ]
    return element(
        "div",
        parts.table("Before and after", ("books", "now", "expected, at least"), rows, empty="", numbers=(1, 2)),
        element("p", "Expected until it is confirmed; what is left of the fee stays the client's.", class_="soft"),
    )


def _rivals(shown: Mapping[str, Any]) -> list[Markup]:
    return [
        element("p", parts.link("The other intent", f"/console/intents/{each['digest']}"), f" {each['words']}.")
        for each in shown["rivals"]
    ]


def _known(shown: Mapping[str, Any], now: datetime) -> list[str]:
    """What is known of who is paid, a sentence each."""
    known = shown["known"]
    if known is None:
        return []
    paid = "Never paid before."
    if known["payments"]:
        last = parts.apart(parse_rfc3339(known["last_at"], field="last_at"), now)
        times = "1 payment" if known["payments"] == 1 else f"{known['payments']} payments"
        paid = f"{times}, last {last}; largest {known['largest']['decimal']} {shown['asset']['code']}."
    if known["listed_at"] is None:
        return ["It is on no list of the client.", paid]
    counts = parse_rfc3339(known["counts_from"], field="counts_from")
    cooling = f"; its cooling-off ends {counts:%Y-%m-%d %H:%M} UTC" if counts > now else ""
    return [f"Listed since {known['listed_at'][:10]} by {' and '.join(known['listed_by'])}{cooling}.", paid]


_CHANGES: Final = "would change it: "


def _policy(shown: Mapping[str, Any]) -> Markup:
    decision = shown["decision"]
    bars = [
        element("li", parts.bar(f"{each['words']}: {each['percent']} % with this", each["percent"], 100))
        for each in shown["limits"]
        if each["percent"] is not None
    ]
    change = [each.removeprefix(_CHANGES) for each in decision["explanation"] if each.startswith(_CHANGES)]
    rules = element("ul", *(element("li", f"{each['kind']}: {each['title']}") for each in decision["rules"]))
    return parts.section(
        "Policy",
        element("p", decision["explanation"][0]),
        element("ul", *bars, class_="plain") if bars else "",
        joined(element("h3", "What would change it"), parts.lines(*change)) if change else "",
        parts.disclosure(
            "Every rule, and why",
            rules,
            parts.lines(*decision["explanation"][1:]),
            element("p", decision["document_hash"], class_="mono soft whole"),
        ),
    )


def _people(shown: Mapping[str, Any]) -> Markup:
    rows = [
        Row(
            (each["name"], each["stands"], shown["reasons"].get(each["name"], "")),
            tone="ok" if each["counts"] else ("bad" if each["stands"].startswith("said no") else "plain"),
        )
        for each in shown["people"]
    ]
    return element(
        "div",
        parts.table("People", ("who", "stands", "why (not signed)"), rows, empty="Nobody is asked."),
        element("p", f"In all: {missing(shown)}.", class_="soft"),
    )


def _timeline(visit: Visit, shown: Mapping[str, Any]) -> Markup:
    said = [(shown["created_at"], f"asked for by {shown['document']['request']['requester']}", "")]
    said += [
        (each["given_at"], f"{_DID[each['verdict']]} by {each['approver']}", f"by {each['by']}")
        for each in shown["approvals"]
    ]
    payment = shown["payment"]
    if payment:
        said += [
            (
                each["at"],
                _spoken(f"{each['from'] or 'new'} → {each['to']}"),
                _spoken(f"{each['event']} by {each['actor']}"),
            )
            for each in payment["steps"]
        ]
    rows = [
        Row((parts.moment(parse_rfc3339(at, field="at"), visit.at), what, more))
        for at, what, more in sorted(said, key=lambda each: parse_rfc3339(each[0], field="at"))
    ]
    return parts.table("Timeline", ("when", "what", "how"), rows, empty="Nothing happened.")


def _spoken(name: str) -> str:
    return name.replace("_", " ")


_DID: Final = {"approve": "approved", "reject": "rejected"}


def _effect(shown: Mapping[str, Any]) -> str:
    if shown.get("amount") is None or not shown.get("destination"):
        return ""
    return (
        f" {shown['amount']['decimal']} {shown['asset']['code']} to {shown['destination_name'] or shown['destination']}"
    )


def _choice(operator: str, shown: Mapping[str, Any], closed: str) -> Markup:
    where = f"/console/intents/{shown['digest']}/statement"
    if closed:
        return parts.section(
            "Your verdict", parts.form(where, parts.button("Approve …", why_not=closed, id_="verdict")), id_="verdicts"
        )
    approve = f"Approve{_effect(shown)} …"
    yes = parts.form(
        where,
        parts.button(
            approve,
            name="verdict",
            value="approve",
            tone="approve",
            id_="approve",
            why_not=why_not_approve(operator, shown),
        ),
    )
    no = parts.form(
        where,
        parts.entry(
            "Why not",
            "reason",
            hint=f"At least {SHORTEST_REASON} characters, kept beside your verdict; your passkey does not sign it.",
            lines=2,
        ),
        parts.button("Reject …", name="verdict", value="reject", tone="reject"),
    )
    veto = element("p", "People agreed, and its delay runs: a no now still stops it.")
    return parts.section("Your verdict", *([yes, no] if shown["state"] == "pending" else [veto, no]), id_="verdicts")


def _bar(shown: Mapping[str, Any], closed: str) -> Markup:
    links = (
        parts.link("See why there is nothing to press", "#verdicts")
        if closed
        else parts.link("To your verdict", "#verdicts")
    )
    return element("div", element("p", shown["code"], class_="code", aria_label="Code"), links, class_="sticky")

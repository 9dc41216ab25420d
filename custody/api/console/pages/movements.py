"""Money that came in and money that goes out: the lists, what a client's page shows of them, and one deposit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row, Tone
from custody.views.movements import STATES

BOOKS: Final = "/console/books"
DEPOSITS: Final = "/console/deposits"
WITHDRAWALS: Final = "/console/withdrawals"
_PLACES: Final = {"deposits": DEPOSITS, "withdrawals": WITHDRAWALS}
_TITLES: Final = {"deposits": "Deposits", "withdrawals": "Withdrawals"}
_LEADS: Final = {
    "deposits": "What arrived on the chain, and how far it has got. Nothing is a client's before it is credited.",
    "withdrawals": "What was asked for, whatever became of it. What waits for somebody is in the queue.",
}
_EMPTY: Final = {"deposits": "Nothing arrived yet.", "withdrawals": "Nothing was asked for yet."}
_HEADS: Final = {
    "deposits": ("amount", "client", "where it stands", "why", "arrived", "transaction"),
    "withdrawals": ("amount", "client", "reference", "to", "where it stands", "waits for", "asked for"),
}
_TONES: Final[Mapping[str, Tone]] = {
    "credited": "ok",
    "completed": "ok",
    "orphaned": "bad",
    "failed": "bad",
    "quarantined": "warn",
    "rejected": "warn",
    "denied": "warn",
    "expired": "warn",
}
_WAITS_FOR: Final[Mapping[str, str]] = {
    "pending_approval": "people",
    "awaiting_signatures": "cosigners",
    "broadcast": "the chain",
    "confirmed": "the chain",
    "seen": "the chain",
    "confirming": "the chain",
    "quarantined": "people",
}
"""Where the row itself gives no reason."""
_MOST_SHOWN: Final = 10


def movements(
    visit: Visit,
    what: str,
    shown: Mapping[str, Any],
    *,
    client: str,
    state: str,
    reference: str = "",
    after: str | None,
) -> str:
    """A page of ``deposits`` or ``withdrawals``, of everybody or of one client, in any state or in one.

    ``reference`` is what a client calls a withdrawal; a deposit has none, and is not asked for by it.
    """
    here = _PLACES[what]
    draw = _deposit if what == "deposits" else _withdrawal
    options = [("", "any"), *((each, listing.sentence(each)) for each in STATES[what])]
    filters = parts.form(
        here,
        parts.entry("Client", "client", value=client, kind="search"),
        parts.entry("Reference", "reference", value=reference, kind="search") if what == "withdrawals" else "",
        parts.choice("Where it stands", "state", options, chosen=state),
        parts.button("Show"),
        method="get",
        class_="filters",
    )
    empty = "Nothing here is so." if client or state or reference else _EMPTY[what]
    rows = [draw(visit, each) for each in shown["rows"]]
    return page(
        visit,
        _TITLES[what],
        element("p", _LEADS[what], class_="lead"),
        filters,
        parts.table(f"{_TITLES[what]}, the newest first", _HEADS[what], rows, empty=empty),
        listing.turn(here, shown["next"], began=after is not None, client=client, state=state, reference=reference),
        current=BOOKS,
    )


def newest_of_client(visit: Visit, client: Mapping[str, Any]) -> Markup:
    """What came in and went out last on a client's page, with the way to all of it."""
    told = [("came in", f"{DEPOSITS}/{each['id']}", each) for each in client["deposits"]]
    told += [("goes out", f"/console/intents/{each['digest']}", each) for each in client["withdrawals"]]
    newest = sorted(told, key=lambda each: each[2]["at"], reverse=True)[:_MOST_SHOWN]
    rows = [
        Row(
            (
                parts.link(what, to),
                listing.money(each["amount"], each["asset"]),
                _state(each),
                each["reason"] or _WAITS_FOR.get(each["state"], ""),
                listing.at(each["at"], visit.at),
            )
        )
        for what, to, each in newest
    ]
    heads = ("what", "amount", "where it stands", "waits for", "when")
    return element(
        "div",
        parts.table("The newest movements", heads, rows, empty="Nothing came in or went out yet.", numbers=(1,)),
        element(
            "p",
            parts.link("All deposits", listing.where(DEPOSITS, client=client["id"])),
            parts.link("All withdrawals", listing.where(WITHDRAWALS, client=client["id"])),
            class_="pager",
        ),
    )


def one_deposit(visit: Visit, shown: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """One deposit: how much, whose, how far it has got, and every step of the way."""
    rows = [
        Row(
            (
                listing.at(each["at"], visit.at),
                listing.sentence(each["event"]),
                listing.sentence(each["from"]),
                listing.sentence(each["to"]),
                each["actor"],
            )
        )
        for each in shown["steps"]
    ]
    return page(
        visit,
        f"Deposit of {shown['amount']['decimal']} {shown['asset']['code']}",
        element("p", _UNBACKED if shown["unbacked"] else _MEANS[shown["status"]], class_="lead"),
        parts.facts(
            ("amount", listing.money(shown["amount"], shown["asset"])),
            ("where it stands", _tag(shown["status"])),
            ("why", shown["reason"] or "as usual"),
            ("next", shown["next_actor"]),
            ("client", _whose(shown["client"], shown["client_name"])),
            ("address", _address(shown["address"])),
            ("vault", parts.link(shown["vault"], f"/console/vaults/{shown['vault']}")),
            ("network", listing.network(shown["chain"], names)),
            ("block", _block(shown)),
            ("transaction", parts.hexadecimal(shown["outpoint"])),
            ("entries", parts.link("what was booked for it", listing.where(BOOKS, subject=shown["id"]))),
            ("id", parts.hexadecimal(shown["id"])),
        ),
        parts.table("Every step", ("when", "what", "from", "to", "by"), rows, empty="No step was kept."),
        current=BOOKS,
    )


_MEANS: Final[Mapping[str, str]] = {
    "seen": "The money is not the client's yet: the transaction is in no block.",
    "confirming": "The money is not the client's yet: more blocks have to follow.",
    "credited": "The money is the client's, and can be paid out.",
    "orphaned": "The money is not on the chain now: a block that held it was taken back.",
    "quarantined": "The money is on the chain and nobody's: people have to say whose it is.",
    "dust": "The money is on the chain and too little to be worth spending; nobody is credited.",
}
_UNBACKED: Final = "The client was credited, and the chain took the money back: payments already count on it."


def _block(shown: Mapping[str, Any]) -> str:
    if shown["height"] is None:
        return "in none"
    height = f"{shown['height']:,}".replace(",", "\u202f")
    return f"{height}, credited at {shown['required_confirmations']} confirmations"


def _address(number: int | None) -> Markup | str:
    return (
        "none that was given to a client"
        if number is None
        else parts.link("the client's address", f"/console/addresses/{number}")
    )


def _deposit(visit: Visit, each: Mapping[str, Any]) -> Row:
    return Row(
        (
            parts.link(_words(each), f"{DEPOSITS}/{each['id']}"),
            _whose(each["client_id"], each["client_name"]),
            _state(each),
            each["reason"] or "",
            listing.at(each["at"], visit.at),
            parts.short_address(each["txid"]),
        ),
        tone=_row_tone(each["state"]),
    )


def _withdrawal(visit: Visit, each: Mapping[str, Any]) -> Row:
    return Row(
        (
            parts.link(_words(each), f"/console/intents/{each['digest']}"),
            _whose(each["client_id"], each["client_name"]),
            each["reference"] or "",
            parts.short_address(each["destination"]) if each["destination"] else listing.sentence(each["kind"]),
            _state(each),
            each["reason"] or _WAITS_FOR.get(each["state"], ""),
            listing.at(each["at"], visit.at),
        ),
        tone=_row_tone(each["state"]),
    )


def _words(each: Mapping[str, Any]) -> Markup:
    return listing.money(each["amount"], each["asset"])


def _whose(client: str | None, name: str | None) -> Markup | str:
    return "nobody's" if client is None else parts.link(name or client, f"/console/clients/{client}")


def _state(each: Mapping[str, Any]) -> Markup:
    return _tag(each["state"])


def _tag(state: str) -> Markup:
    return parts.tag(listing.sentence(state), _TONES.get(state, "info"))


def _row_tone(state: str) -> Tone:
    tone = _TONES.get(state, "plain")
    return tone if tone in ("bad", "warn") else "plain"

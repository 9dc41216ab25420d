"""Clients: the list, one of them, and one address to be paid at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import drawings, parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row, Tone

HERE: Final = "/console/clients"
_HEADS: Final = ("client", "status", "segregation", "available", "held", "pledged", "last entry", "books and chain")
_STATUS: Final[Mapping[str, Tone]] = {"active": "ok", "frozen": "bad", "defaulted": "bad", "closed": "plain"}
_DEPOSIT: Final[Mapping[str, Tone]] = {"credited": "ok", "orphaned": "bad", "quarantined": "warn"}


def client_list(visit: Visit, shown: Mapping[str, Any], *, search: str, after: str | None) -> str:
    """A page of clients; those whose books and chain differ come before all others."""
    differing, found = shown["differing"], shown["clients"]
    banner, apart = "", ""
    if differing:
        least = "more than " if shown["more_differing"] else ""
        words = f"Nothing leaves the vaults of {least}{_counted(len(differing), 'client')}: books and chain differ."
        banner = parts.banner(words, "bad")
        rows = [_row(visit, each) for each in differing]
        apart = parts.table("Books and chain differ", _HEADS, rows, empty="", numbers=(3, 4, 5))
    empty = "No client's name begins so, and no id or address is that." if search else _NONE
    return page(
        visit,
        "Clients",
        listing.search(HERE, "Find a client", "search", search, hint="How the name begins, or a whole id or address."),
        apart,
        parts.table("Clients by name", _HEADS, [_row(visit, each) for each in found], empty=empty, numbers=(3, 4, 5)),
        listing.turn(HERE, shown["next"], began=after is not None, search=search),
        current=HERE,
        banner=banner,
    )


_NONE: Final = "No clients yet. One is opened with: custody client open"


def one_client(visit: Visit, client: Mapping[str, Any]) -> str:
    """One client: what stops it first, then its money, where it came from and where it went."""
    is_stopped = bool(client["stops"]) or client["status"] != "active"
    return page(
        visit,
        client["name"],
        parts.facts(
            ("status", parts.tag(client["status"], _STATUS.get(client["status"], "warn"))),
            ("why", client["status_reason"] or "as usual"),
            ("segregation", client["segregation"]),
            ("books and chain", _compared(visit, client)),
            ("last entry", listing.at(client["last_movement"], visit.at)),
            ("opened", listing.at(client["opened_at"], visit.at)),
            ("id", parts.hexadecimal(client["id"])),
        ),
        listing.stops(client["stops"], visit.at),
        _balances(client),
        _holds(client),
        _vaults(visit, client),
        _addresses(visit, client),
        _movements(visit, client),
        current=HERE,
        banner=parts.banner("Nothing leaves this client's vaults while it is stopped.", "bad") if is_stopped else "",
    )


def one_address(visit: Visit, shown: Mapping[str, Any]) -> str:
    """An address to be handed out, or that it must not be."""
    if shown["address"] is None:
        return page(
            visit,
            "Do not hand out this address",
            parts.lines(
                "Money paid here may be nobody's to spend: the address is not what its keyset gives.",
                f"What was found: {shown['derived']}.",
                "Nothing was changed. Tell the people who run the daemon; the runbook is docs/runbooks/break-found.md.",
            ),
            current=HERE,
            banner=parts.banner("The two derivations do not agree. Nobody is shown this address.", "bad"),
        )
    uses = f"more than {shown['uses_counted_to']}" if shown["uses"] >= shown["uses_counted_to"] else str(shown["uses"])
    label = f"QR code of {shown['address']}"
    stopped = f"The vault is stopped: {shown['frozen_reason']}. What arrives is kept; nothing leaves."
    return page(
        visit,
        f"Address of {shown['client_name']}",
        element(
            "section",
            element("h2", f"Pay to, on {shown['network']}"),
            element("p", parts.address(shown["address"]), id="address"),
            drawings.qr_code(_compact(shown["address"]), label=label),
            element("p", "Copying the address yields no spaces. This page prints on one sheet.", class_="soft"),
        ),
        parts.facts(
            ("derived twice", parts.tag("equal", "ok")),
            ("client", parts.link(shown["client_name"], f"{HERE}/{shown['client']}")),
            ("vault", parts.link(shown["vault"], f"/console/vaults/{shown['vault']}")),
            ("index", str(shown["index"])),
            ("given out", listing.at(shown["issued_at"], visit.at)),
            ("paid to", f"{uses} times" if shown["uses"] else "never paid to"),
            ("first use", listing.at(shown["first_used_at"], visit.at)),
            ("last use", listing.at(shown["last_used_at"], visit.at)),
        ),
        current=HERE,
        banner=parts.banner(stopped, "warn") if shown["frozen_reason"] else "",
    )


def _row(visit: Visit, client: Mapping[str, Any]) -> Row:
    balances = client["balances"]
    sums = [
        listing.stacked([listing.money(each[part], each["asset"]) for each in balances], none="nothing")
        for part in ("available", "held", "pledged")
    ]
    return Row(
        (
            parts.link(client["name"], f"{HERE}/{client['id']}"),
            parts.tag(client["status"], _STATUS.get(client["status"], "warn")),
            client["segregation"],
            *sums,
            listing.at(client["last_movement"], visit.at),
            _compared(visit, client),
        ),
        tone="bad" if client["differences"] else "plain",
    )


def _compared(visit: Visit, client: Mapping[str, Any]) -> Markup | str:
    """What differs, or when nothing did."""
    if client["differences"]:
        found = [
            element(
                "span", parts.tag("differs", "bad"), " ", parts.link(_less(each), f"/console/breaks/{each['break']}")
            )
            for each in client["differences"]
        ]
        return listing.stacked(found)
    compared = client["compared"]
    if compared is None or compared["height"] is None:
        return parts.tag("not compared yet", "warn")
    return element(
        "span", parts.tag("equal", "ok"), f" at block {compared['height']}, ", listing.at(compared["at"], visit.at)
    )


def _less(difference: Mapping[str, Any]) -> str:
    amount = difference["amount"]["decimal"]
    word = "less" if amount.startswith("-") else "more"
    return f"{amount.removeprefix('-')} {difference['asset']['code']} {word} on the chain"


def _balances(client: Mapping[str, Any]) -> Markup:
    rows = []
    for each in client["balances"]:
        total, held = int(each["total"]["base_units"]), int(each["held"]["base_units"])
        words = f"held {each['held']['decimal']} of {each['total']['decimal']} {each['asset']['code']}"
        cells = [listing.money(each[part], each["asset"]) for part in ("available", "held", "pledged", "receivable")]
        rows.append(Row((each["asset"]["code"], *cells, parts.bar(words, held, total))))
    heads = ("asset", "available", "held", "pledged", "owed to the house", "how much is held")
    return parts.table("Money", heads, rows, empty="Nothing was ever booked for this client.", numbers=(1, 2, 3, 4))


def _holds(client: Mapping[str, Any]) -> Markup:
    rows = [
        Row(
            (
                listing.sentence(each["kind"] or "not a payment"),
                listing.sentence(each["status"] or "held"),
                str(each["number"]),
                listing.money(each["amount"], each["asset"]),
            )
        )
        for each in client["holds"]
    ]
    heads = ("for", "where it stands", "holds", "amount")
    return parts.table("What is held, by purpose", heads, rows, empty="Nothing is held.", numbers=(2, 3))


def _vaults(visit: Visit, client: Mapping[str, Any]) -> Markup:
    rows = [
        Row(
            (
                parts.link(each["id"], f"/console/vaults/{each['id']}"),
                each["kind"],
                parts.tag(each["frozen_reason"], "bad") if each["frozen_reason"] else parts.tag("open", "ok"),
                listing.at(each["reconciled_at"], visit.at, never="not compared yet"),
            )
        )
        for each in client["vaults"]
    ]
    return parts.table("Vaults", ("vault", "kind", "state", "compared with the chain"), rows, empty="No vault yet.")


def _addresses(visit: Visit, client: Mapping[str, Any]) -> Markup:
    rows = [
        Row(
            (
                parts.link(f"address {each['index']}", f"/console/addresses/{each['id']}"),
                parts.short_address(each["address"]),
                each["vault"],
                listing.at(each["issued_at"], visit.at),
            )
        )
        for each in client["addresses"]
    ]
    caption = "Addresses, the newest first" if client["more_addresses"] else "Addresses"
    return parts.table(caption, ("index", "address", "vault", "given out"), rows, empty="No address was given out yet.")


def _movements(visit: Visit, client: Mapping[str, Any]) -> Markup:
    came = [
        (each["at"], "came in", f"/console/books?subject={each['id']}", each, _DEPOSIT.get(each["state"], "info"))
        for each in client["deposits"]
    ]
    went: Sequence[Any] = [
        (
            each["at"],
            "goes out",
            f"/console/intents/{each['digest']}",
            each,
            "ok" if each["state"] == "completed" else "info",
        )
        for each in client["withdrawals"]
    ]
    rows = [
        Row(
            (
                parts.link(what, to),
                listing.money(each["amount"], each["asset"]),
                parts.tag(listing.sentence(each["state"]), tone),
                each["reason"] or "",
                listing.at(when, visit.at),
            )
        )
        for when, what, to, each, tone in sorted([*came, *went], key=lambda each: each[0], reverse=True)
    ]
    heads = ("what", "amount", "where it stands", "waits for", "when")
    return parts.table("The newest movements", heads, rows, empty="Nothing came in or went out yet.", numbers=(1,))


def _compact(address: str) -> str:
    """In capitals where case says nothing: the code is then smaller and read as the same address."""
    return address.upper() if address.startswith(("bc1", "tb1", "bcrt1")) else address


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

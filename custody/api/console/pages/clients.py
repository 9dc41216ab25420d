"""Clients: the list, and one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import addresses, listing, movements
from custody.api.console.parts import Row, Tone

HERE: Final = "/console/clients"
_HEADS: Final = ("client", "status", "segregation", "available", "held", "pledged", "last entry", "books and chain")
_STATUS: Final[Mapping[str, Tone]] = {"active": "ok", "frozen": "bad", "defaulted": "bad", "closed": "plain"}


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


def one_client(visit: Visit, client: Mapping[str, Any], names: Mapping[str, str]) -> str:
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
        addresses.of_client(visit, client, names),
        movements.newest_of_client(visit, client),
        _doing(client),
        current=HERE,
        banner=parts.banner("Nothing leaves this client's vaults while it is stopped.", "bad") if is_stopped else "",
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
        account = listing.where("/console/books", account=f"available {client['id']} {each['asset']['id']}")
        rows.append(Row((parts.link(each["asset"]["code"], account), *cells, parts.bar(words, held, total))))
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


def _doing(client: Mapping[str, Any]) -> Markup:
    """What can be asked for from here; each opens a page that says what it does before anybody signs."""
    book = listing.where("/console/destinations", client=client["id"])
    freeze = listing.where("/console/requests/freeze", scope="client", subject=client["id"])
    return parts.section(
        "What can be done",
        element("p", parts.link("Its list of destinations", book, class_="button")),
        element(
            "p",
            parts.link("Freeze this client …", freeze, class_="button"),
            " Nothing is paid for it from then on; what it is sent is still credited.",
        ),
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

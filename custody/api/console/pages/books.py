"""The books: entries, an account with its running balance, and one entry with its cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, joined
from custody.api.console.pages import listing
from custody.api.console.parts import Row

HERE: Final = "/console/books"
_PLAIN: Final = ("entry", "when", "why", "about", "what moved", "by")
_RUNNING: Final = ("entry", "when", "why", "about", "change", "balance after", "by")
_HINT: Final = "KIND OWNER ASSET, as an entry names it; its entries are shown with the balance after each."


def entries(visit: Visit, shown: Mapping[str, Any], *, account: str, subject: str, after: str | None) -> str:
    """A page of entries, of everything or of what was asked for."""
    heads = _RUNNING if account else _PLAIN
    rows = [_running(visit, each) if account else _plain(visit, each) for each in shown["entries"]]
    empty = (
        "Nothing was booked so." if account or subject else "Nothing was booked yet. The first deposit is the first."
    )
    caption = f"Account {account}" if account else f"About {subject}" if subject else "Entries, the newest first"
    return page(
        visit,
        "Books",
        parts.lines("Nothing here can be changed: what was wrong is set right by another entry."),
        listing.search(HERE, "One account", "account", account, hint=_HINT, go="Show the account"),
        listing.search(
            HERE, "About one thing", "subject", subject, hint="The id of a deposit, withdrawal or hold.", go="Show it"
        ),
        parts.table(caption, heads, rows, empty=empty, numbers=(4, 5) if account else ()),
        listing.turn(HERE, shown["next"], began=after is not None, account=account, subject=subject),
        current=HERE,
    )


def one_entry(visit: Visit, entry: Mapping[str, Any]) -> str:
    """One entry: both its sides with balances before and after, and what it came from."""
    rows = [
        Row(
            (
                parts.link(f"{each['kind']} of {each['owner_name']}", listing.where(HERE, account=each["account"])),
                listing.money(each["before"], each["asset"]),
                listing.money(each["change"], each["asset"]),
                listing.money(each["after"], each["asset"]),
            )
        )
        for each in entry["lines"]
    ]
    heads = ("account", "before", "change", "after")
    return page(
        visit,
        f"Entry {entry['id']}: {listing.sentence(entry['reason'])}",
        parts.table("Both sides", heads, rows, empty="No line.", numbers=(1, 2, 3)),
        parts.facts(
            ("booked", listing.at(entry["posted_at"], visit.at)),
            ("about", parts.link(entry["subject"], listing.where(HERE, subject=entry["subject"]))),
            ("by", entry["actor"]),
            ("on whose word", _authority(entry)),
            ("corrects", _entry(entry["reverses"], "no other entry")),
            ("corrected by", _entry(entry["reversed_by"], "no other entry")),
            ("booked once under", parts.hexadecimal(entry["key"])),
        ),
        current=HERE,
    )


def _plain(visit: Visit, entry: Mapping[str, Any]) -> Row:
    moved = [
        joined(
            parts.link(f"{each['kind']} of {each['owner_name']}", listing.where(HERE, account=each["account"])),
            " ",
            listing.money(each["change"], each["asset"]),
        )
        for each in entry["lines"]
    ]
    return Row((*_first(visit, entry), listing.stacked(moved), entry["actor"]))


def _running(visit: Visit, entry: Mapping[str, Any]) -> Row:
    own = entry["own"]
    change, after = listing.money(own["change"], own["asset"]), listing.money(own["after"], own["asset"])
    return Row((*_first(visit, entry), change, after, entry["actor"]))


def _first(visit: Visit, entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        parts.link(str(entry["id"]), f"{HERE}/{entry['id']}"),
        listing.at(entry["posted_at"], visit.at),
        listing.sentence(entry["reason"]),
        parts.link(entry["subject"], listing.where(HERE, subject=entry["subject"])),
    )


def _authority(entry: Mapping[str, Any]) -> Markup | str:
    links = [
        parts.link(f"the intent of {owner}", f"/console/intents/{digest}")
        for owner, digest in sorted(entry["authorised_by"].items())
    ]
    return listing.stacked(links, none="nobody's: the chain did it, or the entry takes from nobody")


def _entry(number: int | None, none: str) -> Markup | str:
    return none if number is None else parts.link(f"entry {number}", f"{HERE}/{number}")

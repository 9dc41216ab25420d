"""Breaks: the list of them, and one told three times: by the chain, by our index and by the books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row

HERE: Final = "/console/reconciliation"
BREAKS: Final = "/console/breaks"
KINDS: Final = {"scripts": "by our addresses", "ranged": "derived by the node"}
BREAK_HEADS: Final = ("what differs", "vault", "difference", "found", "since", "next step")
_SETTLED_HEADS: Final = ("what differed", "vault", "difference", "found", "open from", "settled", "how", "by")
_WORDS: Final = {"open": "Open breaks, the oldest first", "settled": "Settled breaks, the last one first"}
_EMPTY: Final = {"open": "No break is open.", "settled": "No break was ever settled."}


def break_list(visit: Visit, shown: Mapping[str, Any], *, state: str, after: str | None) -> str:
    """A page of breaks that stand, or of those that were settled."""
    is_open = state == "open"
    rows = [break_row(visit, each) if is_open else _settled_row(visit, each) for each in shown["breaks"]]
    tabs = [
        element(
            "li", parts.link(words, f"{BREAKS}?state={each}", **({"aria_current": "page"} if each == state else {}))
        )
        for each, words in (("open", "Open"), ("settled", "Settled"))
    ]
    return page(
        visit,
        "Breaks",
        element("nav", element("ul", *tabs, class_="tabs"), aria_label="Breaks", class_="of-page"),
        parts.table(_WORDS[state], BREAK_HEADS if is_open else _SETTLED_HEADS, rows, empty=_EMPTY[state], numbers=(2,)),
        listing.turn(BREAKS, shown["next"], began=after is not None, state=state),
        current=HERE,
        banner=parts.banner("Nothing leaves the vaults that differ until it is explained.", "bad")
        if is_open and rows
        else "",
    )


def break_row(visit: Visit, each: Mapping[str, Any]) -> Row:
    """One that stands, as lists show it."""
    return Row((*_first(visit, each), "operators: explain or correct it"), tone="bad")


def one_break(visit: Visit, shown: Mapping[str, Any], *further: str) -> str:
    """What differs, what the chain, our index and the books say of it, and what is stopped; ``further`` is below."""
    open_ = shown["resolution"] is None
    differs = listing.money(shown["difference"], shown["asset"])
    return page(
        visit,
        f"Break: {listing.sentence(shown['check'].replace('-', ' '))}",
        element(
            "p", parts.tag("open" if open_ else shown["resolution"], "bad" if open_ else "ok"), " difference ", differs
        ),
        parts.lines(shown["detail"]),
        _told(shown),
        parts.facts(
            ("expected", listing.money(shown["expected"], shown["asset"])),
            ("found", listing.money(shown["found"], shown["asset"])),
            ("vault", parts.link(shown["vault"], f"/console/vaults/{shown['vault']}")),
            ("since", listing.at(shown["opened_at"], visit.at)),
            ("found by the run at block", f"{shown['run']['height']} {shown['run']['hash']}"),
            ("how that run asked", KINDS.get(shown["run"]["kind"], shown["run"]["kind"])),
            ("settled by", _settled(shown)),
            ("runbook", "docs/runbooks/break-found.md"),
        ),
        listing.stops(shown["stops"], visit.at),
        *further,
        current=HERE,
        banner=parts.banner("Nothing leaves this vault until the break is settled.", "bad") if open_ else "",
    )


def _settled_row(visit: Visit, each: Mapping[str, Any]) -> Row:
    by = parts.link("this intent", f"/console/intents/{each['resolved_by']}")
    return Row((*_first(visit, each), listing.at(each["resolved_at"], visit.at), each["resolution"], by))


def _first(visit: Visit, each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        parts.link(listing.sentence(each["check"].replace("-", " ")), f"{BREAKS}/{each['id']}"),
        parts.link(each["vault"], f"/console/vaults/{each['vault']}"),
        listing.money(each["difference"], each["asset"]),
        each["detail"],
        listing.at(each["opened_at"], visit.at),
    )


def _told(shown: Mapping[str, Any]) -> Markup:
    """Chain, index and books beside each other."""
    columns, asset = shown["columns"], shown["asset"]
    if columns is None:
        return element("p", "The run that found it kept no line of this vault.")
    books, index = columns["books"], columns["index"]
    flying = [
        Row((f"in flight: {each['kind']}", "", "", listing.money(each["amount"], asset))) for each in books["in_flight"]
    ]
    rows = [
        Row(
            (
                "what lies there",
                *(listing.money(each, asset) for each in (columns["chain"]["node"], index["coins"], books["ledger"])),
            )
        ),
        Row(("what came less what went", "", listing.money(index["movements"], asset), "")),
        Row(("nobody's yet", "", "", listing.money(books["suspense"], asset))),
        *flying,
        Row(("left unexplained", listing.money(columns["difference"], asset), "", ""), tone="bad"),
    ]
    heads = ("", "the chain says", "our index says", "the books say")
    return parts.table("Told three times", ("amount", *heads[1:]), rows, empty="", numbers=(1, 2, 3))


def _settled(shown: Mapping[str, Any]) -> Markup | str:
    digest = shown["resolved_by"]
    return "nobody yet" if digest is None else parts.link("this intent", f"/console/intents/{digest}")

"""A client's address book: where it may be paid to, since when, and who agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row, Tone
from custody.api.console.reading import network_names

CLIENTS: Final = "/console/clients"
HERE: Final = "/console/destinations"
_TONES: Final[Mapping[str, Tone]] = {"listed": "ok", "cooling": "warn", "delisted": "plain"}


def destinations(
    visit: Visit,
    shown: Mapping[str, Any] | None,
    held: Sequence[Mapping[str, Any]],
    *,
    client: str = "",
    problem: str = "",
    after: str | None = None,
) -> str:
    """One client's list, where one is named, and whatever waits for a second person's word."""
    title = "Destinations" if shown is None else f"Destinations of {shown['client']['name']}"
    return page(
        visit,
        f"Error: {title}" if problem else title,
        element(
            "p",
            "A destination on the list is paid as the policy says of listed ones; being on it pays nothing by itself.",
            class_="lead",
        ),
        parts.form(
            HERE,
            parts.entry("Client", "client", hint="Its id.", value=client, problem=problem),
            parts.button("Show its list"),
            method="get",
        ),
        _held(held),
        _book(visit, shown, after) if shown is not None else "",
        current=CLIENTS,
    )


def _book(visit: Visit, shown: Mapping[str, Any], after: str | None) -> Markup:
    add = listing.where("/console/requests/destination_listing", client=shown["client"]["id"], action="list")
    return parts.section(
        "Address book",
        parts.table(
            "Listed destinations",
            ("label", "address", "network", "stands", "listed", "asked for by", "agreed", "change"),
            [_row(visit, each, shown["client"]["id"]) for each in shown["listings"]],
            empty="Nothing is on this list.",
        ),
        listing.turn(HERE, shown["next"], began=after is not None, client=shown["client"]["id"]),
        element("p", parts.link("List another destination …", add)),
        element(
            "p",
            "Nobody proves here that an address is the client's: what is known is its label, who asked, who agreed.",
            class_="soft",
        ),
    )


def _row(visit: Visit, listed: Mapping[str, Any], client: str) -> Row:
    state = listed["standing"]
    stands = state
    if state == "cooling":
        stands = f"cooling, counts in {parts.lasting(listed['counts_from'] - visit.at)}"
    fields = {"client": client, "chain": listed["chain"], "destination": listed["destination"]}
    off = listing.where("/console/requests/destination_listing", **fields, label=listed["label"], action="delist")
    return Row(
        (
            listed["label"],
            parts.address(listed["destination"]),
            listing.network(listed["chain"], network_names(visit)),
            parts.tag(stands, _TONES[state]),
            parts.moment(listed["listed_at"], visit.at),
            listed["requester"],
            ", ".join(listed["agreed"]) or "nobody was asked",
            "" if state == "delisted" else parts.link("Take off …", off),
        )
    )


def _held(held: Sequence[Mapping[str, Any]]) -> Markup | str:
    if not held:
        return ""
    rows = [
        Row(
            (
                parts.link(each["client"], f"/console/intents/{each['digest']}"),
                parts.address(each["destination"], twin=each["similar"]),
                parts.address(each["similar"], twin=each["destination"]),
                each["requester"],
            ),
            tone="bad",
        )
        for each in held
    ]
    return element(
        "div",
        parts.table(
            "Held: each can be taken for a known destination",
            ("client", "asked for", "known", "asked for by"),
            rows,
            empty="Nothing is held.",
        ),
        element(
            "p",
            "None of these is listed until a second operator has read the whole address out over another way, and "
            "signed that on their own machine: custody listing confirm.",
        ),
    )

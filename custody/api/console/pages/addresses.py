"""Addresses: a client's, one of them to be handed out, and asking for the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import drawings, parts
from custody.api.console.asking import Question
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.pages.stepping import step as step_page
from custody.api.console.parts import Row

CLIENTS: Final = "/console/clients"
ADDRESSES: Final = "/console/addresses"
_HEADS: Final = ("index", "address", "vault", "given out")
_EMPTY: Final = "No address was given out yet."
_LABEL: Final = "Give out the next address"


def of_client(visit: Visit, client: Mapping[str, Any], names: Mapping[str, str]) -> Markup:
    """The newest addresses on a client's page, the way to all of them, and the button that asks for the next."""
    more = client["more_addresses"]
    caption = "Addresses, the newest first" if more else "Addresses"
    every = parts.link("All addresses", f"{CLIENTS}/{client['id']}/addresses") if more else ""
    return element(
        "div",
        parts.table(caption, _HEADS, [_row(visit, each) for each in client["addresses"]], empty=_EMPTY),
        element("p", every, class_="pager") if every else "",
        element("div", _next(client, names), class_="pager"),
    )


def address_list(visit: Visit, shown: Mapping[str, Any], *, after: str | None) -> str:
    """Every address of a client, a page at a time."""
    client = shown["client"]
    return page(
        visit,
        f"Addresses of {client['name']}",
        element("p", "Each is this client's for ever: what arrives at it is credited to nobody else.", class_="lead"),
        parts.table(
            "Addresses, the newest first", _HEADS, [_row(visit, each) for each in shown["addresses"]], empty=_EMPTY
        ),
        listing.turn(f"{CLIENTS}/{client['id']}/addresses", shown["next"], began=after is not None),
        element("p", parts.link("Back to the client", f"{CLIENTS}/{client['id']}")),
        current=CLIENTS,
    )


def step(visit: Visit, client: Mapping[str, str], network: str, asked: Question | None) -> str:
    """What giving out another address does, and the button that asks the passkey."""
    return step_page(
        visit,
        _LABEL,
        effect=f"No money moves. What arrives at it on {network} is credited to {client['name']}, for ever.",
        facts=(("client", client["name"]), ("its id", client["id"]), ("network", network)),
        asked=asked,
        back=f"{CLIENTS}/{client['id']}",
        current=CLIENTS,
    )


def one_address(visit: Visit, shown: Mapping[str, Any]) -> str:
    """An address to be handed out, or that it must not be."""
    if shown["address"] is None:
        return _refused(visit, shown)
    stopped = f"The vault is stopped: {shown['frozen_reason']}. What arrives is kept; nothing leaves."
    return page(
        visit,
        f"Address of {shown['client_name']}",
        element(
            "section",
            element("h2", f"Pay to, on {shown['network']}"),
            element("p", parts.address(shown["address"]), id="address"),
            drawings.qr_code(compact(shown["address"]), label=f"QR code of {shown['address']}"),
            element(
                "p",
                parts.link("The QR code as a file", f"{ADDRESSES}/{shown['id']}/qr", class_="button"),
                " Copying the address yields no spaces. This page prints on one sheet.",
                class_="soft",
            ),
        ),
        _use(visit, shown),
        _proof(visit, shown),
        current=CLIENTS,
        banner=parts.banner(stopped, "warn") if shown["frozen_reason"] else "",
    )


def compact(address: str) -> str:
    """In capitals where case says nothing: the code is then smaller and read as the same address."""
    return address.upper() if address.startswith(("bc1", "tb1", "bcrt1")) else address


def _refused(visit: Visit, shown: Mapping[str, Any]) -> str:
    return page(
        visit,
        "Do not hand out this address",
        parts.lines(
            "Money paid here may be nobody's to spend: the address is not what its keyset gives.",
            f"What was found: {shown['derived']}.",
            "Nothing was changed. Tell the people who run the daemon; the runbook is docs/runbooks/break-found.md.",
        ),
        current=CLIENTS,
        banner=parts.banner("The two derivations do not agree. Nobody is shown this address.", "bad"),
    )


def _use(visit: Visit, shown: Mapping[str, Any]) -> Markup:
    uses = f"more than {shown['uses_counted_to']}" if shown["uses"] >= shown["uses_counted_to"] else str(shown["uses"])
    return parts.facts(
        ("client", parts.link(shown["client_name"], f"{CLIENTS}/{shown['client']}")),
        ("given out", listing.at(shown["issued_at"], visit.at)),
        ("paid to", f"{uses} times" if shown["uses"] else "never paid to"),
        ("first use", listing.at(shown["first_used_at"], visit.at)),
        ("last use", listing.at(shown["last_used_at"], visit.at)),
    )


def _proof(visit: Visit, shown: Mapping[str, Any]) -> Markup:
    """What anybody derives the address from again, without this house."""
    return parts.section(
        "Why it is this client's",
        parts.lines(
            f"Derived twice at {visit.at:%H:%M:%S} UTC, by two computations that share no code, and equal to the "
            "stored one, whose seal holds."
        ),
        parts.facts(
            ("derived twice", parts.tag("equal", "ok")),
            ("keyset", shown["keyset"]),
            ("its cosigners signed", parts.hexadecimal(shown["descriptor_hash"])),
            ("vault", parts.link(shown["vault"], f"/console/vaults/{shown['vault']}")),
            ("branch", str(shown["branch"])),
            ("index", str(shown["index"])),
            ("made for", shown["kept_for"] or "nobody before it was given out"),
        ),
        parts.disclosure("The descriptor it is found again by", element("pre", shown["receive_text"]))
        if shown["receive_text"]
        else "",
    )


def _row(visit: Visit, each: Mapping[str, Any]) -> Row:
    return Row(
        (
            parts.link(f"address {each['index']}", f"{ADDRESSES}/{each['id']}"),
            parts.short_address(each["address"]),
            parts.link(each["vault"], f"/console/vaults/{each['vault']}"),
            listing.at(each["issued_at"], visit.at),
        )
    )


def _next(client: Mapping[str, Any], names: Mapping[str, str]) -> Markup:
    """The form that asks for the next address; closed, with the reason, where there can be none."""
    chains = [each for each in client["address_chains"] if each in names]
    why_not = ""
    if client["status"] != "active":
        why_not = "The client is not active: it is given no address."
    elif not chains:
        why_not = "The client has no vault on a network that is served here."
    which = (
        parts.choice("Network", "chain", [(each, names[each]) for each in chains])
        if len(chains) > 1
        else parts.hidden("chain", "".join(chains))
    )
    return parts.form(
        f"{CLIENTS}/{client['id']}/addresses", which, parts.button(f"{_LABEL} …", why_not=why_not), id_="next-address"
    )

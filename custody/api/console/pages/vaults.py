"""Keysets and vaults: who signs, what lies where, and what is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element, joined
from custody.api.console.pages import listing
from custody.api.console.parts import Row

HERE: Final = "/console/vaults"
_HEADS: Final = ("vault", "network", "kind", "whose", "held", "state", "compared with the chain")
_CAUSES: Final = {
    "break": "Books and chain differ here.",
    "rules": "What stands on the chain is not what is registered: who rules this vault is in doubt.",
    "people": "People stopped it.",
}


def vault_list(visit: Visit, shown: Mapping[str, Any], names: Mapping[str, str], *, after: str | None) -> str:
    """Keysets first, then what is stopped, then vaults a page at a time."""
    frozen = shown["frozen"]
    number = f"{'more than ' if shown['more_frozen'] else ''}{len(frozen)}"
    banner = parts.banner(f"Nothing leaves {number} of the vaults: they are stopped.", "bad") if frozen else ""
    apart = parts.table("Stopped", _HEADS, [_row(visit, each, names) for each in frozen], empty="", numbers=(4,))
    keysets = [
        parts.section(f"Keyset {each['id']}", _keyset(visit, each, names), id_=parts.slug(f"keyset {each['id']}"))
        for each in shown["keysets"]
    ]
    return page(
        visit,
        "Vaults",
        parts.lines(f"The trust root in force is version {shown['root_version']}."),
        *keysets,
        apart if frozen else "",
        parts.table(
            "Vaults, the oldest first",
            _HEADS,
            [_row(visit, each, names) for each in shown["vaults"]],
            empty="No vault yet. The first is made when a client is opened.",
            numbers=(4,),
        ),
        listing.turn(HERE, shown["next"], began=after is not None),
        current=HERE,
        banner=banner,
    )


def one_vault(visit: Visit, vault: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """One vault: what is stopped and why, what lies in it, whose it is and who signs."""
    keyset = vault["keyset"]
    breaks = [
        Row(
            (
                parts.link(each["check"], f"/console/breaks/{each['id']}"),
                each["detail"],
                listing.at(each["opened_at"], visit.at),
            ),
            tone="bad",
        )
        for each in vault["breaks"]
    ]
    stopped = _CAUSES.get(vault["frozen_cause"] or "", "") if vault["frozen_reason"] else ""
    return page(
        visit,
        f"Vault {vault['id']}",
        parts.facts(
            ("state", _state(vault)),
            ("network", listing.network(vault["chain"], names)),
            ("kind", vault["kind"]),
            ("branch", str(vault["branch"])),
            ("compared with the chain", _compared(visit, vault)),
            ("opened", listing.at(vault["opened_at"], visit.at)),
        ),
        listing.stops(vault["stops"], visit.at),
        parts.table("Breaks", ("check", "what differs", "since"), breaks, empty="") if breaks else "",
        parts.table(
            "What lies in it, by the books",
            ("asset", "held", "nobody's yet"),
            [Row((each["asset"]["code"], _money(each, "held"), _money(each, "suspense"))) for each in vault["funds"]],
            empty="Nothing lies in it.",
            numbers=(1, 2),
        ),
        parts.table(
            "Whose it is" if not vault["more_clients"] else f"Whose it is, the first {len(vault['clients'])}",
            ("client", "since"),
            [
                Row((parts.link(each["name"], f"/console/clients/{each['id']}"), listing.at(each["since"], visit.at)))
                for each in vault["clients"]
            ],
            empty="It is the house's own, or nobody's yet.",
        ),
        parts.section("Who signs", _keyset(visit, keyset, names)) if keyset else "",
        current=HERE,
        banner=parts.banner(f"Nothing leaves this vault. {stopped}", "bad") if vault["frozen_reason"] else "",
    )


def _row(visit: Visit, vault: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    more = " and others" if vault["more_clients"] else ""
    return Row(
        (
            parts.link(vault["id"], f"{HERE}/{vault['id']}"),
            listing.network(vault["chain"], names),
            vault["kind"],
            f"{', '.join(vault['clients'])}{more}" if vault["clients"] else "the house",
            listing.stacked([_money(each, "held") for each in vault["funds"]], none="nothing"),
            _state(vault),
            _compared(visit, vault),
        ),
        tone="bad" if vault["frozen_reason"] else "plain",
    )


def _keyset(visit: Visit, keyset: Mapping[str, Any], names: Mapping[str, str]) -> Markup:
    number = f"more than {keyset['vaults']}" if keyset["more_vaults"] else str(keyset["vaults"])
    rows = [
        Row(
            (
                each["name"],
                listing.at(each["last_seen_at"], visit.at, never="has fetched nothing yet"),
                parts.tag("quarantined", "bad") if each["quarantined"] else parts.tag("counts", "ok"),
                each["quarantined"] or "",
            ),
            tone="bad" if each["quarantined"] else "plain",
        )
        for each in keyset["cosigners"]
    ]
    return joined(
        parts.facts(
            ("signatures", f"{keyset['threshold']} of {keyset['members']}"),
            ("network", listing.network(keyset["chain"], names)),
            ("vaults", number),
            ("registered", listing.at(keyset["registered_at"], visit.at)),
            ("registered descriptor", parts.hexadecimal(keyset["descriptor_hash"])),
        ),
        parts.table(
            f"Cosigners of {keyset['id']}",
            ("cosigner", "last fetched a bundle", "state", "why"),
            rows,
            empty="Nobody: it cannot sign.",
        ),
    )


def _state(vault: Mapping[str, Any]) -> Markup:
    if not vault["frozen_reason"]:
        return parts.tag("open", "ok")
    return element("span", parts.tag("stopped", "bad"), f" {vault['frozen_reason']}")


def _compared(visit: Visit, vault: Mapping[str, Any]) -> Markup | str:
    if vault["reconciled_height"] is None:
        return "not yet"
    return element("span", f"block {vault['reconciled_height']}, ", listing.at(vault["reconciled_at"], visit.at))


def _money(line: Mapping[str, Any], part: str) -> Markup:
    return listing.money(line[part], line["asset"])

"""Deposit addresses: a client's list of them, and one of them whole, derived twice as it is shown."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.addresses.model import DepositAddress
from custody.addresses.sealing import AddressTampered
from custody.chains.addressing import AddressSource
from custody.chains.registry import addressing
from custody.clients import queries as clients
from custody.kernel.errors import Broken, InvalidInput
from custody.vaults import queries as vaults
from custody.vaults.model import Vault
from custody.views import cursors
from custody.views.objects import when

_USED: Final = text(
    """
    SELECT count(*) AS number, min(first_seen_at) AS first, max(first_seen_at) AS last FROM (
      SELECT first_seen_at FROM deposits WHERE address_id = :address LIMIT :limit
    ) AS arrived
    """
)
_NUMBERED: Final = text("SELECT id FROM addresses WHERE address = :address AND client_id IS NOT NULL AND NOT change")
COUNTED_TO: Final = 1_000
"""Arrivals beyond this are not counted."""


def whole_address(session: Session, *, address: int, seal_key: bytes) -> dict[str, Any]:
    """The address, whose it is, and whether both derivations give it now: ``derived`` is ``equal`` or says what is not.

    Where the two differ, or the stored one is neither, there is no ``address`` in it: nobody is to be paid there.
    Raises ``UnknownAddress``.
    """
    try:
        found, kept_for = addresses.given_out(session, address=address, seal_key=seal_key)
    except AddressTampered as error:
        return {"id": address, "address": None, "derived": str(error)}
    vault = vaults.get(session, vault=found.vault)
    problem, source = _proved(session, vault, kept_for or None, found.index, found.address)
    client = clients.get(session, client=found.client or "")
    used = session.execute(_USED, {"address": found.id, "limit": COUNTED_TO}).one()
    return {
        "id": found.id,
        "address": None if problem else found.address,
        "derived": problem or "equal",
        "client": client.id,
        "client_name": client.name,
        "vault": found.vault,
        "keyset": vault.keyset,
        "descriptor_hash": vaults.keyset(session, keyset_id=vault.keyset).descriptor_hash if vault.keyset else None,
        "branch": vault.branch,
        "kept_for": kept_for,
        "receive_text": source.receive_text if source else "",
        "frozen_reason": vault.frozen_reason,
        "chain": vault.chain,
        "network": addressing(vault.chain).name,
        "index": found.index,
        "issued_at": when(found.issued_at),
        "uses": int(used.number),
        "uses_counted_to": COUNTED_TO,
        "first_used_at": when(used.first),
        "last_used_at": when(used.last),
    }


def address_list(
    session: Session, *, client: str, seal_key: bytes, after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """A page of the client's addresses, newest first, with ``next`` where there are older ones.

    Raises ``UnknownClient``, ``InvalidInput``, and ``AddressTampered`` rather than show a wrong address.
    """
    whose, listing = clients.get(session, client=client), f"addresses:{client}"
    most, begin = cursors.limit(limit), cursors.read(after, listing)
    before = 0 if begin is None else cursors.number(begin[0])
    found = addresses.newest_of_client(session, client=client, seal_key=seal_key, limit=most + 1, before=before)
    return {
        "client": {"id": whose.id, "name": whose.name},
        "addresses": [address_line(each) for each in found[:most]],
        "next": cursors.written(listing, str(found[most - 1].id)) if len(found) > most else None,
    }


def address_line(address: DepositAddress) -> dict[str, Any]:
    """One address as lists on pages show it."""
    return {
        "id": address.id,
        "address": address.address,
        "vault": address.vault,
        "index": address.index,
        "issued_at": when(address.issued_at),
    }


def numbered(session: Session, *, address: str) -> int:
    """The number of a client's address, from all of it or from the number itself. Raises ``UnknownAddress``."""
    if address.isascii() and address.isdecimal() and len(address) < 19:
        return int(address)
    found: int | None = session.execute(_NUMBERED, {"address": address}).scalar_one_or_none()
    if found is None:
        raise addresses.UnknownAddress("no client was given that address", field="address")
    return found


def _proved(
    session: Session, vault: Vault, client: str | None, index: int, stored: str
) -> tuple[str, AddressSource | None]:
    """Empty where both derivations give what is stored, else what is not so; and what it was derived from."""
    try:
        source = vaults.source_of(session, vault=vault)
        first = source.derive(client=client, change=False, index=index).address
        second = source.derive_again(client=client, change=False, index=index)
    except (Broken, InvalidInput) as error:
        return f"it cannot be derived: {error}", None
    if first != second:
        return "the two derivations differ", source
    return "" if first == stored else "the stored address is not what the keyset gives", source

"""Filling a vault's stock: ask the node first, read what is missing, derive it twice with no unit open, write it."""

from __future__ import annotations

from typing import Final

from custody.addresses import operations, queries
from custody.addresses.model import derive
from custody.chains.port import AddressesNotServed, ChainReader
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.vaults import queries as vaults

PERSONAL_TARGET: Final = 1
"""Addresses in stock for each client, where an address is made for one: it is derived again once handed out."""


def fill_stock(
    database: Database, reader: ChainReader, *, vault: str, target: int, seal_key: bytes, kept_for: str = ""
) -> int:
    """Bring every stock of ``vault`` (receive, and change where the chain makes any) to ``target`` addresses.

    Where addresses are personal, each member's stock is brought to one, or that of ``kept_for`` alone. Returns how
    many were added. Two at once, or one killed halfway, leave no more than the target and no gap.

    Before anything is derived ``reader`` says that the chain serves our addresses: what is not in stock, nobody is
    given. Raises ``AddressesNotServed`` and what else the node raises, ``UnknownVault``, ``StockMoved``, and
    ``DerivationMismatch``, ``AddressTampered`` or ``KeysetTampered``, which ``operations.record_tampering`` turns into
    an alarm.
    """
    with database.unit() as unit:
        place = vaults.get(unit.session, vault=vault)
        found = queries.series(unit.session, vault=place, kept_for=kept_for)
    if reader.chain != place.chain:
        raise AddressesNotServed("the node is one of another chain", vault=vault, chain=place.chain)
    reader.check_serves_addresses()
    return sum(
        _fill(database, vault, keeper, change, PERSONAL_TARGET if keeper else target, seal_key)
        for keeper, change in found
    )


def _fill(database: Database, vault: str, kept_for: str, change: bool, target: int, seal_key: bytes) -> int:
    with database.unit() as unit:
        plan = operations.plan_stock(
            unit.session, vault=vault, change=change, target=target, seal_key=seal_key, kept_for=kept_for
        )
    if plan is None:
        return 0
    derived = derive(plan)
    crash_point("addresses.derived")
    with database.unit() as unit:
        added = operations.store(unit.session, plan=plan, derived=derived, seal_key=seal_key, now=unit.now)
        crash_point("addresses.storing")
    return added

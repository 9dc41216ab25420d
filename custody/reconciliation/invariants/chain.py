"""I4, I13 and I20 as far as the database alone shows them: books against indexed coins at our own tip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.chains.registry import has_coins
from custody.kernel.errors import CustodyError
from custody.kernel.money import Asset
from custody.movements import queries as movements
from custody.reconciliation.books import read_books, snapshots
from custody.reconciliation.checks import run_checks
from custody.reconciliation.model import Snapshot
from custody.trust.assets import assets_of


def indexed(session: Session, *, chain: str) -> list[tuple[Asset, Snapshot]]:
    """Per asset the snapshot at our tip with our own index in the node's place: what we know without asking anybody.

    Raises as reading the trust root does, which names the assets.
    """
    tip = movements.tip(session, chain=chain)
    height, block_hash = (tip.height, tip.hash) if tip else (-1, "")
    assets = assets_of(session, chain=chain)
    ids = [asset.id for asset in assets]
    books = read_books(session, chain=chain, assets=ids, has_coins=has_coins(chain), height=height)
    ours = {asset: own.indexed for asset, own in books.assets.items()}
    found = snapshots(books, node=ours, chain=chain, height=height, block_hash=block_hash)
    return list(zip(assets, found, strict=True))


def chains(session: Session) -> list[str]:
    """Every chain that has a vault."""
    return list(session.execute(text("SELECT DISTINCT chain FROM vaults ORDER BY chain")).scalars())


def all_is_somebodys(session: Session) -> Iterator[str]:
    """I4: whatever the coins of a vault add up to is a client's, in suspense, or named as in flight."""
    for chain in chains(session):
        try:
            told = indexed(session, chain=chain)
        except CustodyError as error:
            yield f"the assets of {chain} cannot be read: {error}"
            continue
        for _, snapshot in told:
            for found in run_checks(snapshot):
                yield f"{found.vault}: {found.check}: expected {found.expected}, found {found.found}: {found.detail}"


def credits_are_arrivals(session: Session) -> Iterator[str]:
    """I13: an outpoint is one deposit, booked once, for exactly what arrived there."""
    yield from session.execute(_CREDITS).scalars()


def breaks_stop_vaults(session: Session) -> Iterator[str]:
    """I20: every vault with an open break is frozen, and no payment left it for the chain since."""
    yield from session.execute(_BREAKS).scalars()


_CREDITS: Final = text(
    """
    SELECT 'deposit ' || d.id || ' is booked for another amount than ' || d.units FROM deposits d
    WHERE d.entry_id IS NOT NULL AND NOT EXISTS (
      SELECT FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
      WHERE e.id = d.entry_id AND e.subject = d.id AND a.kind = 'onchain' AND a.owner = d.vault_id
        AND a.asset = d.asset AND p.units = -d.units)
    UNION ALL
    SELECT 'deposit ' || d.id || ' is not what arrived at its outpoint' FROM deposits d
    JOIN movements m ON m.chain = d.chain AND m.txid = d.txid AND m.position = d.position AND m.direction = 'in'
      AND m.removed_at IS NULL
    WHERE (m.units, m.asset, m.vault_id) IS DISTINCT FROM (d.units, d.asset, d.vault_id)
    UNION ALL
    SELECT 'outpoint ' || txid || ':' || position || ' is several deposits' FROM deposits
    GROUP BY chain, txid, position HAVING count(*) > 1
    UNION ALL
    SELECT 'entry ' || e.id || ' credits ' || e.subject || ', which is no deposit' FROM journal_entries e
    WHERE e.reason IN ('deposit_credited', 'deposit_dust', 'deposit_quarantined', 'deposit_unattributed')
      AND NOT EXISTS (SELECT FROM deposits d WHERE d.id = e.subject)
    """
)

_BREAKS: Final = text(
    """
    SELECT 'break ' || b.id || ' is open and vault ' || b.vault_id || ' is not stopped' FROM breaks b
    JOIN vaults v ON v.id = b.vault_id
    WHERE v.frozen_at IS NULL AND NOT EXISTS (SELECT FROM break_resolutions r WHERE r.break_id = b.id)
    UNION ALL
    SELECT 'run ' || r.id || ' found a break and none is stored' FROM reconciliation_runs r
    WHERE r.result = 'break' AND NOT EXISTS (SELECT FROM breaks b WHERE b.opened_at <= r.finished_at)
    """
)

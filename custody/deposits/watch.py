"""Watching the mempool: ask what is pending, look without a unit open, write what was seen."""

from __future__ import annotations

from custody.chains.port import ChainReader
from custody.db import Database
from custody.deposits import queries
from custody.deposits.model import DepositRules
from custody.deposits.operations import MempoolNoted, note_mempool
from custody.kernel.crash import crash_point


def watch_mempool(
    reader: ChainReader,
    database: Database,
    *,
    chain: str,
    config: DepositRules,
    seen_before: set[str],
    limit: int = 500,
    actor: str,
) -> MempoolNoted:
    """Show up to ``limit`` mempool transactions not in ``seen_before``, and close pending deposits that are gone.

    ``seen_before`` is the caller's memory between calls, kept to what the mempool may still hold; losing it costs
    work, nothing else. Raises ``NodeUnavailable``, ``NodeNotReady``, ``WrongNetwork``.
    """
    with database.unit() as unit:
        pending = queries.unconfirmed(unit.session, chain=chain)
    reader.require_ready()
    transactions = reader.mempool(limit=limit, known=seen_before)
    seen_before &= reader.in_mempool(seen_before)
    still_there = reader.in_mempool(pending)
    crash_point("deposits.mempool_read")
    with database.unit() as unit:
        noted = note_mempool(
            unit.session,
            chain=chain,
            transactions=transactions,
            still_there=still_there,
            config=config,
            actor=actor,
            now=unit.now,
        )
    seen_before |= {transaction.txid for transaction in transactions}
    return noted

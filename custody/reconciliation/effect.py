"""Reconciling: read which scripts are ours, ask the node, read the books as of its block, compare, write.

The node's scan cannot look back: it names the block it saw, and everything of ours is taken as of that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from custody.chains.addressing import AddressSource
from custody.chains.port import ChainReader, UtxoSnapshot
from custody.db import Database
from custody.kernel.errors import Unavailable
from custody.movements import queries as movements
from custody.movements.scan import scan
from custody.reconciliation import statements
from custody.reconciliation.books import Books, read_books, snapshot, still
from custody.reconciliation.checks import run_checks
from custody.reconciliation.model import Outpoint, RunResult
from custody.reconciliation.operations import record_run
from custody.vaults import queries as vaults

LOOKAHEAD: Final = 20
"""Indexes scanned beyond the highest we know of, where our table is not believed."""
_ATTEMPTS: Final = 5
_SCANS: Final = 200


class NotInStep(Unavailable):
    """The node's chain moved on faster than it could be compared, several times over."""

    code = "not-in-step"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the node said, and whose each script is."""

    utxos: UtxoSnapshot
    owners: Mapping[bytes, str]


def reconcile(
    reader: ChainReader, database: Database, *, chain: str, asset: str, start_height: int, actor: str = "reconciliation"
) -> RunResult:
    """Compare node, index and ledger at one block, from the scripts we stored, and write the run.

    Breaks freeze their vaults. ``start_height`` is where a first scan begins. Raises ``NodeUnavailable``,
    ``NodeNotReady``, ``WrongNetwork``, ``NotInStep`` (try again later): then nothing is written.
    """
    return _run(reader, database, "scripts", lambda: _by_scripts(reader, database, chain), asset, start_height, actor)


def reconcile_ranged(
    reader: ChainReader, database: Database, *, chain: str, asset: str, start_height: int, actor: str = "reconciliation"
) -> RunResult:
    """The same from the signed descriptors, which the node derives itself: our table of scripts is not believed.

    Raises as ``reconcile`` does, and ``KeysetTampered``.
    """
    return _run(reader, database, "ranged", lambda: _by_ranges(reader, database, chain), asset, start_height, actor)


def _run(
    reader: ChainReader,
    database: Database,
    kind: str,
    ask: Callable[[], _Answer],
    asset: str,
    start_height: int,
    actor: str,
) -> RunResult:
    started = _now(database)
    for attempt in range(_ATTEMPTS):
        reader.require_ready()
        answer = ask()
        if not _in_step(reader, database, answer.utxos, start_height):
            continue
        books = _books_at(database, reader.chain, asset, answer, is_last=attempt == _ATTEMPTS - 1)
        if books is not None:
            return _compare(database, kind, books, answer, reader.chain, asset, actor, started)
    raise NotInStep("the chain moved on while it was compared", chain=reader.chain)


def _compare(
    database: Database,
    kind: str,
    books: Books,
    answer: _Answer,
    chain: str,
    asset: str,
    actor: str,
    started: datetime,
) -> RunResult:
    found = snapshot(
        books,
        node=_by_vault(answer),
        chain=chain,
        asset=asset,
        height=answer.utxos.height,
        block_hash=answer.utxos.hash,
    )
    breaks = run_checks(found)
    with database.unit() as unit:
        return record_run(
            unit.session,
            kind=kind,
            snapshot=found,
            breaks=breaks,
            actor=actor,
            started_at=started,
            now=unit.now,
        )


def _in_step(reader: ChainReader, database: Database, utxos: UtxoSnapshot, start_height: int) -> bool:
    """Scan until we have read the node's pinned block; False when it is not on the chain any more."""
    for _ in range(_SCANS):
        with database.unit() as unit:
            known = movements.stored_hash(unit.session, chain=reader.chain, height=utxos.height)
        if known == utxos.hash:
            return True
        if not scan(reader, database, chain=reader.chain, start_height=start_height).more:
            break
    with database.unit() as unit:
        return movements.stored_hash(unit.session, chain=reader.chain, height=utxos.height) == utxos.hash


def _books_at(database: Database, chain: str, asset: str, answer: _Answer, *, is_last: bool) -> Books | None:
    """The books, or None where a reorg or a script derived since we asked would make the comparison unfair.

    A coin whose script is still not among ours the last time is no race: it is compared, and is a break.
    """
    with still(database) as session:
        if movements.stored_hash(session, chain=chain, height=answer.utxos.height) != answer.utxos.hash:
            return None
        books = read_books(session, chain=chain, asset=asset, height=answer.utxos.height)
    return books if is_last or books.scripts <= answer.owners.keys() else None


def _by_scripts(reader: ChainReader, database: Database, chain: str) -> _Answer:
    owners = _stored_owners(database, chain)
    if not owners:
        status = reader.require_ready()
        return _Answer(UtxoSnapshot(status.height, status.hash, ()), owners)
    return _Answer(reader.scan_scripts(owners), owners)


def _by_ranges(reader: ChainReader, database: Database, chain: str) -> _Answer:
    owners = _stored_owners(database, chain)
    sources, ranges = _ranges(database, chain)
    if not ranges:
        status = reader.require_ready()
        return _Answer(UtxoSnapshot(status.height, status.hash, ()), owners)
    utxos = reader.scan_ranges(ranges)
    unknown = {item.script_pubkey for item in utxos.unspents} - owners.keys()
    forgotten = {script: vault for script, vault in _derived(sources) if script in unknown} if unknown else {}
    return _Answer(utxos, {**owners, **forgotten})


def _stored_owners(database: Database, chain: str) -> dict[bytes, str]:
    with database.unit() as unit:
        rows = unit.session.execute(statements.SCRIPTS, {"chain": chain})
        return {bytes(script): vault for script, vault in rows}


_Sources = list[tuple[AddressSource, str, int, int]]


def _ranges(database: Database, chain: str) -> tuple[_Sources, list[tuple[str, int]]]:
    sources: _Sources = []
    with database.unit() as unit:
        for row in unit.session.execute(statements.RANGES, {"chain": chain}).all():
            vault = vaults.get(unit.session, vault=row.vault_id)
            found = vaults.source_of(unit.session, vault=vault)
            receive, change = (LOOKAHEAD + (-1 if last is None else last) for last in (row.receive, row.change))
            sources.append((found, row.vault_id, receive, change))
    ranges = [
        pair
        for found, _, receive, change in sources
        for pair in ((found.receive_text, receive), (found.change_text, change))
    ]
    return sources, ranges


def _derived(sources: _Sources) -> Iterator[tuple[bytes, str]]:
    """Every script of the scanned ranges: only walked through when the node found one our table does not have."""
    for source, vault, receive, change in sources:
        for is_change, last in ((False, receive), (True, change)):
            for index in range(last + 1):
                yield source.derive(client=None, change=is_change, index=index).locator, vault


def _by_vault(answer: _Answer) -> dict[str, dict[Outpoint, int]]:
    found: dict[str, dict[Outpoint, int]] = {}
    for item in answer.utxos.unspents:
        found.setdefault(answer.owners[item.script_pubkey], {})[(item.txid, item.vout)] = item.units
    return found


def _now(database: Database) -> datetime:
    with database.unit() as unit:
        return unit.now

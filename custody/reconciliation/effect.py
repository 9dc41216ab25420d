"""Reconciling: read which locators are ours, ask the node, read the books as of its block, compare, write.

The node's answer cannot look back: it names the block it saw, and everything of ours is taken as of that one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from custody.addresses import queries as addresses
from custody.chains.addressing import OwnPlaces, Series
from custody.chains.port import ChainReader, Holding, Holdings
from custody.db import Database
from custody.kernel.errors import Unavailable
from custody.movements import queries as movements
from custody.movements.comparing import compare
from custody.movements.model import Tip
from custody.movements.operations import TipMoved
from custody.movements.scan import scan
from custody.reconciliation import statements
from custody.reconciliation.books import Books, read_books, snapshots, still
from custody.reconciliation.checks import run_checks
from custody.reconciliation.model import Break, Place, RunResult
from custody.reconciliation.operations import record_run
from custody.trust.assets import assets_of
from custody.vaults import operations as freezing
from custody.vaults import queries as vaults

LOOKAHEAD: Final = 20
"""Indexes scanned beyond the highest we know of, where our table is not believed."""

PERSONAL_LOOKAHEAD: Final = 3
"""The same where addresses are made for one client each: one is kept in stock, and few clients ask for a second."""

_ATTEMPTS: Final = 5
_SCANS: Final = 200


class NotInStep(Unavailable):
    """The node's chain moved on faster than it could be compared, several times over."""

    code = "not-in-step"


@dataclass(frozen=True, slots=True)
class _Changed:
    """A place whose rules on the chain are not its keyset's."""

    vault: str
    locator: bytes
    sentences: tuple[str, ...]

    def as_break(self, asset: str) -> Break:
        """One difference that nothing explains."""
        said = f"{self.locator.hex()}: {'; '.join(self.sentences)}"
        return Break(self.vault, asset, "rules-are-the-keysets", 0, len(self.sentences), said)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the node said, and whose each locator is."""

    told: Holdings
    owners: Mapping[bytes, str]


def reconcile(
    reader: ChainReader,
    database: Database,
    *,
    chain: str,
    assets: Collection[str],
    start_height: int,
    actor: str = "reconciliation",
) -> RunResult:
    """Compare node, index and ledger at one block, from the locators we stored, and write the run.

    Every asset the trust root registers on the chain is compared, and ``assets``, of which movements are recorded.
    Breaks freeze their vaults, and so do places whose rules on the chain are not their keyset's (I15). An asset that
    does not answer is a break of its own, and the others are compared. ``start_height`` is where a first scan begins.
    Raises ``NodeUnavailable``, ``NodeNotReady``, ``WrongNetwork``, ``NotInStep`` (try again later): then nothing is
    written.
    """
    return _Run(reader, database, chain, assets, start_height, actor).compare("scripts", _by_locators)


def reconcile_ranged(
    reader: ChainReader,
    database: Database,
    *,
    chain: str,
    assets: Collection[str],
    start_height: int,
    actor: str = "reconciliation",
) -> RunResult:
    """The same from the signed keysets, which are derived from anew: our table of locators is not believed.

    Raises as ``reconcile`` does, and ``KeysetTampered``.
    """
    return _Run(reader, database, chain, assets, start_height, actor).compare("ranged", _by_ranges)


_Ask = Callable[[ChainReader, Database, Collection[str]], _Answer]


class _Run:
    def __init__(
        self,
        reader: ChainReader,
        database: Database,
        chain: str,
        assets: Collection[str],
        start_height: int,
        actor: str,
    ) -> None:
        self.reader, self.database, self.chain = reader, database, chain
        self.recorded, self.start_height, self.actor = assets, start_height, actor
        with database.unit() as unit:
            self.started = unit.now
            registered = [asset.id for asset in assets_of(unit.session, chain=chain)]
        self.assets = (*registered, *sorted(set(assets) - set(registered)))

    def compare(self, kind: str, ask: _Ask) -> RunResult:
        for attempt in range(_ATTEMPTS):
            self.reader.require_ready()
            answer = ask(self.reader, self.database, self.assets)
            if not self._in_step(answer.told) or not self._is_told_whole(answer.told):
                continue
            changed = self._changed_rules(answer.told)
            books = self._books_at(answer, is_last=attempt == _ATTEMPTS - 1)
            if books is not None:
                return self._write(kind, books, answer, changed)
        raise NotInStep("the chain moved on while it was compared", chain=self.chain)

    def _write(self, kind: str, books: Books, answer: _Answer, changed: Sequence[_Changed]) -> RunResult:
        told = answer.told
        found = snapshots(
            books,
            node=_by_vault(answer),
            chain=self.chain,
            height=told.height,
            block_hash=told.hash,
            silent=told.silent,
        )
        breaks = tuple(item for snapshot in found for item in run_checks(snapshot))
        breaks += tuple(item.as_break(self.assets[0]) for item in changed)
        with self.database.unit() as unit:
            for item in changed:
                freezing.freeze_changed(
                    unit.session,
                    vault=item.vault,
                    locator=item.locator,
                    sentences=item.sentences,
                    actor=self.actor,
                    now=unit.now,
                )
            return record_run(
                unit.session,
                kind=kind,
                snapshots=found,
                breaks=breaks,
                actor=self.actor,
                started_at=self.started,
                now=unit.now,
            )

    def _in_step(self, told: Holdings) -> bool:
        """Scan until we have read the node's pinned block; False when it is not on the chain any more."""
        for _ in range(_SCANS):
            if self._stored_hash(told.height) == told.hash:
                return True
            if not self._scan_on():
                break
        return self._stored_hash(told.height) == told.hash

    def _scan_on(self) -> bool:
        done = scan(self.reader, self.database, chain=self.chain, assets=self.recorded, start_height=self.start_height)
        return done.more

    def _is_told_whole(self, told: Holdings) -> bool:
        """Have balances compared wherever the node showed a part; False when that came to nothing: ask again."""
        if self.reader.has_coins:
            return True
        until = Tip(told.height, told.hash)
        try:
            return compare(self.reader, self.database, chain=self.chain, assets=self.recorded, until=until, every=1)
        except TipMoved:
            return False

    def _changed_rules(self, told: Holdings) -> list[_Changed]:
        """Every place of ours that obeys others than its keyset says, at the block compared at."""
        if not self.reader.rules_can_change:
            return []
        with self.database.unit() as unit:
            ours = addresses.ruled(unit.session, chain=self.chain)
        changed = self.reader.changed_rules([item.place for item in ours], block_hash=told.hash)
        whose = {item.place.locator: item.vault for item in ours}
        return [_Changed(whose[locator], locator, tuple(said)) for locator, said in sorted(changed.items())]

    def _stored_hash(self, height: int) -> str | None:
        with self.database.unit() as unit:
            return movements.stored_hash(unit.session, chain=self.chain, height=height)

    def _books_at(self, answer: _Answer, *, is_last: bool) -> Books | None:
        """The books, or None where a reorg or a locator derived since we asked would make the comparison unfair.

        Something at a locator that is still not among ours the last time is no race: it is compared, and is a break.
        """
        told = answer.told
        with still(self.database) as session:
            if movements.stored_hash(session, chain=self.chain, height=told.height) != told.hash:
                return None
            books = read_books(
                session,
                chain=self.chain,
                assets=self.assets,
                has_coins=self.reader.has_coins,
                height=told.height,
            )
        return books if is_last or books.locators <= answer.owners.keys() else None


def _by_locators(reader: ChainReader, database: Database, assets: Collection[str]) -> _Answer:
    owners = _stored_owners(database, reader.chain)
    return _Answer(reader.holdings(owners, assets=assets), owners)


def _by_ranges(reader: ChainReader, database: Database, assets: Collection[str]) -> _Answer:
    owners = _stored_owners(database, reader.chain)
    ranges = _ranges(database, reader.chain)
    told = reader.holdings_of([series for series, _ in ranges], assets=assets)
    unknown = {item.locator for item in told.holdings} - owners.keys()
    forgotten = {locator: vault for locator, vault in _derived(ranges) if locator in unknown} if unknown else {}
    return _Answer(told, {**owners, **forgotten})


def _stored_owners(database: Database, chain: str) -> dict[bytes, str]:
    with database.unit() as unit:
        rows = unit.session.execute(statements.SCRIPTS, {"chain": chain})
        return {bytes(locator): vault for locator, vault in rows}


_Ranges = list[tuple[Series, str]]


def _ranges(database: Database, chain: str) -> _Ranges:
    ranges: _Ranges = []
    with database.unit() as unit:
        rows = unit.session.execute(statements.RANGES, {"chain": chain}).all()
        highest = {(row.vault_id, row.kept_for, row.change): row.last for row in rows}
        for vault in vaults.every(unit.session):
            if vault.chain != chain:
                continue
            source = vaults.source_of(unit.session, vault=vault)
            for kept_for, change in addresses.series(unit.session, vault=vault):
                beyond = PERSONAL_LOOKAHEAD if kept_for else LOOKAHEAD
                last = min(highest.get((vault.id, kept_for, change), -1) + beyond, source.last_index)
                ranges.append((Series(source, last, kept_for or None, change), vault.id))
        for house in vaults.houses(unit.session, chain=chain):
            places = tuple(sorted(addresses.locators_of(unit.session, vault=house.id)))
            ranges.append((Series(OwnPlaces(places), len(places) - 1), house.id))
    return ranges


def _derived(ranges: _Ranges) -> Iterator[tuple[bytes, str]]:
    """Every locator of the ranges asked for: only walked through when the node found one our table does not have."""
    for series, vault in ranges:
        for locator in series.locators():
            yield locator, vault


def _by_vault(answer: _Answer) -> dict[str, dict[str, dict[Place, int]]]:
    found: dict[str, dict[str, dict[Place, int]]] = {}
    for item in answer.told.holdings:
        vaults_of = found.setdefault(item.asset, {})
        vaults_of.setdefault(answer.owners[item.locator], {})[_place(item)] = item.units
    return found


def _place(item: Holding) -> Place:
    return (item.locator.hex(), None) if item.txid is None else (item.txid, item.position)

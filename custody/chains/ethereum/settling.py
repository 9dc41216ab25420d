"""Making what was told agree with what is there: a balance is what a place holds, a log is what somebody says.

The rule, for one place and one asset over one block or a range of blocks:

- told is the units credited less those debited; arrived is the change of the balance;
- where they agree, nothing is changed;
- where less arrived than was told, credits are cut from the last one back, to nothing where nothing came. What is
  left after that has gone without being told: a debit of its own that no spend of ours explains;
- where more arrived, the rest came without being told: a credit of its own.

So a fee on transfer, a lying log and two logs for one move are credited with what arrived, and debits stay as they
were, for the spend that made them is known. What has no transaction is named by its place, its asset and the two blocks
between which it moved, so comparing the same blocks again finds the same move.

Where balances cannot be had (a state the node forgot, a token that does not answer), a token's log alone is believed in
nothing: see ``believed``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.port import Block, ChainTransaction, Credit, Debit, Doubt, Settled

Place = tuple[bytes, str]
"""An address and an asset."""

UNTOLD_TAG: Final = b"custody/untold/v1"


def told(block: Block, locators: Collection[bytes]) -> dict[Place, int]:
    """Units in less units out of each (address, asset) that the block names among ``locators``."""
    found: dict[Place, int] = {}
    for transaction in block.transactions:
        for debit in transaction.debits:
            if debit.locator is None or debit.asset is None or debit.units is None:
                continue
            if debit.locator in locators:
                place = (debit.locator, debit.asset)
                found[place] = found.get(place, 0) - debit.units
        for credit in transaction.credits:
            if credit.locator in locators:
                place = (credit.locator, credit.asset)
                found[place] = found.get(place, 0) + credit.units
    return found


def settled(block: Block, *, arrived: Mapping[Place, int], native: str) -> Settled:
    """The block with debits and credits that add up to ``arrived`` at its places, and where they did not before.

    Ether of a block that is not complete is no doubt: it was known that something is missing.
    """
    before = told(block, {locator for locator, _ in arrived})
    differing = {place: units - before.get(place, 0) for place, units in arrived.items()}
    differing = {place: units for place, units in differing.items() if units}
    cuts = {place: -units for place, units in differing.items() if units < 0}
    transactions = _cut(block.transactions, cuts)
    since = block.parent or block.hash
    rest = {**{place: units for place, units in differing.items() if units > 0}, **{p: -u for p, u in cuts.items()}}
    transactions += untold(rest, since=since, until=block.hash)
    doubts = tuple(
        Doubt(asset, locator, before.get((locator, asset), 0), arrived[locator, asset])
        for locator, asset in sorted(differing)
        if block.is_complete or asset != native
    )
    return Settled(replace(block, transactions=transactions), doubts)


def believed(block: Block, *, native: str, silent: Collection[str] | None = None) -> Block:
    """The block without what only a log says of tokens (``silent``: of these alone), not complete: balances tell later.

    Kept is ether, which moves by the network's rules, and what a signed spend takes, which that spend is known by.
    """

    def stays(asset: str | None) -> bool:
        return asset == native if silent is None else asset not in silent

    transactions = tuple(
        replace(
            transaction,
            credits=tuple(credit for credit in transaction.credits if stays(credit.asset)),
            debits=tuple(
                debit for debit in transaction.debits if stays(debit.asset) or debit.spend != transaction.txid
            ),
        )
        for transaction in block.transactions
    )
    return replace(block, transactions=transactions, is_complete=False)


def untold(differences: Mapping[Place, int], *, since: str, until: str) -> tuple[ChainTransaction, ...]:
    """What moved after the block ``since`` up to ``until`` and no transaction told: one entry for each place.

    Units are positive for what came, negative for what went; nothing is left out but zero.
    """
    return tuple(_untold(place, units, since, until) for place, units in sorted(differences.items()) if units)


def _untold(place: Place, units: int, since: str, until: str) -> ChainTransaction:
    locator, asset = place
    named = b"\0".join((UNTOLD_TAG, locator.hex().encode(), asset.encode(), since.encode(), until.encode()))
    txid = "0x" + keccak(named).hex()
    if units > 0:
        return ChainTransaction(txid, False, (), (Credit(0, locator, asset, units),))
    return ChainTransaction(txid, False, (Debit(txid, 0, locator, asset, -units, txid),), ())


def _cut(transactions: Iterable[ChainTransaction], cuts: dict[Place, int]) -> tuple[ChainTransaction, ...]:
    """Take ``cuts`` from the last credits back; what could not be taken stays in ``cuts``."""
    kept = [_cut_one(transaction, cuts) for transaction in reversed(tuple(transactions))]
    for place in [place for place, units in cuts.items() if not units]:
        del cuts[place]
    return tuple(reversed(kept))


def _cut_one(transaction: ChainTransaction, cuts: dict[Place, int]) -> ChainTransaction:
    kept: list[Credit] = []
    for credit in reversed(transaction.credits):
        place = (credit.locator, credit.asset)
        taken = min(credit.units, cuts.get(place, 0))
        if taken:
            cuts[place] -= taken
        if credit.units > taken:
            kept.append(replace(credit, units=credit.units - taken))
    return replace(transaction, credits=tuple(reversed(kept)))

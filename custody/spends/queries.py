"""Reading spends: what is free to spend, the attempts of a withdrawal, what is on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.chains.registry import addressing, has_coins
from custody.chains.spending import Account, Candidates, Coin, Order, Turn, read_input
from custody.deposits import queries as deposits
from custody.kernel.errors import NotFound
from custody.movements import queries as movements
from custody.movements.model import Coin as IndexedCoin
from custody.movements.model import Tip
from custody.movements.queries import Ended, Sums
from custody.spends.model import Attempt, Overtaken
from custody.spends.tables import ON_THEIR_WAY, AttemptRow, ReservationRow
from custody.vaults import queries as vaults


class UnknownAttempt(NotFound):
    """No attempt of that id."""

    code = "unknown-attempt"


def candidates(session: Session, *, order: Order, coinbase_maturity: int) -> Candidates:
    """What belongs to somebody and is confirmed and not reserved: credited deposits, and our own change.

    A chain without coins has ``accounts`` instead: every address of the vault that anything was credited at.
    """
    coins = _coins(session, order, coinbase_maturity) if has_coins(order.chain) else ()
    vault = vaults.get(session, vault=order.vault)
    return Candidates(
        order=order,
        coins=coins,
        earlier=tuple(
            attempt.earlier
            for attempt in attempts(session, withdrawal=order.withdrawal)
            if attempt.state != "abandoned"
        ),
        keyset=vaults.keyset(session, keyset_id=vault.keyset),
        branch=vault.branch,
        accounts=() if has_coins(order.chain) else accounts(session, order=order),
    )


def accounts(session: Session, *, order: Order) -> tuple[Account, ...]:
    """The order's vault on a chain without coins: what was credited at each address and has not left it.

    A stranger can pay to any address: what nobody was credited with is left alone. What left without a spend of ours is
    gone as well. An account is busy while its next turn is another withdrawal's.
    """
    native = addressing(order.chain).native.id
    assets = (order.asset, native)
    sums = movements.sums_of(session, vault=order.vault, assets=assets)
    credited = deposits.credited_at(session, chain=order.chain, vault=order.vault, assets=assets)
    places = addresses.placed(session, ids={place for place, _ in credited})
    used = movements.turns_used(session, chain=order.chain, locators=[place.locator for place in places])
    found = []
    for place in places:
        units, native_units = (_left(sums, credited, place.address_id, asset) for asset in (order.asset, native))
        found.append(
            Account(
                locator=place.locator,
                address=place.address,
                index=place.index,
                client=place.client,
                units=units,
                native_units=native_units,
                next_turn=used.get(place.locator, 0),
                busy=False,
            )
        )
    return _with_busy(session, order, found)


def ended(session: Session, *, chain: str, among: Sequence[Attempt]) -> dict[str, Ended]:
    """How those attempts ended that did, by their spend. Of a turn only its own account can say so."""
    found = movements.ended_spends(session, chain=chain, spends=[attempt.spend for attempt in among])
    if not found:
        return {}
    where = addressing(chain)
    return {
        attempt.spend: found[attempt.spend]
        for attempt in among
        if attempt.spend in found
        and all(
            where.read_destination(turn.account, field="account").locator == found[attempt.spend].locator
            for turn in attempt.turns
        )
    }


def overtaken(session: Session, *, chain: str, among: Sequence[Attempt]) -> list[Overtaken]:
    """Withdrawals of those attempts, none of which ended, whose turn was used by something that is none of theirs."""
    if has_coins(chain):
        return []
    where = addressing(chain)
    places = {
        turn: where.read_destination(turn.account, field="account").locator
        for attempt in among
        for turn in attempt.turns
    }
    heights = movements.turn_heights(session, chain=chain, locators=places.values())
    used = {
        attempt.withdrawal: heights[places[turn]][turn.number]
        for attempt in among
        for turn in attempt.turns
        if attempt.confirmed_height is None and turn.number < len(heights.get(places[turn], ()))
    }
    return [
        Overtaken(withdrawal, height)
        for withdrawal, height in sorted(used.items())
        if not ended(session, chain=chain, among=attempts(session, withdrawal=withdrawal))
    ]


def _left(sums: Mapping[tuple[int, str], Sums], credited: Mapping[tuple[int, str], int], place: int, asset: str) -> int:
    moved = sums.get((place, asset), Sums(0, 0))
    return max(0, min(credited.get((place, asset), 0), moved.came) - moved.went)


def _with_busy(session: Session, order: Order, found: Sequence[Account]) -> tuple[Account, ...]:
    next_turns = {
        item.address: Turn(item.address, item.next_turn, client=item.client, index=item.index).claim for item in found
    }
    taken = _reserved(session, order.chain, list(next_turns.values()), but_for=order.withdrawal)
    return tuple(replace(item, busy=next_turns[item.address] in taken) for item in found)


def _coins(session: Session, order: Order, coinbase_maturity: int) -> tuple[Coin, ...]:
    found = _spendable(session, order, coinbase_maturity)
    places = addresses.by_ids(session, {coin.address_id for coin in found})
    coins = [
        Coin(coin.txid, coin.position, coin.units, coin.change, places[coin.address_id].index, coin.block_hash)
        for coin in found
        if coin.block_hash is not None
    ]
    taken = _reserved(session, order.chain, [coin.claim for coin in coins])
    return tuple(coin for coin in coins if coin.claim not in taken)


def _spendable(session: Session, order: Order, coinbase_maturity: int) -> list[IndexedCoin]:
    """A stranger can pay to any address: what nobody was credited with is left alone."""
    tip = movements.tip(session, chain=order.chain)
    coins = movements.coins_of(session, vault=order.vault, asset=order.asset)
    credited = deposits.credited_among(
        session, chain=order.chain, outpoints=[(coin.txid, coin.position) for coin in coins]
    )
    change = [coin.txid for coin in coins if coin.change]
    ours = set(session.execute(select(AttemptRow.txid).where(AttemptRow.txid.in_(change))).scalars())
    return [
        coin
        for coin in coins
        if ((coin.txid, coin.position) in credited or (coin.change and coin.txid in ours))
        and (not coin.coinbase or _mature(coin, tip, coinbase_maturity))
    ]


def _mature(coin: IndexedCoin, tip: Tip | None, coinbase_maturity: int) -> bool:
    return tip is not None and coin.height is not None and tip.height - coin.height >= coinbase_maturity


def get(session: Session, *, attempt: str, lock: bool = False) -> Attempt:
    """The attempt of that id. Raises ``UnknownAttempt``."""
    query = select(AttemptRow).where(AttemptRow.id == attempt)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        raise UnknownAttempt("no such attempt", field="attempt")
    return view(row)


def find(session: Session, *, attempt: str) -> Attempt | None:
    """The attempt of that id; ``None`` for what is not a withdrawal's."""
    row = session.get(AttemptRow, attempt)
    return None if row is None else view(row)


def attempts(session: Session, *, withdrawal: str) -> list[Attempt]:
    """Every attempt of a withdrawal, in order."""
    rows = session.execute(
        select(AttemptRow).where(AttemptRow.withdrawal_id == withdrawal).order_by(AttemptRow.sequence)
    ).scalars()
    return [view(row) for row in rows]


def by_spends(session: Session, *, chain: str, spends: Sequence[str]) -> list[Attempt]:
    """The attempts known by these spends, but for abandoned ones."""
    query = select(AttemptRow).where(
        AttemptRow.txid.in_(spends), AttemptRow.chain == chain, AttemptRow.state != "abandoned"
    )
    return [view(row) for row in session.execute(query.order_by(AttemptRow.id)).scalars()] if spends else []


def watched(session: Session, *, chain: str, since_height: int) -> list[Attempt]:
    """Attempts the chain may still change its mind about: on their way, or ended at ``since_height`` or above.

    What is only composed is on its way as well: a quorum's signatures may exist without us.
    """
    # Two questions, for an index answers each; joined by OR, neither would.
    on_their_way = select(AttemptRow).where(AttemptRow.chain == chain, ON_THEIR_WAY)
    confirmed = select(AttemptRow).where(
        AttemptRow.chain == chain, AttemptRow.confirmed_height >= since_height, AttemptRow.state == "confirmed"
    )
    rows = [*session.execute(on_their_way).scalars(), *session.execute(confirmed).scalars()]
    return sorted((view(row) for row in rows), key=lambda attempt: attempt.id)


def _reserved(session: Session, chain: str, claims: Sequence[str], *, but_for: str = "") -> set[str]:
    if not claims:
        return set()
    rows = select(ReservationRow.claim).where(
        ReservationRow.chain == chain, ReservationRow.claim.in_(claims), ReservationRow.withdrawal_id != but_for
    )
    return set(session.execute(rows).scalars())


def view(row: AttemptRow) -> Attempt:
    """The stored row as a value."""
    return Attempt(
        id=row.id,
        withdrawal=row.withdrawal_id,
        sequence=row.sequence,
        chain=row.chain,
        vault=row.vault_id,
        inputs=tuple(read_input(item) for item in row.inputs),
        spend=row.txid,
        fee_units=row.fee_units,
        weight=row.weight,
        change_index=row.change_index,
        unsigned=row.unsigned,
        pays=row.pays,
        state=row.state,
        final=row.final,
        composed_at=row.composed_at,
        sent_at=row.sent_at,
        confirmed_height=row.confirmed_height,
    )

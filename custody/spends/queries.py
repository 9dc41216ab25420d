"""Reading spends: what is free to spend, the attempts of a withdrawal, what is on its way."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.chains.spending import Candidates, Coin, Order, read_input
from custody.deposits import queries as deposits
from custody.kernel.errors import NotFound
from custody.movements import queries as movements
from custody.movements.model import Coin as IndexedCoin
from custody.movements.model import Tip
from custody.spends.model import Attempt
from custody.spends.tables import ON_THEIR_WAY, AttemptRow, ReservationRow
from custody.vaults import queries as vaults


class UnknownAttempt(NotFound):
    """No attempt of that id."""

    code = "unknown-attempt"


def candidates(session: Session, *, order: Order, coinbase_maturity: int) -> Candidates:
    """Confirmed, unspent, unreserved coins that belong to somebody: credited deposits and our own change."""
    found = _spendable(session, order, coinbase_maturity)
    places = addresses.by_ids(session, {coin.address_id for coin in found})
    coins = [
        Coin(coin.txid, coin.position, coin.units, coin.change, places[coin.address_id].index, coin.block_hash)
        for coin in found
        if coin.block_hash is not None
    ]
    taken = _reserved(session, order.chain, [coin.claim for coin in coins])
    vault = vaults.get(session, vault=order.vault)
    return Candidates(
        order=order,
        coins=tuple(coin for coin in coins if coin.claim not in taken),
        earlier=tuple(
            attempt.earlier
            for attempt in attempts(session, withdrawal=order.withdrawal)
            if attempt.state != "abandoned"
        ),
        keyset=vaults.keyset(session, keyset_id=vault.keyset),
        branch=vault.branch,
    )


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


def attempts(session: Session, *, withdrawal: str) -> list[Attempt]:
    """Every attempt of a withdrawal, in order."""
    rows = session.execute(
        select(AttemptRow).where(AttemptRow.withdrawal_id == withdrawal).order_by(AttemptRow.sequence)
    ).scalars()
    return [view(row) for row in rows]


def watched(session: Session, *, chain: str, since_height: int) -> list[Attempt]:
    """Attempts the chain may still change its mind about: on their way, or confirmed at ``since_height`` or above."""
    # Two questions, for an index answers each; joined by OR, neither would.
    on_their_way = select(AttemptRow).where(AttemptRow.chain == chain, ON_THEIR_WAY)
    confirmed = select(AttemptRow).where(
        AttemptRow.chain == chain, AttemptRow.confirmed_height >= since_height, AttemptRow.state == "confirmed"
    )
    rows = [*session.execute(on_their_way).scalars(), *session.execute(confirmed).scalars()]
    return sorted((view(row) for row in rows), key=lambda attempt: attempt.id)


def _reserved(session: Session, chain: str, claims: Sequence[str]) -> set[str]:
    if not claims:
        return set()
    rows = select(ReservationRow.claim).where(ReservationRow.chain == chain, ReservationRow.claim.in_(claims))
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
        state=row.state,
        final=row.final,
        composed_at=row.composed_at,
        sent_at=row.sent_at,
        confirmed_height=row.confirmed_height,
    )

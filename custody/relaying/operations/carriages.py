"""Carriages: a number given and its bytes stored before they are sent, replaced under the same number, settled."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.chains.carrying import Bid, Carriage, Draft, PayerKey, PayerRules
from custody.chains.registry import addressing
from custody.kernel.crash import crash_point
from custody.kernel.errors import Refused
from custody.kernel.ids import new_id
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.movements import queries as movements
from custody.relaying import queries
from custody.relaying.model import StoredCarriage, shares
from custody.relaying.operations.loads import locked_loads, move
from custody.relaying.operations.payers import expect_going, locked
from custody.relaying.states import NEW, CarriageEvent, CarriageState, LoadEvent, LoadState, advance
from custody.relaying.tables import CarriageRow, CarriageTransitionRow, LoadRow, ShareRow, VariantRow

ACTOR = "relaying"


class NothingToRaise(Refused):
    """The spend rides on nothing that waits for a block."""

    code = "nothing-to-raise"


def build(
    session: Session, *, chain: str, key: PayerKey, draft: Draft, bid: Bid, now: datetime
) -> StoredCarriage | None:
    """Give the payer's next number to ``draft``, sign it and store it: only then may it be sent.

    None where one of its spends is not waiting any more: another was faster, and no number was given. Raises
    ``PayerStopped``, ``CarriageMismatch``.
    """
    payer = locked(session, chain, key.account)
    assert payer is not None
    expect_going(session, payer)
    loads = locked_loads(session, chain, draft.weights)
    if len(loads) != len(draft.weights) or any(load.state != LoadState.WAITING for load in loads):
        return None
    row = CarriageRow(
        id=new_id("car", now),
        chain=chain,
        account=key.account,
        number=payer.next_number,
        state=CarriageState.BUILT.value,
        step=1,
        occurrence=0,
        raise_asked=False,
        built_at=now,
        state_since=now,
    )
    payer.next_number += 1
    session.add(row)
    session.flush()
    _sign(session, row, 1, key, draft, bid, now)
    for load in loads:
        move(load, LoadEvent.BOARDED, now)
        load.carriage_id = row.id
        session.add(ShareRow(carriage_id=row.id, spend=load.spend, weight=draft.weights[load.spend], billed_units=0))
    _note(session, row, NEW, "built", now)
    crash_point("relaying.building")
    return queries.carriage(session, carriage=row.id)


def replace(
    session: Session, *, carriage: str, variants: int, key: PayerKey, draft: Draft, bid: Bid, now: datetime
) -> StoredCarriage | None:
    """Sign another transaction for the same number. None where it landed, or has more than ``variants`` already.

    Raises ``PayerStopped``, ``CarriageMismatch``.
    """
    row = _locked_carriage(session, carriage)
    payer = locked(session, row.chain, row.account)
    assert payer is not None
    expect_going(session, payer)
    before = queries.carriage(session, carriage=carriage)
    if row.state not in (CarriageState.BUILT, CarriageState.SENT) or len(before.variants) != variants:
        return None
    _sign(session, row, variants + 1, key, draft, bid, now)
    row.raise_asked, row.waiting_for = False, None
    session.flush()
    after = queries.carriage(session, carriage=carriage)
    facts = {
        "number": row.number,
        "was": before.variants[-1].txid,
        "txid": after.variants[-1].txid,
        "rate": str(bid.rate),
        "tip": str(bid.tip),
    }
    audit.record(session, event="carriage.replaced", subject=row.id, actor=ACTOR, now=now, facts=facts)
    crash_point("relaying.replacing")
    return after


def sent(session: Session, *, carriage: str, txid: str, outcome: str, now: datetime) -> None:
    """A variant was handed to the node: from now on it may be anywhere, whatever the node answered."""
    session.execute(update(VariantRow).where(VariantRow.txid == txid).values(sent_at=now, outcome=outcome[:200]))
    row = _locked_carriage(session, carriage)
    if row.state == CarriageState.BUILT:
        _move(session, row, CarriageEvent.SENT, now, outcome=outcome[:200])


def request_raise(session: Session, *, chain: str, spend: str, actor: str, now: datetime) -> str:
    """Ask that what carries a spend bids more; the carriage's id. Raises ``NothingToRaise``."""
    found = queries.load(session, chain=chain, spend=spend)
    row = None if found is None or found.carriage is None else _locked_carriage(session, found.carriage)
    if found is None or found.state is not LoadState.RIDING or row is None or row.height is not None:
        raise NothingToRaise("nothing that carries this spend waits for a block", field="spend")
    if not row.raise_asked:
        row.raise_asked = True
        session.flush()
        audit.record(
            session, event="carriage.raise_asked", subject=row.id, actor=actor, now=now, facts={"spend": spend}
        )
    return row.id


def cannot_raise(session: Session, *, carriage: str, why: str) -> None:
    """Say what a carriage waits for."""
    session.execute(update(CarriageRow).where(CarriageRow.id == carriage).values(waiting_for=why[:200]))


def landed(session: Session, *, txid: str, height: int, fee_units: int, now: datetime) -> bool:
    """A transaction of the payer's is in a block and cost that; False where we signed no such transaction."""
    row = _of_variant(session, txid)
    if row is None:
        return False
    if row.txid == txid and row.height == height:
        return True
    row.txid, row.height, row.fee_units = txid, height, fee_units
    row.occurrence += 1
    row.waiting_for = None
    _move(session, row, CarriageEvent.MINED, now, txid=txid, height=height, fee=str(fee_units))
    return True


def removed(session: Session, *, txid: str, now: datetime) -> None:
    """A reorganisation took it out of its block: its number is free, what it carried out may not be, no fee is paid."""
    row = _of_variant(session, txid)
    if row is None or row.txid != txid:
        return
    _take_back(session, row, now)
    row.txid = row.height = row.fee_units = None
    _move(session, row, CarriageEvent.REMOVED, now, txid=txid)


def settle(session: Session, *, chain: str, account: str, rules: PayerRules, now: datetime) -> list[str]:
    """Share the fee of every carriage that is deep enough, and bill it where it is billed; their ids.

    Depth is by the blocks we read, which cannot move meanwhile.
    """
    tip = movements.tip(session, chain=chain, hold=True)
    if tip is None:
        return []
    query = (
        select(CarriageRow)
        .where(
            CarriageRow.chain == chain,
            CarriageRow.account == account,
            CarriageRow.state == CarriageState.MINED,
            CarriageRow.height + rules.required_depth - 1 <= tip.height,
        )
        .order_by(CarriageRow.number)
        .with_for_update()
    )
    rows = list(session.execute(query).scalars())
    for row in rows:
        _share(session, row, rules, now)
        _move(session, row, CarriageEvent.SETTLED, now, txid=row.txid or "")
    return [row.id for row in rows]


def _sign(
    session: Session, row: CarriageRow, sequence: int, key: PayerKey, draft: Draft, bid: Bid, now: datetime
) -> None:
    signed = key.sign(Carriage(row.chain, row.number, draft.to, draft.data, draft.weight_limit, bid))
    session.add(
        VariantRow(
            carriage_id=row.id,
            sequence=sequence,
            txid=signed.txid,
            raw=signed.raw,
            weight_limit=draft.weight_limit,
            rate=bid.rate,
            tip=bid.tip,
            spends=sorted(draft.weights),
            built_at=now,
        )
    )
    session.flush()


def _share(session: Session, row: CarriageRow, rules: PayerRules, now: datetime) -> None:
    assert row.fee_units is not None
    assert row.txid is not None
    variant = session.execute(select(VariantRow).where(VariantRow.txid == row.txid)).scalar_one()
    found = {
        share.spend: share
        for share in session.execute(select(ShareRow).where(ShareRow.carriage_id == row.id)).scalars()
    }
    weights = {spend: found[spend].weight for spend in variant.spends}
    for spend, units in shares(row.fee_units, weights).items():
        found[spend].fee_units = units
        if rules.fees_billed:
            _bill(session, row, found[spend], now)
    session.flush()


def _bill(session: Session, row: CarriageRow, share: ShareRow, now: datetime) -> None:
    load = session.execute(select(LoadRow).where(LoadRow.chain == row.chain, LoadRow.spend == share.spend)).scalar_one()
    before = session.execute(
        select(func.coalesce(func.sum(ShareRow.billed_units), 0)).where(ShareRow.spend == share.spend)
    ).scalar_one()
    units = min(share.fee_units or 0, load.ceiling_units - int(before))
    if load.client is None or units <= 0:
        return
    share.billed_units = units
    ledger.bill_network_fee(
        session,
        subject=f"{row.id}:{share.spend}",
        client=load.client,
        amount=_amount(row.chain, units),
        actor=ACTOR,
        now=now,
        occurrence=row.occurrence,
    )
    session.flush()


def _take_back(session: Session, row: CarriageRow, now: datetime) -> None:
    for share in session.execute(select(ShareRow).where(ShareRow.carriage_id == row.id)).scalars():
        if share.billed_units:
            load = session.execute(
                select(LoadRow).where(LoadRow.chain == row.chain, LoadRow.spend == share.spend)
            ).scalar_one()
            assert load.client is not None
            ledger.reverse_bill(
                session,
                subject=f"{row.id}:{share.spend}",
                client=load.client,
                amount=_amount(row.chain, share.billed_units),
                actor=ACTOR,
                now=now,
                occurrence=row.occurrence,
            )
        share.billed_units, share.fee_units = 0, None
    for load in session.execute(select(LoadRow).where(LoadRow.carriage_id == row.id)).scalars():
        if load.state == LoadState.ENDED:
            # It may have ended in the block that is gone: it rides again, and the node says whether it has.
            load.state = LoadState.RIDING.value
            load.state_since = now
    session.flush()


def _amount(chain: str, units: int) -> Amount:
    return Amount(addressing(chain).native.id, units)


def _of_variant(session: Session, txid: str) -> CarriageRow | None:
    found = session.execute(select(VariantRow.carriage_id).where(VariantRow.txid == txid)).scalar_one_or_none()
    return None if found is None else _locked_carriage(session, found)


def _locked_carriage(session: Session, carriage: str) -> CarriageRow:
    query = select(CarriageRow).where(CarriageRow.id == carriage).with_for_update()
    return session.execute(query.execution_options(populate_existing=True)).scalar_one()


def _move(session: Session, row: CarriageRow, event: CarriageEvent, now: datetime, **facts: str | int) -> None:
    before = row.state
    row.state = advance(CarriageState(before), event).value
    row.step += 1
    row.state_since = now
    session.flush()
    _note(session, row, before, event.value, now, **facts)


def _note(session: Session, row: CarriageRow, before: str, event: str, now: datetime, **facts: str | int) -> None:
    session.add(
        CarriageTransitionRow(
            subject=row.id,
            step=row.step,
            from_state=before,
            to_state=row.state,
            event=event,
            actor=ACTOR,
            at=now,
        )
    )
    session.flush()
    said = {"number": row.number, "from": before, **facts}
    audit.record(session, event=f"carriage.{row.state}", subject=row.id, actor=ACTOR, now=now, facts=said)

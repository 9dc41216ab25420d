"""Writing spends: attaching a composed attempt with its bundle, finalising, sending, observing, giving up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.audit import operations as audit
from custody.chains.bitcoin.addressing import descriptor_of
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.fees import check_fee
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.psbt import PayOutput, Psbt, SpendInput, compose
from custody.chains.bitcoin.offline.transaction import parse_transaction
from custody.evidence.bundle import Bundle, Payment, ProvenIntent
from custody.kernel.errors import Broken, Conflict
from custody.kernel.ids import new_id
from custody.movements import queries as movements
from custody.signing import operations as signing
from custody.spends import queries
from custody.spends.model import Attempt, Planned, SpendRules
from custody.spends.tables import AttemptRow, ReservationRow
from custody.trust.operations import InForce
from custody.vaults import queries as vaults


class CoinTaken(Conflict):
    """A coin of the plan was reserved or spent meanwhile; plan again."""

    code = "coin-taken"
    retryable = True


class FinalTransactionWrong(Broken):
    """The finalised transaction is not the attempt that was composed."""

    code = "final-transaction-wrong"


def attach(
    session: Session,
    *,
    planned: Planned,
    payment: Payment,
    opening: ProvenIntent,
    trust: InForce,
    rules: SpendRules,
    seal_key: bytes,
    now: datetime,
) -> Attempt:
    """Reserve the plan's coins, compose its PSBT, store the attempt, and open its bundle to cosigners.

    Raises ``CoinTaken`` when another spend was faster (P-081).
    """
    order = planned.order
    _reserve(session, planned, now)
    earlier = queries.attempts(session, withdrawal=order.withdrawal)
    vault = vaults.get(session, vault=order.vault)
    keyset = vaults.keyset(session, keyset_id=vault.keyset)
    descriptor = descriptor_of(keyset, vault.branch)
    change_index = _change_index(session, planned, earlier, rules, seal_key, now)
    psbt = _compose(planned, descriptor, change_index)
    row = AttemptRow(
        id=new_id("att", now),
        withdrawal_id=order.withdrawal,
        sequence=len(earlier) + 1,
        chain=order.chain,
        vault_id=order.vault,
        inputs=[coin.to_json() for coin in planned.coins],
        change_index=change_index,
        psbt=psbt.base64,
        txid=psbt.txid,
        fee_units=psbt.fee_sat,
        vsize=planned.selection.vsize,
        state="composed",
        composed_at=now,
    )
    session.add(row)
    session.flush()
    bundle = _bundle(row, payment, opening, trust, rules, now)
    paths = [(coin.change, coin.index) for coin in planned.coins]
    signing.open_bundle(session, bundle=bundle, keyset=keyset, vault=order.vault, paths=paths, now=now)
    facts = {"withdrawal": order.withdrawal, "txid": row.txid, "fee": str(row.fee_units), "vsize": row.vsize}
    audit.record(session, event="attempt.composed", subject=row.id, actor="daemon", now=now, facts=facts)
    return queries.view(row)


def finalised(
    session: Session, *, attempt: str, final: bytes, txid: str, paid_sat: int, ceiling_sat: int, rules: SpendRules,
    now: datetime,
) -> Attempt:  # fmt: skip
    """Take over the final transaction: it must be the composed one, and its fee under every cap once more (I16).

    Raises ``FinalTransactionWrong`` or ``FeeOverCap``. Doing it again changes nothing.
    """
    row = _locked(session, attempt)
    if row.txid != txid:
        raise FinalTransactionWrong("the final transaction is another one", attempt=attempt)
    if row.state == "composed":
        vsize = parse_transaction(final).vsize
        check_fee(fee_sat=row.fee_units, vsize=vsize, paid_sat=paid_sat, caps=rules.caps, ceiling_sat=ceiling_sat)
        row.state, row.final, row.vsize = "signed", final, vsize
        session.flush()
        audit.record(session, event="attempt.signed", subject=attempt, actor="daemon", now=now, facts={"txid": txid})
    return queries.view(row)


def sent(session: Session, *, attempt: str, outcome: str, now: datetime) -> Attempt:
    """It was handed to the node: from now on it may be anywhere, whatever the node answered."""
    row = _locked(session, attempt)
    if row.state == "signed":
        row.state = "sent"
    row.sent_at = now
    session.flush()
    facts = {"txid": row.txid, "outcome": outcome}
    audit.record(session, event="attempt.sent", subject=attempt, actor="daemon", now=now, facts=facts)
    return queries.view(row)


def confirm(session: Session, *, attempt: str, height: int | None) -> None:
    """Note the height the attempt is in, or that a reorg took it out again (None)."""
    state = "sent" if height is None else "confirmed"
    session.execute(update(AttemptRow).where(AttemptRow.id == attempt).values(confirmed_height=height, state=state))


def settle(session: Session, *, withdrawal: str, paid_by: str, now: datetime) -> None:
    """One attempt is final: its rivals are replaced for good, and the reservations are over."""
    rivals = [item.id for item in queries.attempts(session, withdrawal=withdrawal) if item.id != paid_by]
    signing.outlive(session, attempts=rivals, now=now)
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.withdrawal_id == withdrawal, AttemptRow.id != paid_by, AttemptRow.state != "abandoned")
        .values(state="replaced")
    )
    session.execute(delete(ReservationRow).where(ReservationRow.withdrawal_id == withdrawal))


def unsettle(session: Session, *, withdrawal: str, chain: str, now: datetime) -> None:
    """A reorg undid a final payment: reserve its attempts' coins again, and bring its rivals back."""
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.withdrawal_id == withdrawal, AttemptRow.state == "replaced", AttemptRow.final.is_not(None))
        .values(state="sent")
    )
    for attempt in queries.attempts(session, withdrawal=withdrawal):
        for coin in attempt.inputs:
            values = {"chain": chain, "txid": coin.txid, "vout": coin.vout}
            row = insert(ReservationRow).values(**values, withdrawal_id=withdrawal, reserved_at=now)
            session.execute(row.on_conflict_do_nothing())


def give_up(session: Session, *, withdrawal: str, refused: bool, now: datetime) -> bool:
    """Abandon a spend no cosigner can have signed; frees its coins. Returns False where one may have signed.

    ``refused``: every quorum is gone by signed refusals, so the bundle counts as unsigned although given out.
    """
    attempts = [item for item in queries.attempts(session, withdrawal=withdrawal) if item.state != "abandoned"]
    if any(item.final is not None for item in attempts):
        return False
    if not refused and not all(signing.abandon(session, attempt=item.id, now=now) for item in attempts):
        return False
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.withdrawal_id == withdrawal, AttemptRow.final.is_(None))
        .values(state="abandoned")
    )
    session.execute(delete(ReservationRow).where(ReservationRow.withdrawal_id == withdrawal))
    return True


def drop_attempt(session: Session, *, attempt: str) -> None:
    """A replacement every quorum refused: the attempts before it stand."""
    session.execute(
        update(AttemptRow).where(AttemptRow.id == attempt, AttemptRow.final.is_(None)).values(state="abandoned")
    )


def _reserve(session: Session, planned: Planned, now: datetime) -> None:
    order = planned.order
    for coin in sorted(planned.coins, key=lambda coin: (coin.txid, coin.vout)):
        values = {"chain": order.chain, "txid": coin.txid, "vout": coin.vout}
        row = insert(ReservationRow).values(**values, withdrawal_id=order.withdrawal, reserved_at=now)
        session.execute(row.on_conflict_do_nothing())
        holder = session.execute(
            select(ReservationRow.withdrawal_id).where(
                *(getattr(ReservationRow, name) == value for name, value in values.items())
            )
        ).scalar_one_or_none()
        if holder != order.withdrawal:
            raise CoinTaken("a coin of the plan is reserved for another withdrawal")
    outpoints = [(coin.txid, coin.vout) for coin in planned.coins]
    coins = movements.coins(session, chain=order.chain, outpoints=outpoints)
    unspent = {(coin.txid, coin.position) for coin in coins}
    earlier = {(c.txid, c.vout) for a in queries.attempts(session, withdrawal=order.withdrawal) for c in a.inputs}
    if not set(outpoints) <= unspent | earlier:
        raise CoinTaken("a coin of the plan was spent meanwhile")


def _change_index(
    session: Session,
    planned: Planned,
    earlier: Sequence[Attempt],
    rules: SpendRules,
    seal_key: bytes,
    now: datetime,
) -> int | None:
    if planned.selection.change_sat is None:
        return None
    known = next((attempt.change_index for attempt in earlier if attempt.change_index is not None), None)
    if known is not None:
        return known
    taken = addresses.allocate_change(
        session,
        vault=planned.order.vault,
        seal_key=seal_key,
        low_mark=rules.stock_low_mark,
        actor="spends",
        now=now,
    )
    return taken.index


def _compose(planned: Planned, descriptor: BranchDescriptor, change_index: int | None) -> Psbt:
    order, selection = planned.order, planned.selection
    inputs = [
        SpendInput(
            txid=coin.txid,
            vout=coin.vout,
            amount_sat=coin.amount_sat,
            previous_transaction=planned.previous_transactions[coin.txid],
            descriptor=descriptor,
            change=coin.change,
            index=coin.index,
        )
        for coin in planned.coins
    ]
    outputs = [PayOutput(script_pubkey=order.locator, amount_sat=order.amount_sat, own=None)]
    if change_index is not None and selection.change_sat is not None:
        script = descriptor.derive(change=True, index=change_index).script_pubkey
        outputs.append(PayOutput(script_pubkey=script, amount_sat=selection.change_sat, own=(descriptor, change_index)))
    return compose(inputs=inputs, outputs=outputs, network=network(order.chain))


def _bundle(
    row: AttemptRow, payment: Payment, opening: ProvenIntent, trust: InForce, rules: SpendRules, now: datetime
) -> Bundle:
    return Bundle(
        id=new_id("bnd", now),
        chain=row.chain,
        attempt=row.id,
        created_at=now,
        not_after=now + rules.bundle_lifetime,
        psbt=row.psbt,
        payments=(payment,),
        openings=(opening,),
        policy=trust.policy_text,
        trust_root=trust.signed,
    )


def _locked(session: Session, attempt: str) -> AttemptRow:
    return session.execute(select(AttemptRow).where(AttemptRow.id == attempt).with_for_update()).scalar_one()

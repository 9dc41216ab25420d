"""Writing spends: attaching a composed attempt with its bundle, finalising, sending, observing, giving up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.audit import operations as audit
from custody.chains.registry import addressing, has_coins, spending
from custody.chains.spending import Coin, Plan, SpendRules, Turn
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.proven import ProvenIntent
from custody.evidence.statements import SignedStatement
from custody.kernel.errors import Broken, Conflict
from custody.kernel.ids import new_id
from custody.movements import queries as movements
from custody.signing import operations as signing
from custody.spends import queries
from custody.spends.model import Attempt
from custody.spends.tables import AttemptRow, ReservationRow
from custody.spends.telling import tell
from custody.trust.operations import InForce
from custody.vaults import queries as vaults


class ClaimTaken(Conflict):
    """A claim of the plan was reserved or used up meanwhile; plan again."""

    code = "coin-taken"
    retryable = True


class FinalTransactionWrong(Broken):
    """The finalised transaction is not the attempt that was composed."""

    code = "final-transaction-wrong"


def attach(
    session: Session,
    *,
    planned: Plan,
    payment: Payment,
    openings: tuple[ProvenIntent, ...],
    statements: tuple[SignedStatement, ...],
    trust: InForce,
    rules: SpendRules,
    seal_key: bytes,
    now: datetime,
    listings: tuple[ProvenIntent, ...] = (),
) -> Attempt:
    """Reserve the plan's claims, compose it, store the attempt, and open its bundle to cosigners.

    Raises ``ClaimTaken`` when another spend was faster (P-081).
    """
    order = planned.order
    _reserve(session, planned, now)
    earlier = queries.attempts(session, withdrawal=order.withdrawal)
    vault = vaults.get(session, vault=order.vault)
    keyset = vaults.keyset(session, keyset_id=vault.keyset)
    change_index = _change_index(session, planned, earlier, rules, seal_key, now)
    ours = spending(order.chain).for_vaults_of(keyset.chain)
    composed = ours.compose(planned, keyset=keyset, branch=vault.branch, change_index=change_index)
    row = AttemptRow(
        id=new_id("att", now),
        withdrawal_id=order.withdrawal,
        sequence=len(earlier) + 1,
        chain=order.chain,
        vault_id=order.vault,
        inputs=[item.to_json() for item in planned.inputs],
        change_index=change_index,
        pays=not order.pays_nobody,
        unsigned=composed.unsigned,
        txid=composed.spend,
        fee_units=composed.fee_units,
        weight=composed.weight,
        state="composed",
        composed_at=now,
    )
    session.add(row)
    session.flush()
    bundle = _bundle(row, payment, (openings, listings), statements, trust, rules, now)
    signing.open_bundle(session, bundle=bundle, keyset=keyset, vault=order.vault, inputs=planned.inputs, now=now)
    facts = {"withdrawal": order.withdrawal, "txid": row.txid, "fee": str(row.fee_units), "weight": row.weight}
    audit.record(session, event="attempt.composed", subject=row.id, actor="daemon", now=now, facts=facts)
    tell(session, [row.id], actor="daemon", now=now)
    return queries.view(row)


def finalised(
    session: Session, *, attempt: str, final: bytes, spend: str, paid_units: int | None, ceiling_units: int,
    rules: SpendRules, now: datetime,
) -> Attempt:  # fmt: skip
    """Take over the final transaction: it must be the composed one, and its fee under every cap once more (I16).

    Raises ``FinalTransactionWrong`` or ``FeeOverCap``. Doing it again changes nothing.
    """
    row = _locked(session, attempt)
    if row.txid != spend:
        raise FinalTransactionWrong("the final transaction is another one", attempt=attempt)
    if row.state == "composed":
        weight = spending(row.chain).read_final(final).weight
        rules.terms.check_fee(
            fee_units=row.fee_units, weight=weight, paid_units=paid_units, ceiling_units=ceiling_units
        )
        row.state, row.final, row.weight = "signed", final, weight
        session.flush()
        audit.record(session, event="attempt.signed", subject=attempt, actor="daemon", now=now, facts={"txid": spend})
        tell(session, [attempt], actor="daemon", now=now)
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
    tell(session, [attempt], actor="daemon", now=now)
    return queries.view(row)


def confirm(
    session: Session, *, attempt: str, height: int | None, now: datetime, occurred_at: datetime | None = None
) -> None:
    """Note the height the attempt is in, and its block's time, or that a reorg took it out again (None)."""
    back = case((AttemptRow.final.is_(None), "composed"), else_="sent")
    state = back if height is None else "confirmed"
    session.execute(update(AttemptRow).where(AttemptRow.id == attempt).values(confirmed_height=height, state=state))
    tell(session, [attempt], actor="chain", now=now, occurred_at=occurred_at)


def settle(session: Session, *, withdrawal: str, paid_by: str, now: datetime) -> None:
    """One attempt is final, or none can be any more: the others are replaced for good, the reservations are over."""
    rivals = [item.id for item in queries.attempts(session, withdrawal=withdrawal) if item.id != paid_by]
    signing.outlive(session, attempts=rivals, now=now)
    rival = (AttemptRow.withdrawal_id == withdrawal, AttemptRow.id != paid_by)
    is_over = AttemptRow.state.in_(("abandoned", "replaced"))
    _become(session, "replaced", *rival, ~is_over, actor="chain", now=now)
    session.execute(delete(ReservationRow).where(ReservationRow.withdrawal_id == withdrawal))


def unsettle(session: Session, *, withdrawal: str, chain: str, now: datetime) -> None:
    """A reorg undid a final payment: reserve its attempts' claims again, and bring its rivals back."""
    # Where anybody may carry a spend out, one that was never finished here may be finished elsewhere.
    restored = true() if spending(chain).can_be_left else AttemptRow.final.is_not(None)
    before = case((AttemptRow.final.is_(None), "composed"), else_="sent")
    rival = (AttemptRow.withdrawal_id == withdrawal, AttemptRow.state == "replaced")
    _become(session, before, *rival, restored, actor="chain", now=now)
    for attempt in queries.attempts(session, withdrawal=withdrawal):
        for claim in attempt.claims:
            values = {"chain": chain, "claim": claim, "withdrawal_id": withdrawal, "reserved_at": now}
            session.execute(insert(ReservationRow).values(**values).on_conflict_do_nothing())


def give_up(session: Session, *, withdrawal: str, refused: bool, now: datetime) -> bool:
    """Abandon a spend no cosigner can have signed; frees its claims. Returns False where one may have signed.

    ``refused``: every quorum is gone by signed refusals, so the bundle counts as unsigned although given out.
    """
    attempts = [item for item in queries.attempts(session, withdrawal=withdrawal) if item.state != "abandoned"]
    if any(item.final is not None for item in attempts):
        return False
    if not refused and not all(signing.abandon(session, attempt=item.id, now=now) for item in attempts):
        return False
    _abandon(session, AttemptRow.withdrawal_id == withdrawal, now=now)
    session.execute(delete(ReservationRow).where(ReservationRow.withdrawal_id == withdrawal))
    return True


def stop_asking(session: Session, *, withdrawal: str, now: datetime) -> None:
    """It is being given up: nobody is asked any more to sign what was composed of it until now.

    Its payment stays watched. What was composed to give it up is dropped: the same is composed anew.
    """
    known = queries.attempts(session, withdrawal=withdrawal)
    signing.outlive(session, attempts=[item.id for item in known], now=now)
    for item in known:
        if not item.pays:
            drop_attempt(session, attempt=item.id, now=now)


def drop_attempt(session: Session, *, attempt: str, now: datetime) -> None:
    """A replacement every quorum refused: the attempts before it stand."""
    _abandon(session, AttemptRow.id == attempt, now=now)


def _abandon(session: Session, which: ColumnElement[bool], *, now: datetime) -> None:
    """What has no final transaction is given up for good."""
    unsigned = (AttemptRow.final.is_(None), AttemptRow.state != "abandoned")
    _become(session, "abandoned", which, *unsigned, actor="daemon", now=now)


def _become(
    session: Session, state: str | ColumnElement[str], *which: ColumnElement[bool], actor: str, now: datetime
) -> None:
    """Put the attempts that ``which`` names into ``state``, and tell of each."""
    changed = update(AttemptRow).where(*which).values(state=state).returning(AttemptRow.id)
    tell(session, session.execute(changed).scalars().all(), actor=actor, now=now)


def _reserve(session: Session, planned: Plan, now: datetime) -> None:
    order = planned.order
    for claim in sorted(planned.claims):
        values = {"chain": order.chain, "claim": claim, "withdrawal_id": order.withdrawal, "reserved_at": now}
        session.execute(insert(ReservationRow).values(**values).on_conflict_do_nothing())
        holder = session.execute(
            select(ReservationRow.withdrawal_id).where(
                ReservationRow.chain == order.chain, ReservationRow.claim == claim
            )
        ).scalar_one_or_none()
        if holder != order.withdrawal:
            raise ClaimTaken("a coin of the plan is reserved for another withdrawal")
    _expect_unspent(session, planned)


def _expect_unspent(session: Session, planned: Plan) -> None:
    order = planned.order
    _expect_next(session, planned)
    wanted = [item for item in planned.inputs if isinstance(item, Coin)]
    outpoints = [(coin.txid, coin.position) for coin in wanted]
    unspent = {(coin.txid, coin.position) for coin in movements.coins(session, chain=order.chain, outpoints=outpoints)}
    earlier = {claim for item in queries.attempts(session, withdrawal=order.withdrawal) for claim in item.claims}
    if any((coin.txid, coin.position) not in unspent and coin.claim not in earlier for coin in wanted):
        raise ClaimTaken("a coin of the plan was spent meanwhile")


def _expect_next(session: Session, planned: Plan) -> None:
    """Every turn of the plan is its account's next: of one before it nothing may be signed any more."""
    if has_coins(planned.order.chain):
        return
    turns = [item for item in planned.inputs if isinstance(item, Turn)]
    where = addressing(planned.order.chain)
    places = {turn: where.read_destination(turn.account, field="account").locator for turn in turns}
    used = movements.turns_used(session, chain=planned.order.chain, locators=places.values())
    if any(used.get(place, 0) != turn.number for turn, place in places.items()):
        raise ClaimTaken("a turn of the plan was used meanwhile")


def _change_index(
    session: Session,
    planned: Plan,
    earlier: Sequence[Attempt],
    rules: SpendRules,
    seal_key: bytes,
    now: datetime,
) -> int | None:
    if not planned.brings_change:
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


def _bundle(
    row: AttemptRow,
    payment: Payment,
    proofs: tuple[tuple[ProvenIntent, ...], tuple[ProvenIntent, ...]],
    statements: tuple[SignedStatement, ...],
    trust: InForce,
    rules: SpendRules,
    now: datetime,
) -> Bundle:
    openings, listings = proofs
    return Bundle(
        id=new_id("bnd", now),
        chain=row.chain,
        attempt=row.id,
        created_at=now,
        not_after=now + rules.bundle_lifetime,
        unsigned=row.unsigned,
        payments=(payment,),
        openings=openings,
        policy=trust.policy_text,
        trust_root=trust.signed,
        statements=statements,
        listings=listings,
        succession=trust.links,
    )


def _locked(session: Session, attempt: str) -> AttemptRow:
    return session.execute(select(AttemptRow).where(AttemptRow.id == attempt).with_for_update()).scalar_one()

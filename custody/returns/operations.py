"""Sending on what came astray: asking, composing, taking over what was signed, and seeing how it ended.

The chain it lies on decides all but whose it is: the vault, its keyset and so its cosigners are of the chain the
address was made for. A place has one turn open at a time, and a stray is signed away once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.audit import operations as audit
from custody.chains.registry import addressing, spending
from custody.chains.spending import Order, Plan, SpendRules, Turn
from custody.clients import queries as clients
from custody.events import operations as events
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.check import check_request
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import StrayReturnRequest
from custody.evidence.signatures import Signature
from custody.judging.facts import facts_of, listings_behind, outside, statements_behind
from custody.judging.standing import waits_to_know
from custody.kernel.errors import Broken, Conflict, InvalidInput, NotFound, Refused
from custody.kernel.ids import new_id
from custody.movements import queries as movements
from custody.movements.model import Stray
from custody.relaying import operations as relaying
from custody.returns import queries
from custody.returns.model import Return, State
from custody.returns.tables import ReturnRow
from custody.signing import operations as signing
from custody.signing import queries as bundles
from custody.stops import queries as stops
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.windows import operations as windows
from policies.decision import Decision, Outcome, stricter
from policies.facts import Facts
from policies.obligations import outstanding

WAITING = (State.ASKED, State.AWAITING_SIGNATURES)
OPEN = (State.AWAITING_SIGNATURES, State.SIGNED)
SIGNED_AWAY = (*OPEN, State.RETURNED, State.FAILED)
ENDED = (State.RETURNED, State.FAILED, State.REFUSED)


class UnknownStray(NotFound):
    """Nothing of that name came astray, or a reorg took it away again."""

    code = "unknown-stray"


class ReturnedAlready(Conflict):
    """The stray is being sent on already, or was."""

    code = "returned-already"


class NobodyAgrees(Refused):
    """The policy would let what came astray go without asking anybody: it goes to nobody."""

    code = "nobody-agrees"


class ReturnAltered(Broken):
    """What was signed for a return is not what was composed."""

    code = "return-altered"


@dataclass(frozen=True, slots=True)
class Asked:
    """The return as it stands, its intent, and whether this very request had been made before."""

    found: Return
    intent: FiledIntent
    replayed: bool


def request(
    session: Session, *, request: StrayReturnRequest, signature: Signature, trust: InForce, now: datetime
) -> Asked:
    """Take a signed request: it must say of the stray what we read of it. Policy decides, and people after it.

    Raises ``RequestRefused``, ``InvalidInput`` naming the field, ``UnknownStray``, ``UnknownClient``,
    ``ReturnedAlready``, ``NobodyAgrees``, ``IdempotencyMismatch``; then nothing is written.
    """
    check_request(request, signature, root=trust.root, now=now)
    before = approvals.earlier(session, request=request)
    if before is not None:
        return _replayed(session, before)
    stray = _named(session, request, trust)
    _expect_free(session, stray, now)
    vault = vaults.get(session, vault=stray.vault)
    decision, _ = _judged(session, request, stray.chain, trust, now)
    if decision.outcome is not Outcome.DENY and not decision.obligations.approvals:
        raise NobodyAgrees("policy asks for nobody's approval; accepted is a policy that does", field="request.kind")
    intent = Intent(request=request, chain=stray.chain, vault=VaultName(vault.keyset, vault.branch))
    approvals.file_intent(
        session, intent=intent, signature=signature, decision=decision, client=request.client, now=now
    )
    row = _row(session, intent, request, stray, now)
    session.add(row)
    session.flush()
    facts = {"stray": f"{stray.chain} {stray.txid}:{stray.position}", "digest": intent.digest}
    audit.record(session, event="return.asked", subject=row.id, actor=request.requester, now=now, facts=facts)
    _tell(session, row, request.requester, now)
    return Asked(queries.view(row), intents.get(session, digest=intent.digest), replayed=False)


def follow(session: Session, *, chain: str, trust: InForce, rules: SpendRules, now: datetime) -> list[str]:
    """Bring every return on ``chain`` on: ended ones by what was read, then approved ones to their cosigners.

    Returns those that moved. Safe to run at any time, any number of times.
    """
    moved = _follow_ended(session, chain, rules, now)
    waiting = session.execute(
        select(ReturnRow)
        .where(ReturnRow.chain == chain, ReturnRow.state == State.ASKED)
        .order_by(ReturnRow.id)
        .with_for_update()
    ).scalars()
    return [*moved, *(row.id for row in waiting.all() if _compose(session, row, trust, rules, now))]


def mark_signed(session: Session, *, attempt: str, now: datetime) -> State:
    """A quorum signed: it is handed to whoever carries this chain's spends. Idempotent. Raises ``ReturnAltered``."""
    row = session.get_one(ReturnRow, attempt, with_for_update=True)
    bundle = bundles.of_attempt(session, attempt=attempt)
    if row.state != State.AWAITING_SIGNATURES or bundle is None or bundle.final is None:
        return State(row.state)
    if bundle.spend != row.spend or not spending(row.chain).is_signed(str(row.unsigned), bundle.final):
        raise ReturnAltered("the final bytes are another spend's", attempt=attempt)
    row.final = bundle.final
    relaying.offer(
        session,
        chain=row.chain,
        spend=str(row.spend),
        final=bundle.final,
        client=None,
        ceiling_units=0,
        now=now,
    )
    _move(session, row, State.SIGNED, now)
    return State.SIGNED


def wanted(session: Session, *, chain: str, spends: Sequence[str]) -> frozenset[str]:
    """Those of these spends that carry out a return which may go now: signed, its client active, its vault not frozen.

    What has ended stays wanted: whether it still has, the chain knows before we do.
    """
    found = session.execute(
        select(ReturnRow.spend, ReturnRow.state, ReturnRow.client_id, ReturnRow.vault_id, ReturnRow.asset).where(
            ReturnRow.chain == chain,
            ReturnRow.spend.in_(spends),
            ReturnRow.state.in_((State.SIGNED, State.RETURNED, State.FAILED)),
        )
    )
    return frozenset(
        str(row.spend)
        for row in found
        if row.state != State.SIGNED or _may_go(session, client=row.client_id, vault=row.vault_id, asset=row.asset)
    )


def _may_go(session: Session, *, client: str, vault: str, asset: str) -> bool:
    is_stopped = stops.first(session, client=client, vault=vault, asset=asset) is not None
    is_frozen = is_stopped or vaults.get(session, vault=vault).is_frozen
    return not is_frozen and clients.get(session, client=client).status == "active"


def reconsider(session: Session, *, trust: InForce, now: datetime) -> None:
    """Rules changed: judge again what waits for people or for keys, the stricter counts, and renew its bundles.

    Where people are missing now, the bundle is held back until ``follow`` finds that they agreed.
    """
    rows = session.execute(
        select(ReturnRow).where(ReturnRow.state.in_(WAITING)).order_by(ReturnRow.id).with_for_update()
    )
    for row in rows.scalars().all():
        _reconsider(session, row, trust, now)


def _reconsider(session: Session, row: ReturnRow, trust: InForce, now: datetime) -> None:
    filed = intents.get(session, digest=row.digest)
    request = filed.intent.request
    assert isinstance(request, StrayReturnRequest)
    if filed.state not in ("pending", "approved") or trust.root.asset(request.asset) is None:
        return
    later, _ = _judged(session, request, row.chain, trust, now, digest=row.digest)
    decision = filed.decision if waits_to_know(filed.decision, later) else stricter(filed.decision, later)
    standing = approvals.redecide(session, digest=row.digest, decision=decision, root=trust.root, now=now)
    if row.state != State.AWAITING_SIGNATURES or standing not in ("approved", "denied"):
        return
    payment = Payment(intents.proven(session, digest=row.digest, root=trust.root), decision.to_json())

    def change(bundle: Bundle) -> Bundle:
        return replace(
            bundle,
            payments=(payment,),
            policy=trust.policy_text,
            trust_root=trust.signed,
            succession=trust.links,
        )

    signing.renew(session, attempt=row.id, change=change, now=now)


def mark_refused(session: Session, *, attempt: str, now: datetime) -> State:
    """No quorum is left: the stray may be asked for anew."""
    row = session.get_one(ReturnRow, attempt, with_for_update=True)
    bundle = bundles.of_attempt(session, attempt=attempt)
    if row.state == State.AWAITING_SIGNATURES and bundle is not None and bundle.state == "refused":
        _move(session, row, State.REFUSED, now)
    return State(row.state)


def _named(session: Session, request: StrayReturnRequest, trust: InForce) -> Stray:
    """The stray, of which the request says nothing that we have not read."""
    asset = trust.root.asset(request.asset)
    if asset is None:
        raise InvalidInput("not a registered asset", field="request.asset")
    stray = movements.stray(session, chain=asset.chain, txid=request.txid, position=request.position)
    if stray is None:
        raise UnknownStray(f"nothing came astray with this transaction on {asset.chain}", field="request.txid")
    where = addressing(asset.chain)
    for field, said, read in (
        ("client", request.client, stray.client),
        ("asset", request.asset, stray.asset),
        ("amount", request.amount, stray.units),
        ("address", where.read_destination(request.address, field="request.address").locator, stray.locator),
    ):
        if said != read:
            raise InvalidInput("is not what came astray", field=f"request.{field}")
    destination = where.read_destination(request.destination, field="request.destination")
    if destination.address != request.destination:
        raise InvalidInput(f"not in canonical form; accepted is {destination.address}", field="request.destination")
    here = [each.id for each in trust.root.assets if each.chain == asset.chain]
    if destination.locator in {where.home_of(each) for each in here}:
        raise InvalidInput("the contract of an asset, which gives nothing back", field="request.destination")
    if addresses.by_locators(session, [destination.locator]):
        raise InvalidInput("an address of ours, where it may be astray again", field="request.destination")
    return stray


def _expect_free(session: Session, stray: Stray, now: datetime) -> None:
    """One request at a time for a stray, and none any more once it may be signed."""
    key = f"return:{stray.chain}:{stray.txid}:{stray.position}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    before = session.execute(
        select(ReturnRow).where(
            ReturnRow.chain == stray.chain, ReturnRow.txid == stray.txid, ReturnRow.position == stray.position
        )
    ).scalars()
    for row in before:
        filed = intents.get(session, digest=row.digest)
        waits = row.state == State.ASKED and filed.state in ("pending", "approved") and now <= filed.not_after
        if waits or row.state in SIGNED_AWAY:
            raise ReturnedAlready(f"return {row.id} of it is {row.state}", field="request.txid")


def _judged(
    session: Session,
    request: StrayReturnRequest,
    chain: str,
    trust: InForce,
    now: datetime,
    *,
    digest: str | None = None,
) -> tuple[Decision, Facts]:
    where = addressing(chain).read_destination(request.destination, field="request.destination")
    facts = facts_of(
        session,
        request=request,
        place=outside(
            session,
            client=request.client,
            chain=chain,
            address=request.destination,
            locator=where.locator,
            now=now,
        ),
        chain=chain,
        client=clients.get(session, client=request.client, lock=True),
        vault=None,
        root=trust.root,
        now=now,
        earlier=None if digest is None else windows.facts_when_admitted(session, digest=digest),
    )
    return windows.decide(session, policy=trust.policy, facts=facts, digest=digest), facts


def _row(session: Session, intent: Intent, request: StrayReturnRequest, stray: Stray, now: datetime) -> ReturnRow:
    place = addresses.by_locators(session, [stray.locator])[stray.locator]
    return ReturnRow(
        id=new_id("ret", now),
        digest=intent.digest,
        chain=stray.chain,
        txid=stray.txid,
        position=stray.position,
        vault_id=stray.vault,
        client_id=request.client,
        address_index=place.index,
        locator=stray.locator,
        asset=stray.asset,
        units=stray.units,
        state=State.ASKED,
        asked_at=now,
        state_since=now,
    )


def _compose(session: Session, row: ReturnRow, trust: InForce, rules: SpendRules, now: datetime) -> bool:
    filed = intents.get(session, digest=row.digest)
    request = filed.intent.request
    assert isinstance(request, StrayReturnRequest)
    if filed.state != "approved" or now > filed.not_after or (filed.not_before and now < filed.not_before):
        return False
    if not _is_there(session, row, rules) or _is_busy(session, row):
        return False
    vault = vaults.get(session, vault=row.vault_id)
    stop = stops.first(session, client=row.client_id, vault=row.vault_id, asset=row.asset)
    if vault.is_frozen or stop is not None or not _still_stands(session, filed, trust, now):
        return False
    filed = intents.get(session, digest=row.digest)
    keyset = vaults.keyset(session, keyset_id=vault.keyset)
    where = addressing(row.chain)
    number = movements.turns_used(session, chain=row.chain, locators=[row.locator]).get(row.locator, 0)
    turn = Turn(request.address, number, client=row.client_id, index=row.address_index)
    order = Order(
        withdrawal=row.id,
        vault=row.vault_id,
        chain=row.chain,
        asset=row.asset,
        locator=where.read_destination(request.destination, field="request.destination").locator,
        units=row.units,
        ceiling_units=0,
    )
    ours = spending(row.chain).for_vaults_of(keyset.chain)
    made = ours.compose(Plan(order, (turn,), None, 0), keyset=keyset, branch=vault.branch, change_index=None)
    bundle = _bundle(session, row, filed, trust, rules.bundle_lifetime, now, made.unsigned)
    signing.open_bundle(session, bundle=bundle, keyset=keyset, vault=row.vault_id, inputs=[turn], now=now)
    row.number, row.unsigned, row.spend = number, made.unsigned, made.spend
    _move(session, row, State.AWAITING_SIGNATURES, now)
    return True


def _still_stands(session: Session, filed: FiledIntent, trust: InForce, now: datetime) -> bool:
    """The policy is asked once more, and the stricter answer counts (I9)."""
    request = filed.intent.request
    assert isinstance(request, StrayReturnRequest)
    later, facts = _judged(session, request, filed.intent.chain, trust, now, digest=filed.digest)
    if waits_to_know(filed.decision, later) is not None:
        return False
    decision = stricter(filed.decision, later)
    state = approvals.redecide(session, digest=filed.digest, decision=decision, root=trust.root, now=now)
    return state == "approved" and not outstanding(decision.obligations, facts)


def _is_there(session: Session, row: ReturnRow, rules: SpendRules) -> bool:
    """Whether the stray is still read, and deep enough to be believed."""
    stray = movements.stray(session, chain=row.chain, txid=row.txid, position=row.position)
    tip = movements.tip(session, chain=row.chain)
    return stray is not None and tip is not None and tip.height - stray.height + 1 >= rules.required_depth(row.units)


def _is_busy(session: Session, row: ReturnRow) -> bool:
    """Whether the place has a turn open, or this stray was signed away."""
    there = select(ReturnRow.id).where(
        ReturnRow.chain == row.chain,
        ReturnRow.id != row.id,
        (ReturnRow.locator == row.locator) & ReturnRow.state.in_(OPEN)
        | (ReturnRow.txid == row.txid) & (ReturnRow.position == row.position) & ReturnRow.state.in_(SIGNED_AWAY),
    )
    return session.execute(there.limit(1)).first() is not None


def _bundle(
    session: Session,
    row: ReturnRow,
    filed: FiledIntent,
    trust: InForce,
    lifetime: timedelta,
    now: datetime,
    unsigned: str,
) -> Bundle:
    request = filed.intent.request
    assert isinstance(request, StrayReturnRequest)
    opening = intents.proven(session, digest=vaults.opening_of(session, vault=row.vault_id, client=row.client_id))
    return Bundle(
        id=new_id("bnd", now),
        chain=row.chain,
        attempt=row.id,
        created_at=now,
        not_after=now + lifetime,
        unsigned=unsigned,
        payments=(Payment(intents.proven(session, digest=row.digest, root=trust.root), filed.decision.to_json()),),
        openings=(opening,),
        policy=trust.policy_text,
        trust_root=trust.signed,
        statements=statements_behind(session, request=request, chain=row.chain, root=trust.root, now=now),
        listings=listings_behind(
            session,
            client=row.client_id,
            chain=row.chain,
            locator=addressing(row.chain).read_destination(request.destination, field="request.destination").locator,
        ),
        succession=trust.links,
    )


def _follow_ended(session: Session, chain: str, rules: SpendRules, now: datetime) -> list[str]:
    tip = movements.tip(session, chain=chain)
    since = 0 if tip is None else tip.height - rules.reorg_horizon
    rows = session.execute(
        select(ReturnRow)
        .where(
            ReturnRow.chain == chain,
            ReturnRow.state.in_(SIGNED_AWAY),
            # Like a payment: watched for as long as a reorg is expected to reach.
            or_(ReturnRow.ended_height.is_(None), ReturnRow.ended_height >= since),
        )
        .order_by(ReturnRow.id)
        .with_for_update()
    ).scalars().all()  # fmt: skip
    ended = movements.ended_spends(session, chain=chain, spends=[str(row.spend) for row in rows])
    moved = []
    for row in rows:
        found = ended.get(str(row.spend))
        if found is not None and found.locator != row.locator:
            found = None
        before, row.ended_height = row.state, None if found is None else found.height
        if found is None:
            state = State.AWAITING_SIGNATURES if row.final is None else State.SIGNED
        elif tip is None or not _is_final(session, row, found.height, tip.height, rules):
            continue
        else:
            state = State.RETURNED if found.succeeded else State.FAILED
        if state != before:
            _move(session, row, state, now)
            moved.append(row.id)
    return moved


def _is_final(session: Session, row: ReturnRow, height: int, tip: int, rules: SpendRules) -> bool:
    depth = rules.required_depth(row.units, asset=row.asset)
    return movements.is_final(session, chain=row.chain, height=height, tip=tip, depth=depth, finality=rules.finality)


def _move(session: Session, row: ReturnRow, state: State, now: datetime) -> None:
    ended, row.state, row.state_since = row.state in ENDED, state, now
    session.flush()
    if state is State.RETURNED:
        windows.finish(session, digest=row.digest, now=now)
    elif state in ENDED:
        windows.release(session, digest=row.digest, now=now)
    elif ended:
        windows.resume(session, digest=row.digest)
    facts = {"spend": str(row.spend)}
    audit.record(session, event=f"return.{state.value}", subject=row.id, actor="daemon", now=now, facts=facts)
    _tell(session, row, "daemon", now)
    if state is State.FAILED:
        why = "what came astray was not sent on: its turn is used up and nobody was paid"
        audit.raise_alarm(session, kind="return-failed", subject=row.id, step=str(row.spend), why=why, now=now)


def _tell(session: Session, row: ReturnRow, actor: str, now: datetime) -> None:
    found = queries.view(row)
    events.publish(
        session,
        kind="return",
        subject=found.id,
        event=found.state.value,
        data=found.to_json(),
        client=found.client,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _replayed(session: Session, before: FiledIntent) -> Asked:
    found = queries.by_digest(session, digest=before.digest)
    if found is None:
        raise InvalidInput("this idempotency key names another kind of request", field="request.idempotency_key")
    return Asked(found, before, replayed=True)

"""Requesting a withdrawal: the hold, the intent and the policy's decision, all in one unit or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.approvals import operations as approvals
from custody.chains.addressing import Destination
from custody.chains.registry import addressing, spending
from custody.chains.spending import Candidates, Order, SpendRules, leaving
from custody.clients import queries as clients
from custody.evidence.check import check_request
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import SweepRequest, WithdrawalRequest, client_of
from custody.evidence.signatures import Signature
from custody.judging.facts import facts_of, outside, registered
from custody.kernel.errors import Conflict, InvalidInput
from custody.kernel.ids import new_id
from custody.kernel.money import Amount, Asset
from custody.ledger import operations as ledger
from custody.ledger import queries as books
from custody.ledger.model import AccountKind, AccountRef
from custody.outbox import operations as outbox
from custody.spends import queries as attempts
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.vaults.model import Vault
from custody.windows import operations as windows
from custody.withdrawals import queries
from custody.withdrawals.model import PREFIXES, Withdrawal
from custody.withdrawals.operations.moving import move, tell
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import WithdrawalRow
from policies.decision import Decision, Outcome
from policies.facts import Facts

COMPOSE: Final = "withdrawals.compose"
BROADCAST: Final = "withdrawals.broadcast"


class ReferenceTaken(Conflict):
    """Another withdrawal of the client's has this reference, and keeps it whatever became of it."""

    code = "reference-taken"


@dataclass(frozen=True, slots=True)
class Requested:
    """The withdrawal as it stands, and whether this very request had been made before."""

    withdrawal: Withdrawal
    replayed: bool


def request(
    session: Session,
    *,
    request: WithdrawalRequest,
    signature: Signature,
    trust: InForce,
    correlation_id: str,
    now: datetime,
    reference: str | None = None,
) -> Requested:
    """Take a signed request: hold amount and fee ceiling, file the intent, decide by policy.

    Where the vault does not bear the fee, the amount alone is held. A denied request is stored with its decision and
    holds nothing. ``reference`` is what the client's own books call it. Raises ``RequestRefused``, ``InvalidInput``
    naming the field, ``UnknownClient``, ``InsufficientFunds``, ``IdempotencyMismatch`` and ``ReferenceTaken``; then
    nothing is written.
    """
    check_request(request, signature, root=trust.root, now=now)
    before = approvals.earlier(session, request=request)
    if before is not None:
        return Requested(_as_before(session, before.digest, reference), replayed=True)
    clients.get(session, client=request.client, lock=True)
    _expect_free(session, request.client, reference)
    judged = judge(session, request=request, trust=trust, now=now)
    return _take(
        session,
        judged.intent,
        signature,
        judged.vault,
        judged.destination,
        judged.facts,
        trust,
        correlation_id,
        now,
        reference,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What would be filed for a request, and what is known of it. Nothing is written yet."""

    intent: Intent
    vault: Vault
    destination: Destination
    facts: Facts
    leaving: Amount
    """What would be held: the amount, with the fee's ceiling where the vault bears it."""


def judge(
    session: Session, *, request: WithdrawalRequest, trust: InForce, now: datetime, code: str | None = None
) -> Judged:
    """Read ``request`` as ``request`` does, whoever signed it, and put its facts together. Writes nothing.

    ``code`` is what was seen at the destination just now, where nobody wrote that down. Raises ``InvalidInput`` naming
    the field, ``UnknownClient``, ``UnknownVault``.
    """
    client = clients.get(session, client=request.client)
    asset = _asset(request, trust)
    vault = _paying_vault(session, request, asset)
    destination = _destination(request, asset, trust)
    place = outside(
        session,
        client=client.id,
        chain=asset.chain,
        address=request.destination,
        locator=destination.locator,
        now=now,
    )
    facts = facts_of(
        session,
        request=request,
        place=place if code is None else replace(place, code=code),
        chain=asset.chain,
        client=client,
        vault=vault,
        root=trust.root,
        now=now,
    )
    intent = Intent(request=request, chain=asset.chain, vault=VaultName(vault.keyset, vault.branch))
    units = leaving(spending(asset.chain), units=request.amount, fee_units=request.max_fee)
    return Judged(intent, vault, destination, facts, Amount(asset.id, units))


def prospective(session: Session, judged: Judged, *, rules: SpendRules) -> Candidates:
    """What a payment that was judged could spend now, to ask the chain what it would cost. Reserves nothing."""
    request = judged.intent.request
    assert isinstance(request, WithdrawalRequest)
    order = Order(
        withdrawal="",
        vault=judged.vault.id,
        chain=judged.intent.chain,
        asset=request.asset,
        locator=judged.destination.locator,
        units=request.amount,
        ceiling_units=request.max_fee,
    )
    return attempts.candidates(session, order=order, coinbase_maturity=rules.coinbase_maturity)


def request_sweep(
    session: Session,
    *,
    request: SweepRequest,
    signature: Signature,
    trust: InForce,
    correlation_id: str,
    now: datetime,
) -> Requested:
    """Take a signed request to move a client's money to its vault of a later keyset, by the road of a withdrawal.

    The client's money is held and settled like a payment's, and credited again where it arrives, as a deposit: at
    every moment the books say what the chain does. Raises as ``request``, and ``UnknownVault``.
    """
    check_request(request, signature, root=trust.root, now=now)
    before = approvals.earlier(session, request=request)
    if before is not None:
        return Requested(_of_intent(session, before.digest), replayed=True)
    client = clients.get(session, client=request.client, lock=True)
    asset = _asset(request, trust)
    vault = vaults.get(session, vault=str(request.out_of))
    destination = _destination(request, asset, trust)
    _expect_way_forward(session, request, vault, destination, trust)
    facts = facts_of(
        session,
        request=request,
        place=outside(
            session,
            client=client.id,
            chain=asset.chain,
            address=request.destination,
            locator=destination.locator,
            now=now,
        ),
        chain=asset.chain,
        client=client,
        vault=vault,
        root=trust.root,
        now=now,
    )
    intent = Intent(request=request, chain=asset.chain, vault=request.out_of)
    return _take(session, intent, signature, vault, destination, facts, trust, correlation_id, now)


def _expect_way_forward(
    session: Session, request: SweepRequest, vault: Vault, destination: Destination, trust: InForce
) -> None:
    """As cosigners will see it: between two vaults of the client, from an older keyset to an address of a later one."""
    for field, name in (("out_of", request.out_of), ("to", request.to)):
        if not vaults.is_member(session, vault=str(name), client=request.client):
            raise InvalidInput("not a vault of this client", field=f"request.{field}")
    order = [keyset.id for keyset in trust.root.keysets if keyset.chain == vault.chain]
    if request.to.keyset not in order or order.index(request.to.keyset) <= order.index(vault.keyset):
        raise InvalidInput(f"not of a later keyset of {vault.chain}", field="request.to")
    found = addresses.by_locators(session, [destination.locator]).get(destination.locator)
    if found is None or (found.vault, found.index, found.change) != (str(request.to), request.index, False):
        raise InvalidInput(f"not address {request.index} of vault {request.to}", field="request.destination")
    if found.client != request.client:
        raise InvalidInput("not handed out to this client", field="request.destination")


def _take(
    session: Session,
    intent: Intent,
    signature: Signature,
    vault: Vault,
    destination: Destination,
    facts: Facts,
    trust: InForce,
    correlation_id: str,
    now: datetime,
    reference: str | None = None,
) -> Requested:
    decision = windows.decide(session, policy=trust.policy, facts=facts)
    client = client_of(intent.request) or ""
    approvals.file_intent(session, intent=intent, signature=signature, decision=decision, client=client, now=now)
    row = _row(intent, vault, destination, decision, reference, now)
    session.add(row)
    session.flush()
    tell(session, row, event=row.state, actor=intent.request.requester, correlation_id=correlation_id, now=now)
    _proceed(session, row, decision, correlation_id, now)
    return Requested(queries.view(row), replayed=False)


def _proceed(session: Session, row: WithdrawalRow, decision: Decision, correlation_id: str, now: datetime) -> None:
    if decision.outcome is Outcome.DENY:
        move(session, row, event=Event.DENY, actor="policy", now=now, why=decision.denial)
        return
    units = leaving(spending(row.chain), units=row.units, fee_units=row.max_fee_units)
    amount = Amount(row.asset, units)
    row.hold_id = new_id("hld", now)
    ledger.hold(
        session, hold_id=row.hold_id, client=row.client_id, amount=amount, subject=row.id, actor="withdrawals", now=now
    )
    if decision.outcome is Outcome.REQUIRE:
        move(session, row, event=Event.ASK_PEOPLE, actor="policy", now=now, correlation_id=correlation_id)
        return
    move(session, row, event=Event.APPROVE, actor="policy", now=now, correlation_id=correlation_id)
    outbox.emit(session, topic=COMPOSE, payload={"withdrawal": row.id}, correlation_id=correlation_id, now=now)


def _row(
    intent: Intent, vault: Vault, destination: Destination, decision: Decision, reference: str | None, now: datetime
) -> WithdrawalRow:
    request = intent.request
    assert isinstance(request, WithdrawalRequest | SweepRequest)
    return WithdrawalRow(
        id=new_id(PREFIXES[0] if intent.kind == WithdrawalRequest.kind else PREFIXES[1], now),
        digest=intent.digest,
        kind=intent.kind,
        client_id=request.client,
        vault_id=vault.id,
        chain=intent.chain,
        asset=request.asset,
        units=request.amount,
        max_fee_units=request.max_fee,
        destination=request.destination,
        locator=destination.locator,
        reference=reference,
        state=State.REQUESTED,
        facts=dict(decision.facts),
        requested_at=now,
        state_since=now,
    )


def _paying_vault(session: Session, request: WithdrawalRequest, asset: Asset) -> Vault:
    """The client's newest vault that holds enough for it, or its newest: an older one may not have been swept yet."""
    newest = vaults.vault_of(session, client=request.client, chain=asset.chain)
    older = [each for each in vaults.of_client(session, client=request.client) if each.chain == asset.chain]
    if len(older) < 2:
        return newest
    needed = leaving(spending(asset.chain), units=request.amount, fee_units=request.max_fee)
    return next((each for each in reversed(older) if _held(session, each, asset) >= needed), newest)


def _held(session: Session, vault: Vault, asset: Asset) -> int:
    there = AccountRef(AccountKind.ONCHAIN, vault.id, asset.id)
    return books.account_balance(session, account=there)


def _asset(request: WithdrawalRequest | SweepRequest, trust: InForce) -> Asset:
    asset = registered(trust.root, request.asset)
    where = addressing(asset.chain)
    if request.amount > where.most_units(asset.id):
        raise InvalidInput("more than there will ever be", field="request.amount")
    if request.max_fee > where.most_units(where.native.id):
        raise InvalidInput("more than there will ever be", field="request.max_fee")
    return asset


def _destination(request: WithdrawalRequest | SweepRequest, asset: Asset, trust: InForce) -> Destination:
    where = addressing(asset.chain)
    destination = where.read_destination(request.destination, field="request.destination")
    if destination.address != request.destination:
        raise InvalidInput(f"not in canonical form; accepted is {destination.address}", field="request.destination")
    here = [each.id for each in trust.root.assets if each.chain == asset.chain]
    if destination.locator in {where.home_of(each) for each in here}:
        raise InvalidInput("the contract of an asset, which gives nothing back", field="request.destination")
    least = destination.least_units
    if request.amount < least:
        raise InvalidInput(f"below the dust limit of {least} base units for this address", field="request.amount")
    return destination


def _of_intent(session: Session, digest: str) -> Withdrawal:
    found = queries.by_digest(session, digest=digest)
    if found is None:
        raise InvalidInput("this idempotency key names another kind of request", field="request.idempotency_key")
    return found


def _as_before(session: Session, digest: str, reference: str | None) -> Withdrawal:
    """What was asked for under the key, by the same reference. Raises ``IdempotencyMismatch``."""
    found = _of_intent(session, digest)
    if found.reference != reference:
        raise approvals.IdempotencyMismatch(
            "this idempotency key was used with another reference", field="reference", digest=digest
        )
    return found


def _expect_free(session: Session, client: str, reference: str | None) -> None:
    """The client is locked, so nobody takes it in between. Raises ``ReferenceTaken``."""
    if reference is not None and queries.by_reference(session, client=client, reference=reference) is not None:
        raise ReferenceTaken("another withdrawal of this client has it, and keeps it", field="reference")

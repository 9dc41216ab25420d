"""Is each payment asked for, permitted and agreed to? Authors, policy evaluated here, people, delays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from custody.cosigner.craft import Craft
from custody.cosigner.freshness import expect_not_frozen, expect_not_revoked, expect_not_withdrawn
from custody.cosigner.listings import Listings
from custody.cosigner.ownership import Owners, expect_way_forward, verdict_of_people
from custody.cosigner.payments import Destination, JudgedPayment
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import KnownOpening, MemoryView, PaidIntent, SignedTransaction
from custody.cosigner.statements import Stated, expect_proved, stated_of
from custody.evidence.approvals import ApprovalRefused, check_approval
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.check import RequestRefused, check_request
from custody.evidence.requests import (
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    WithdrawalRequest,
    request_message,
)
from custody.evidence.status import Status
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset
from policies.decision import Decision, Outcome, stricter
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals
from policies.obligations import outstanding
from policies.windows import PastRequest, measure

Asked = WithdrawalRequest | RespendRequest | StrayReturnRequest | SweepRequest
"""What a bundle's payments may ask for."""

_MAY_AGE: Final = frozenset({Reason.POLICY_DENIES, Reason.APPROVALS_MISSING, Reason.SCREENING_NOT_CLEAR})
"""Reasons that newer statements may do away with."""

LONGEST_WINDOW: Final = timedelta(days=366)
"""How far back this program's own memory is counted for a policy's limits."""


@dataclass(frozen=True, slots=True)
class Court:
    """What every payment of one bundle is judged with."""

    bundle: Bundle
    root: TrustRoot
    document: Document
    owners: Owners
    listings: Listings
    memory: MemoryView
    craft: Craft
    now: datetime


def check_authors(bundle: Bundle, *, root: TrustRoot, status: Status, craft: Craft, now: datetime) -> tuple[Asked, ...]:
    """Each payment is a withdrawal of an asset of this chain's, signed by its requester; or it is the only one, and
    gives a withdrawal up, or sends on what came astray to another chain than our vaults'. None of it was taken back
    since, by ``status``. Raises ``CosignerRefusal``.
    """
    if not bundle.payments:
        raise CosignerRefusal(Reason.NOTHING_TO_PAY, "the bundle pays nobody")
    requests = tuple(_check_author(payment, root, craft, now) for payment in bundle.payments)
    intents = {payment.proven.intent.digest for payment in bundle.payments}
    if len(intents) != len(requests) or len({request_message(request) for request in requests}) != len(requests):
        raise CosignerRefusal(Reason.INTENT_TWICE, "one request stands in the bundle twice")
    if len(requests) > 1 and any(isinstance(request, RespendRequest) for request in requests):
        raise CosignerRefusal(Reason.RESPEND_NOT_ALONE, "a respend stands beside other payments")
    if len(requests) > 1 and any(isinstance(request, StrayReturnRequest) for request in requests):
        raise CosignerRefusal(Reason.RETURN_NOT_ALONE, "what came astray is sent on beside other payments")
    if len(requests) > 1 and any(isinstance(request, SweepRequest) for request in requests):
        raise CosignerRefusal(Reason.SWEEP_NOT_ALONE, "a vault is swept beside other payments")
    expect_not_withdrawn(status, intents)
    for proven in (payment.proven for payment in bundle.payments):
        expect_not_revoked(status, proven)
        expect_not_frozen(status, proven)
    return requests


def judge_payments(court: Court, requests: Sequence[Asked]) -> tuple[JudgedPayment, ...]:
    """Policy, approvals and delay of every payment, each counted with those before it. Raises ``CosignerRefusal``."""
    judged: list[JudgedPayment] = []
    expect_proved(court.bundle.statements, root=court.root)
    for payment, request in zip(court.bundle.payments, requests, strict=True):
        judged.append(_judge(court, payment, request, judged))
    used: set[tuple[str, str]] = set()
    for approver, nonce in (use[:2] for each in judged for use in each.nonces):
        if (approver, nonce) in used:
            raise CosignerRefusal(Reason.APPROVAL_INVALID, f"{approver} used one nonce twice")
        used.add((approver, nonce))
    return tuple(judged)


def _check_author(payment: Payment, root: TrustRoot, craft: Craft, now: datetime) -> Asked:
    intent = payment.proven.intent
    request = intent.request
    if not isinstance(request, Asked):
        raise CosignerRefusal(Reason.NOTHING_TO_PAY, f"a {request.kind} pays nobody")
    if isinstance(request, RespendRequest) and not craft.gives_up:
        raise CosignerRefusal(Reason.RESPEND_NOT_PROVABLE, "a respend on this chain cannot be proved here yet")
    if intent.chain != craft.chain:
        raise CosignerRefusal(Reason.WRONG_CHAIN, f"the intent is for {intent.chain}")
    if isinstance(request, StrayReturnRequest) != (craft.chain != craft.home):
        raise CosignerRefusal(Reason.WRONG_CHAIN, f"a {request.kind} on {craft.chain}, our vaults are of {craft.home}")
    if craft.asset(request.asset, root) is None:
        raise CosignerRefusal(Reason.ASSET_UNKNOWN, f"{request.asset} is no asset of this chain in the trust root")
    try:
        check_request(request, payment.proven.request_signature, root=root, now=now)
    except RequestRefused as error:
        raise CosignerRefusal(Reason.REQUEST_NOT_PROVEN, str(error)) from error
    return request


def _judge(court: Court, payment: Payment, request: Asked, before: Iterable[JudgedPayment]) -> JudgedPayment:
    intent = payment.proven.intent
    opening = court.owners.of_client(intent)
    if isinstance(request, SweepRequest):
        expect_way_forward(request, intent.vault, court.owners, court.root)
    asset = court.craft.asset(request.asset, court.root)
    assert asset is not None
    destination = None if isinstance(request, RespendRequest) else _destination(request, court.craft)
    stored = _stored_decision(payment, court.document)
    stated = stated_of(
        court.bundle.statements,
        asset=asset.id,
        chain=intent.chain,
        destination=None if destination is None else destination.address,
        root=court.root,
        now=court.now,
    )
    facts = _facts(court, request, opening, asset, destination, stored.facts, stated)
    decision = _decide(court, intent.digest, facts, stored, before)
    needs_people = decision.outcome is Outcome.DENY or decision.obligations.approvals
    if isinstance(request, StrayReturnRequest) and not needs_people:
        raise CosignerRefusal(Reason.RETURN_WITHOUT_PEOPLE, "nobody has to agree that what came astray is sent on")
    try:
        nonces = _hear_people(court, payment, request, decision)
        _expect_screened(decision, facts)
    except CosignerRefusal as refusal:
        if refusal.reason in _MAY_AGE and stated.is_old:
            raise CosignerRefusal(Reason.FACTS_TOO_OLD, f"{refusal.explanation}; {stated.why}") from refusal
        raise
    return JudgedPayment(intent, request, opening, destination, decision, facts, asset, nonces)


def _destination(request: WithdrawalRequest | StrayReturnRequest | SweepRequest, craft: Craft) -> Destination:
    try:
        return craft.read_destination(request.destination, field="request.destination")
    except InvalidInput as error:
        raise CosignerRefusal(Reason.DESTINATION_INVALID, str(error)) from error


def _stored_decision(payment: Payment, document: Document) -> Decision:
    try:
        stored = Decision.from_json(payment.decision)
        Facts.from_json(stored.facts)
    except (InvalidInput, AttributeError) as error:
        raise CosignerRefusal(Reason.DECISION_UNREADABLE, "the daemon's decision cannot be read") from error
    if stored.document_hash != document.hash:
        raise CosignerRefusal(Reason.DECISION_UNREADABLE, "the daemon's decision is of another policy")
    return stored


def _facts(
    court: Court,
    request: Asked,
    opening: KnownOpening,
    asset: Asset,
    destination: Destination | None,
    told: Mapping[str, str],
    stated: Stated,
) -> Facts:
    age, before = told.get("books_age_seconds"), told.get("usd_micros_asked")
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=court.now,
        client=request.client,
        client_status=told.get("client_status"),
        segregation=opening.segregation,
        asset=asset.code,
        decimals=asset.decimals,
        chain=court.bundle.chain,
        destination="own"
        if destination is None or isinstance(request, SweepRequest)
        else _standing(court, request.client, destination),
        destination_code=_code(court, destination, told.get("destination_code")),
        destination_text=str(opening.vault) if destination is None else destination.address,
        amount_units=request.amount,
        usd_micros=stated.price.worth(request.amount, decimals=asset.decimals),
        usd_micros_asked=None if before is None else int(before),
        price_state=stated.price.state,
        price_age_seconds=stated.price.age_seconds,
        screening=stated.screening,
        collateral=told.get("collateral"),
        vault_break=told.get("vault_break"),
        books_age_seconds=None if age is None else int(age),
    )


def _standing(court: Court, client: str, destination: Destination) -> str:
    return court.listings.standing(
        client=client, chain=court.bundle.chain, destination=destination.address, now=court.now
    )


def _code(court: Court, destination: Destination | None, told: str | None) -> str | None:
    """What lives at the destination: where contracts may, only somebody with a node can look."""
    if destination is None:
        return None
    return told if court.craft.has_contracts else "plain"


def _decide(court: Court, digest: str, facts: Facts, stored: Decision, before: Iterable[JudgedPayment]) -> Decision:
    """The strictest of: the daemon's answer, ours with its word on what only it knows, ours with the best such word.

    So what the daemon says of what lives at the destination, of a client's status, of collateral, a break or the books,
    and of what it was worth when it was asked for, can tighten the answer and never loosen it.
    """
    past = [*_past(court, digest), *(PastRequest(each.facts, court.now, released=False) for each in before)]
    told = evaluate(court.document, facts, _usage(court.document, facts, past, stored))
    best = replace(
        facts,
        client_status="active",
        vault_break="none",
        books_age_seconds=0,
        collateral="none",
        destination_code=None if facts.destination_code is None else "plain",
    )
    untold = evaluate(court.document, best, _usage(court.document, best, past, stored))
    return stricter(stricter(stored, told), untold)


def _past(court: Court, digest: str) -> Iterable[PastRequest]:
    latest: dict[str, tuple[PaidIntent, SignedTransaction]] = {}
    for signed in court.memory.signed_since(court.now - LONGEST_WINDOW):
        for intent in signed.intents:
            latest[intent.digest] = (intent, signed)
    for intent, signed in (entry for found, entry in latest.items() if found != digest):
        yield PastRequest(Facts.from_json(intent.facts), signed.at, released=False)


def _usage(document: Document, facts: Facts, past: list[PastRequest], stored: Decision) -> Usage:
    ours = measure(document, facts, past)
    told = {
        (read.rule, read.per, read.window_seconds): None
        if read.count is None
        else UsageTotals(read.amount_units, read.count, read.usd_micros)
        for read in stored.usage
    }

    def larger(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        own, asked = ours(rule_id, per, window_seconds), (rule_id, per, window_seconds)
        if own is None or asked not in told:
            return own
        word = told[asked]
        return None if word is None else own.larger(word)

    return larger


def _hear_people(
    court: Court, payment: Payment, request: Asked, decision: Decision
) -> tuple[tuple[str, str, str], ...]:
    digest, said = payment.proven.intent.digest, dict[str, set[str]](approve=set(), reject=set())
    nonces: list[tuple[str, str, str]] = []
    for approval in payment.proven.approvals:
        statement = approval.statement
        try:
            person = check_approval(
                approval,
                digest=digest,
                requester=request.requester,
                request_not_after=request.not_after,
                root=court.root,
                now=min(court.now, statement.not_after),
            )
        except ApprovalRefused as error:
            raise CosignerRefusal(Reason.APPROVAL_INVALID, str(error)) from error
        # A yes lapses with its time and no longer counts; a no ended the request when it was said.
        if statement.verdict == "approve" and court.now > statement.not_after:
            continue
        said[statement.verdict].add(person)
        nonces.append((person, statement.nonce, statement.message.hex()))
    _expect_new_nonces(court.memory, nonces)
    _expect_agreement(court, said, request, decision)
    return tuple(nonces)


def _expect_agreement(court: Court, said: dict[str, set[str]], request: Asked, decision: Decision) -> None:
    refusal = verdict_of_people(
        decision, court.document, court.root, said["approve"], said["reject"], request.requester
    )
    if refusal is not None:
        raise CosignerRefusal(*refusal)


def _expect_screened(decision: Decision, facts: Facts) -> None:
    """What policy wants to be known of the destination is proved; how fresh the books are only the daemon knows."""
    owed = outstanding(replace(decision.obligations, reconciled_seconds=None), facts)
    if owed:
        raise CosignerRefusal(Reason.SCREENING_NOT_CLEAR, "; ".join(owed))


def _expect_new_nonces(memory: MemoryView, nonces: Iterable[tuple[str, str, str]]) -> None:
    for person, nonce, statement in nonces:
        if memory.nonce_use(person, nonce) not in (None, statement):
            raise CosignerRefusal(Reason.APPROVAL_INVALID, f"{person} used one nonce for two statements")

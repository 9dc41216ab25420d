"""The nouns of the API as shapes, by the names they have in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from custody.api.contract import answers, samples
from custody.api.contract.shapes import (
    Shape,
    by_name,
    document,
    flag,
    many,
    number,
    one_of,
    ref,
    some,
    text,
    thing,
    with_more,
)
from custody.deposits.states import DepositState
from custody.kernel.problems import PROBLEMS
from custody.withdrawals.states import State

_BTC, _DIGEST, _TXID, _ADDRESS = samples.CHAIN, samples.DIGEST, samples.TXID, samples.ADDRESS

WORDS: Final = text("waits for 1 of operators")
TIME: Final = text("2026-11-22T15:30:00.000000Z", format="date-time")
CLIENT: Final = text("acme")
VAULT: Final = text("kst_demo/7")
CHAIN: Final = text(_BTC, description="CAIP-2 id of the chain.")
DIGEST: Final = text(_DIGEST, pattern="^[0-9a-f]{64}$")
CODE: Final = text("BWNR R3F1 N55Q TF3E", description="The short code people compare.")
ADDRESS: Final = text(_ADDRESS)
ACCOUNT: Final = text(f"{_BTC}:{_ADDRESS}", description="CAIP-10 id of the address.")
TXID: Final = text(_TXID)
PERSON: Final = text("alice")
NEXT_ACTOR: Final = one_of("operators", "client", "cosigners", "chain", "nobody")
NEXT: Final = some(
    text("/v1/withdrawals?after=WyJ3aXRoZHJhd2FscyJd", description="Where the rest is; null at the end.")
)
WDR: Final = text("wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV", pattern="^(wdr|swp)_[0-9A-HJKMNP-TV-Z]{26}$")
DEP: Final = text("dep_01ARZ3NDEKTSV4RRFFQ69G5FAV")

MONEY: Final = ref("Money")
ASSET: Final = ref("Asset")
_STANDS: Final = {"reason": some(WORDS), "next_actor": NEXT_ACTOR, "expires_at": some(TIME)}

_WITHDRAWAL_ROW: Final = thing(
    id=WDR,
    kind=one_of("withdrawal", "sweep"),
    client=CLIENT,
    reference=some(text("invoice 4711")),
    vault=VAULT,
    chain=CHAIN,
    asset=ASSET,
    amount=MONEY,
    destination=ADDRESS,
    destination_account=ACCOUNT,
    max_fee=MONEY,
    fee=some(MONEY),
    fee_asset=text("BTC"),
    status=one_of(*State),
    next_actor=NEXT_ACTOR,
    waiting_for=some(WORDS),
    intent_digest=DIGEST,
    digest_code=CODE,
    txid=some(TXID),
    requested_at=TIME,
    status_since=TIME,
)
_LISTED: Final = with_more(
    _WITHDRAWAL_ROW,
    reason_code=some(text("approval")),
    reason=some(WORDS),
    expires_at=TIME,
    requester=text("exchange"),
    idempotency_key=text("order-17"),
    purpose=some(text("withdrawal")),
)
_BALANCE: Final = thing(asset=ASSET, available=MONEY, held=MONEY, pledged=MONEY, receivable=MONEY, total=MONEY)
_PARTS: Final = thing(total=MONEY, available=MONEY, held=MONEY, pledged=MONEY)
_CLIENT: Final = thing(
    id=CLIENT,
    name=text("Acme"),
    segregation=one_of("segregated", "omnibus"),
    status=one_of("active", "frozen", "defaulted", "closed"),
    status_reason=some(WORDS),
    **_STANDS,
    opening=DIGEST,
    opened_at=TIME,
)
_ROW: Final = thing(
    place=one_of("needs_me", "needs_others", "needs_keys", "on_chain", "stuck"),
    kind=text("withdrawal"),
    id=some(WDR),
    digest=DIGEST,
    code=CODE,
    sentence=text("Pay 0.25000000 BTC to bc1q…"),
    client=CLIENT,
    client_name=some(text("Acme")),
    asset=some(ASSET),
    amount=some(MONEY),
    destination=some(ADDRESS),
    destination_name=some(text("cold store")),
    status=text("pending_approval"),
    reason=some(WORDS),
    next_actor=NEXT_ACTOR,
    created_at=TIME,
    age_seconds=number(840),
    risks=many(text("new destination")),
    limits=many(thing(rule=text("withdrawals of active clients"), words=WORDS, percent=some(number(6)))),
)
_FOR_PEOPLE: Final = {
    "requester": text("exchange"),
    "purpose": some(text("withdrawal")),
    "people": many(thing(group=text("operators"), needed=number(2), agreed=many(PERSON), missing=number(1))),
    "missing_people": by_name(many(PERSON)),
    "you_are_last": flag(False),
    "expires_at": TIME,
    "left_seconds": number(12_600),
    "left_percent": number(87),
    "delay_left_seconds": number(0),
}
_ON_ITS_WAY: Final = {"in_state_seconds": number(60), "txid": some(TXID)}
_DECISION: Final = thing(
    outcome=one_of("require", "allow", "deny"),
    approvals=by_name(number(2)),
    delay_seconds=number(0),
    rules=many(thing(kind=text("require"), title=text("two operators above 0.05 BTC"))),
    explanation=many(WORDS),
    document_hash=DIGEST,
)
_JOB: Final = thing(
    id=text("job_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    kind=one_of("addresses", "resend"),
    client=some(CLIENT),
    vault=some(VAULT),
    endpoint=some(text("whe_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    wanted=number(500),
    done=number(150),
    status=one_of("running", "completed", "failed"),
    **_STANDS,
    created_at=TIME,
    ended_at=some(TIME),
    is_over=flag(False),
)

THINGS: Final[dict[str, Shape]] = {
    "Money": thing(
        decimal=text("0.25000000", description="Whole units, all decimals."),
        base_units=text("25000000", pattern="^-?[0-9]+$"),
    ),
    "Asset": thing(
        id=text(f"{_BTC}/slip44:0", description="CAIP-19 id, in its one canonical spelling."),
        code=text("BTC"),
        decimals=number(8),
        chain=CHAIN,
    ),
    "Problem": thing(
        type=text("/problems/insufficient-funds", format="uri-reference"),
        title=text("Insufficient funds"),
        status=number(403),
        code={"type": "string", "enum": sorted(PROBLEMS), "examples": ["insufficient-funds"]},
        detail=WORDS,
        field=some(text("request.amount")),
        pointer=some(text("/request/amount")),
        money=some(text("No money moves and nothing is held: the client's balances are as they were.")),
        retryable=flag(False),
        request_id=text("req_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        docs=text("/problems/insufficient-funds", format="uri-reference"),
    ),
    "Meaning": thing(
        type=text("/problems/insufficient-funds"),
        code=text("insufficient-funds"),
        family=one_of("refused", "invalid", "unknown", "conflict", "unavailable", "broken"),
        title=text("Insufficient funds"),
        status=number(403),
        meaning=text("The client has not that much available."),
        money=text("No money moves and nothing is held."),
        retryable=flag(False),
    ),
    "Client": _CLIENT,
    "Vault": thing(
        id=VAULT,
        chain=CHAIN,
        kind=text("segregated"),
        frozen_reason=some(WORDS),
        reconciled_height=some(number(871_204)),
        reconciled_at=some(TIME),
    ),
    "Balance": _BALANCE,
    "FullBalance": with_more(
        _BALANCE,
        holds=many(
            thing(
                id=text("hld_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                amount=MONEY,
                withdrawal=some(WDR),
                kind=some(text("withdrawal")),
                purpose=some(text("payroll")),
                status=some(text("pending_approval")),
                since=TIME,
            )
        ),
        other_holds=MONEY,
        pledges=many(thing(pledge=text("plg_1"), amount=MONEY)),
    ),
    "Parts": _PARTS,
    "Address": thing(
        address=ADDRESS,
        account=ACCOUNT,
        chain=CHAIN,
        client=some(CLIENT),
        vault=VAULT,
        index=number(0),
        issued_at=some(TIME),
    ),
    "WholeClient": with_more(
        _CLIENT,
        vault=some(ref("Vault")),
        vaults=many(ref("Vault")),
        balances=many(ref("Balance")),
        addresses=many(ref("Address")),
    ),
    "Deposit": thing(
        id=DEP,
        client=some(CLIENT),
        vault=VAULT,
        chain=CHAIN,
        txid=TXID,
        vout=number(0),
        asset=ASSET,
        amount=MONEY,
        status=one_of(*DepositState),
        **_STANDS,
        required_confirmations=number(3),
        height=some(number(871_204)),
        occurred_at=some(TIME),
        recorded_at=TIME,
        first_seen_at=TIME,
        booked_at=some(TIME),
    ),
    "ListedWithdrawal": _LISTED,
    "Withdrawal": with_more(
        _LISTED,
        missing_approvals=by_name(number(1)),
        held=MONEY,
        attempts=many(
            thing(
                id=text("att_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                sequence=number(1),
                state=text("sent"),
                txid=TXID,
                fee=MONEY,
                gas=some(MONEY),
                gas_borne_by=some(by_name(MONEY, "house")),
                vsize=number(180),
                sent_at=some(TIME),
                confirmed_height=some(number(871_204)),
            )
        ),
        steps=many(
            thing(
                step=number(1),
                **{"from": text("requested")},
                to=text("pending_approval"),
                event=text("ask_people"),
                actor=text("policy"),
                at=TIME,
            )
        ),
    ),
    "Decision": _DECISION,
    "Intent": thing(
        digest=DIGEST,
        code=CODE,
        kind=text("withdrawal"),
        state=one_of("pending", "approved", "rejected", "denied", "expired", "withdrawn"),
        client=CLIENT,
        document=document("The intent, whose canonical form has the digest.", {"request": samples.WITHDRAWAL}),
        request_signature=document("Who signed the request, with which key.", samples.SIGNATURE),
        words=many(WORDS),
        decision=ref("Decision"),
        tally=thing(
            approved=many(PERSON), missing=by_name(number(1)), missing_roles=many(text("cfo")), met=flag(False)
        ),
        missing_people=by_name(many(PERSON)),
        approvals=many(
            thing(
                approver=PERSON,
                verdict=one_of("approve", "reject"),
                by=one_of("passkey", "key"),
                given_at=TIME,
                not_after=TIME,
            )
        ),
        delay_left_seconds=number(0),
        not_before=some(TIME),
        not_after=TIME,
        created_at=TIME,
    ),
    "Opening": thing(client=CLIENT, state=text("pending"), digest=DIGEST, code=CODE),
    "Prospect": thing(
        verdict=one_of("require", "allow", "deny"),
        status=one_of("pending_approval", "approved", "denied", "refused"),
        **_STANDS,
        signed=flag(),
        intent_digest=DIGEST,
        digest_code=CODE,
        words=many(WORDS),
        client=CLIENT,
        vault=VAULT,
        asset=ASSET,
        amount=MONEY,
        max_fee=MONEY,
        destination=ADDRESS,
        destination_account=ACCOUNT,
        decision=ref("Decision"),
        limits=_ROW["properties"]["limits"],
        missing_approvals=by_name(number(2)),
        missing_people=by_name(many(PERSON)),
        delay_seconds=number(0),
        holds=MONEY,
        sufficient=flag(),
        balances=thing(before=ref("Parts"), after=ref("Parts")),
    ),
    "Quote": thing(
        client=CLIENT,
        asset=ASSET,
        amount=MONEY,
        destination=ADDRESS,
        fee=MONEY,
        fee_asset=text("BTC"),
        borne_by=one_of("client", "house"),
        max_fee=MONEY,
        within_max_fee=flag(),
        quoted_at=TIME,
        valid_until=TIME,
    ),
    "QueueRow": {"anyOf": [with_more(_ROW, **_FOR_PEOPLE), with_more(_ROW, **_ON_ITS_WAY)]},
    "Job": _JOB,
    "WholeJob": with_more(_JOB, addresses=many(ref("Address")), next=NEXT),
    "Pledge": thing(id=text("plg_1"), client=CLIENT, asset=ASSET, amount=MONEY, status=one_of("pledged"), **_STANDS),
    "Break": document("What differs, at which vault, and how it was resolved.", answers.BREAK),
    "Reconciliation": thing(
        status=one_of("balanced", "break"),
        reason=some(WORDS),
        next_actor=NEXT_ACTOR,
        chains=many(
            thing(
                chain=CHAIN,
                status=one_of("balanced", "break", "never"),
                run=some(text("rec_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
                kind=some(text("scripts")),
                height=some(number(871_204)),
                hash=some(TXID),
                finished_at=some(TIME),
                age_seconds=some(number(42)),
            )
        ),
        breaks=many(ref("Break")),
    ),
}


def a_page(name: str, shape: Shape, **more: Shape) -> Shape:
    """An answer with some rows of a list, and where the rest is."""
    return thing(**{name: many(shape), **more, "next": NEXT})

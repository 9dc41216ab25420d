"""Whole examples of what the contract shows as documents: made by the code that reads and writes the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from custody.events.model import Event
from custody.evidence.approvals import Statement
from custody.evidence.bundle import Refusal
from custody.evidence.lookalikes import Confirmation
from custody.evidence.requests import (
    ClientOpeningRequest,
    FreezeRequest,
    RespendRequest,
    StrayReturnRequest,
    WithdrawalRequest,
)
from custody.evidence.statements import Price
from custody.evidence.status import Status
from custody.webhooks.model import Attempt, Delivery, Endpoint

Sample = dict[str, Any]

CHAIN: Final = "bip122:000000000019d6689c085ae165831e93"
ADDRESS: Final = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
DIGEST: Final = "5f2b8c0de1a94b7d3c6e8f1029384756aabbccddeeff00112233445566778899"
TXID: Final = "9b0fc92260312ce44e74ef369f5c66bb85b66a7b1ab3b4b2c8f9c8e0d1a2b3c4"
AT: Final = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
_BTC: Final = f"{CHAIN}/slip44:0"
_LATER: Final = AT + timedelta(days=1)
_WITHDRAWAL: Final = "wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV"
_ENDPOINT: Final = "whe_01ARZ3NDEKTSV4RRFFQ69G5FAV"
_EVENT: Final = "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"
_BY: Final[dict[str, Any]] = {"requester": "exchange", "not_after": _LATER, "idempotency_key": "order-17"}
_BY_PERSON: Final[dict[str, Any]] = {"requester": "alice", "not_after": _LATER, "idempotency_key": "alice-9"}

SIGNATURE: Final = {"key": "exchange-1", "signature": "1f" * 64}

WITHDRAWAL: Final = WithdrawalRequest(
    client="acme",
    asset=_BTC,
    amount=25_000_000,
    destination=ADDRESS,
    max_fee=20_000,
    purpose="withdrawal",
    **_BY,
).to_json()
OPENING: Final = ClientOpeningRequest(
    client="acme", name="Acme", segregation="segregated", keyset="kst_demo", branch=7, **_BY
).to_json()
RESPEND: Final = RespendRequest(
    client="acme", of=DIGEST, asset=_BTC, amount=25_000_000, max_fee=60_000, purpose="stuck", **_BY_PERSON
).to_json()
RETURN: Final = StrayReturnRequest(
    client="acme",
    txid=TXID,
    position=0,
    address=ADDRESS,
    asset=_BTC,
    amount=1_000_000,
    destination=ADDRESS,
    purpose="sent on the wrong chain",
    **_BY_PERSON,
).to_json()
FREEZE: Final = FreezeRequest(scope="client", subject="acme", purpose="a stolen laptop", **_BY_PERSON).to_json()
APPROVAL: Final = Statement(DIGEST, "approve", "alice", "alice-20", AT, AT + timedelta(minutes=10)).to_json()
CONFIRMATION: Final = Confirmation(DIGEST, ADDRESS, ADDRESS.replace("8f3t4", "8f3t5"), "bob").to_json()
PRICE: Final = Price(_BTC, 97_250_000_000_000_000, AT).to_json()
STATUS: Final = Status(7, AT, AT + timedelta(hours=1), 1, DIGEST, (), ("client:acme",), ()).to_json()
REFUSAL: Final = Refusal(
    "bnd_01ARZ3NDEKTSV4RRFFQ69G5FAV", DIGEST, "north", "FEE_OVER_CAP", "the fee is over the cap", AT
).to_json()
SIGNED: Final = {
    "cosigner": "north",
    "psbt": "cHNidP8BAHUCAAAAASaBcTce3/KF6Tet7qSze3gADAVmy7OtZGQXE8pCFxv2AAAAAAD+////",
}

EVENT: Final = Event(
    sequence=1_042,
    id=_EVENT,
    kind="withdrawal",
    subject=_WITHDRAWAL,
    event="approved",
    version=3,
    client="acme",
    actor="bob",
    at=AT,
    occurred_at=AT,
    data={"id": _WITHDRAWAL, "status": "approved"},
).to_json()
_PLACE: Final = Endpoint(
    id=_ENDPOINT,
    url="https://exchange.example/hooks",
    client=None,
    types=("deposit.credited", "withdrawal"),
    payload="full",
    source=None,
    label="back office",
    state="active",
    reason=None,
    failing_since=None,
    last_success_at=AT,
    old_until=None,
    created_at=AT,
    created_by="exchange",
).to_json()
ENDPOINT: Final = _PLACE | {"waiting": 0, "failing": 0, "oldest_waiting_at": None}
MADE: Final = _PLACE | {
    "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "public_key": "whpk_zHRm8eYQXJXLz3dSzpGCj9zI7TDrRZuRvRZwZPV3M9s=",
}
TEST_EVENT: Final = EVENT | {
    "type": "webhook_endpoint.test",
    "object": {"kind": "webhook_endpoint", "id": _ENDPOINT, "version": 2, "previous_version": 1},
    "data": {"id": _ENDPOINT, "test": True},
}
DELIVERY: Final = Delivery(
    id=1,
    endpoint=_ENDPOINT,
    event=_EVENT,
    type="withdrawal.approved",
    subject=_WITHDRAWAL,
    state="delivered",
    attempts=1,
    due_at=AT,
    first_failed_at=None,
    delivered_at=AT,
).to_json()
ATTEMPT: Final = Attempt(number=1, at=AT, status=204, latency_ms=38, problem=None, answer="").to_json()

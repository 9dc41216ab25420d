"""Whole examples of answers that the contract shows as documents; tests hold every real answer to their fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from custody.api.contract.samples import (
    ADDRESS,
    APPROVAL,
    AT,
    CHAIN,
    DIGEST,
    OPENING,
    SIGNATURE,
    STATUS,
    TXID,
    WITHDRAWAL,
)
from custody.kernel.clock import rfc3339
from custody.listings.queries import Check, Listing
from custody.reconciliation.model import Break
from custody.reconciliation.queries import StoredBreak
from custody.returns.model import Return, State
from custody.stops.model import Cause, Stop

Sample = dict[str, Any]

_VAULT: Final = "kst_demo/7"
_BTC: Final = WITHDRAWAL["asset"]
_WHEN: Final = rfc3339(AT)

LISTING: Final = Listing(
    digest=DIGEST,
    client="acme",
    chain=CHAIN,
    destination=ADDRESS,
    label="cold store",
    listed_at=AT,
    counts_from=AT + timedelta(days=1),
    delisted_at=None,
    delisted_by=None,
).to_json(AT)
CHECK: Final = Check(DIGEST, ADDRESS, None).to_json()
RETURN: Final = Return(
    id="ret_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    digest=DIGEST,
    chain=CHAIN,
    txid=TXID,
    position=0,
    vault=_VAULT,
    client="acme",
    asset=_BTC,
    units=1_000_000,
    state=next(iter(State)),
    spend=None,
    ended_height=None,
).to_json()
STOP: Final = Stop(1, "client", "acme", next(iter(Cause)), "a stolen laptop", DIGEST, AT).to_json()
BREAK: Final = StoredBreak(
    "brk_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "rec_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    Break(_VAULT, _BTC, "ledger-is-the-chain", 25_000_000, 24_000_000, "the chain has 1000000 less"),
    AT,
).to_json()

_NODE: Final[Sample] = {"ready": True, "height": 871_204, "hash": TXID, "headers": 871_204}
_TIP: Final[Sample] = {
    "chain": CHAIN,
    "node": _NODE,
    "scanned": {"height": 871_204, "hash": TXID, "read_at": _WHEN},
}
HOUSE: Final[Sample] = {
    **_TIP,
    "chains": [{**_TIP, "name": "mainnet"}],
    "now": _WHEN,
    "books": {
        "balanced": True,
        "vaults": [
            {
                "id": _VAULT,
                "chain": CHAIN,
                "kind": "segregated",
                "frozen_reason": None,
                "reconciled_height": 871_204,
                "reconciled_at": _WHEN,
            }
        ],
    },
    "strays": [],
    "suspended_assets": {},
    "behind": {
        "work": {"due": 0, "unpublished_seconds": 0, "unhandled_seconds": 0},
        "events": {"cursor": "1042", "newest_at": _WHEN},
        "webhooks": {"waiting": 0, "events_behind": 0, "failing_seconds": 0, "disabled": 0},
        "counted_to": 1_000,
    },
    "audit_head": {"sequence": 2_048, "hash": DIGEST},
}
READY: Final[Sample] = {"status": "ready", "parts": {"database": "ok", "schema": "ok", "broker": "ok", "mainnet": "ok"}}
UNREADY: Final[Sample] = {**READY, "status": "impaired", "parts": {**READY["parts"], "mainnet": "down"}}
QUOTED: Final[Sample] = {
    "asset": _BTC,
    "code": "BTC",
    "state": "fresh",
    "usd_micros": "97250000000",
    "age_seconds": 12,
    "sources": ["ticker"],
    "apart": [],
}
KEYSET: Final[Sample] = {
    "id": "kst_demo",
    "chain": CHAIN,
    "is_newest": True,
    "threshold": 2,
    "cosigners": ["north", "south", "west"],
    "next_branch": 8,
    "pools": [],
}
_PROVEN: Final[Sample] = {
    "intent": {"format": 1, "kind": "client_opening", "request": OPENING, "chain": CHAIN, "vault": _VAULT},
    "request_signature": SIGNATURE,
    "approvals": [{"statement": APPROVAL, "signature": SIGNATURE}],
}
OPENINGS: Final[Sample] = {"openings": [_PROVEN]}
_ROOT: Final[Sample] = {
    "document": {
        "format": 1,
        "version": 1,
        "name": "demo",
        "created_at": _WHEN,
        "expires_at": rfc3339(AT + timedelta(days=365)),
        "assets": [],
        "operators": [],
        "requesters": [],
        "groups": {"operators": ["alice", "bob"]},
        "keysets": [],
        "policy_hash": DIGEST,
        "previous": None,
        "services": [],
        "console": None,
        "cooling_seconds": 0,
        "cooling": {},
        "prices": {"max_age_seconds": 900, "deviation_bps": 500},
    },
    "signatures": [{"key": "alice-1", "signature": SIGNATURE["signature"]}],
}
_POLICY: Final = "version: 1\n…"
TRUST_ROOT: Final[Sample] = {
    "hash": DIGEST,
    "version": 1,
    "trust_root": _ROOT,
    "succession": [],
    "policy": _POLICY,
}
ANNOUNCEMENTS: Final[Sample] = {
    "format": 1,
    "policy": _POLICY,
    "trust_root": _ROOT,
    "succession": [],
    "status": {"status": STATUS, "service": "status", "signature": SIGNATURE},
    "intents": [],
}
RETRACTIONS: Final[Sample] = {"withdrawn": [DIGEST], "documents": []}
ROTATION: Final[Sample] = {
    "keysets": [{"chain": CHAIN, "newest": "kst_demo_2", "older": ["kst_demo"]}],
    "remaining": [
        {
            "keyset": "kst_demo",
            "asset": _BTC,
            "amount": {"decimal": "0.25000000", "base_units": "25000000"},
            "vaults": 1,
        }
    ],
    "openings": [],
    "sweeps": [],
    "left": [],
    "under_way": [],
    "states": {},
}
BUNDLE: Final[Sample] = {
    "format": 1,
    "id": "bnd_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "chain": CHAIN,
    "attempt": "att_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "created_at": _WHEN,
    "not_after": rfc3339(AT + timedelta(hours=1)),
    "payments": [],
    "openings": [_PROVEN],
    "policy": _POLICY,
    "trust_root": _ROOT,
    "succession": [],
    "status": None,
}

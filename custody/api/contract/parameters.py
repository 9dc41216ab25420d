"""What every parameter of path and query is, with a value it may have; and what each noun of the API is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.contract.samples import CHAIN, DIGEST

TAGS: Final[Mapping[str, str]] = {
    "addresses": "Where a client's money comes in.",
    "balances": "What a client has, what of it is held, and what is pledged.",
    "bundles": "What cosigners are given to sign, and what they answer.",
    "clients": "Whose assets are in custody, and what proves which vaults are theirs.",
    "deposits": "What came in, and how far it has got.",
    "destinations": "Lists of where a client's money may go.",
    "events": "Everything that changed, in the order in which it became true.",
    "freezes": "What is stopped, and why.",
    "intents": "What was asked for and what people said to it.",
    "jobs": "Long work, and how far it is.",
    "keysets": "Changing from older keys to newer ones.",
    "problems": "What error codes mean.",
    "reconciliation": "Books against chains, and where they differ.",
    "returns": "What came astray, sent back.",
    "rules": "What services and people state about the rules in force.",
    "status": "How the house stands: its chains, books and queues.",
    "webhooks": "Where events are pushed, and what came of it.",
    "withdrawals": "Payments: asked for, looked at, cancelled.",
}

_PARAMETERS: Final[Mapping[str, tuple[str, Any]]] = {
    "after": ("The cursor behind which the page begins: out of `next` of the page before.", "WyJjbGllbnRzIiwiYWNtZSJd"),
    "bundle": ("Id of the bundle.", "bnd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "chain": ("CAIP-2 id or short name of a chain.", CHAIN),
    "client": ("Id of the client.", "acme"),
    "code": ("The error code.", "insufficient-funds"),
    "cosigner": ("The cosigner's own name.", "north"),
    "deposit": ("Id of the deposit.", "dep_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "digest": ("The intent's digest.", DIGEST),
    "endpoint": ("Id of the webhook endpoint.", "whe_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "event": ("Id of the event.", "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "fee_rate": ("A fee rate in the words of the chain named beside it.", 25),
    "idempotency_key": ("The key a request was signed with.", "order-17"),
    "inputs": ("How many coins one sweep takes at most.", 50),
    "job": ("Id of the job.", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "limit": ("How many rows a page has at most; 200 is the most there can be.", 50),
    "place": ("`needs_me`, `needs_others`, `needs_keys`, `on_chain` or `stuck`.", "needs_others"),
    "reference": ("What the client's own books call it.", "invoice 4711"),
    "requester": ("Who asked; the caller itself, where left out.", "exchange"),
    "status": ("Only those that stand so.", "completed"),
    "subject": ("Id of one object, beside its kind as `type`.", "wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "type": ("A kind or a type of events; may be given several times.", "withdrawal"),
    "wait": ("Seconds for which an empty answer is held back; 30 at most.", 20),
    "withdrawal": ("Id of the withdrawal.", "wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
}
_HERE: Final[Mapping[tuple[str, str], tuple[str, Any]]] = {
    ("/v1/breaks", "state"): ("`open`, or `all` of them.", "open"),
    ("/v1/deposits", "status"): ("Only those that stand so.", "credited"),
    ("/v1/events", "after"): ("The cursor to read on from; `0` is the beginning, `newest` the end.", "1042"),
    ("/v1/intents", "state"): ("`pending`: those are listed.", "pending"),
    ("/v1/webhook-endpoints/{endpoint}/deliveries", "state"): ("`waiting`, `delivered` or `failed`.", "failed"),
    ("/v1/withdrawals", "state"): ("Another name of `status`.", "completed"),
}


def told(path: str, name: str) -> tuple[str, Any]:
    """What the parameter is on this route, and an example of it. Raises ``KeyError`` for one nobody described."""
    return _HERE.get((path, name)) or _PARAMETERS[name]

"""A delivery is the house's or nothing: against a library by others, and with everything bent that is signed."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from custody.kernel.errors import InvalidInput
from custody.sdk import webhooks

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = "whpk_" + base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
EVENT = {
    "type": "withdrawal.teleported",
    "id": "evt_1",
    "cursor": "42",
    "object": {"kind": "withdrawal", "id": "wdr_1", "version": 3, "previous_version": 2},
    "client": "acme",
    "data": {"status": "teleported"},
}
BODY = json.dumps(EVENT).encode()


def delivery(at: int | None = None) -> dict[str, str]:
    """Signed both ways, as while a secret is being replaced."""
    seconds = int(time.time()) if at is None else at
    shared = Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(seconds, UTC), BODY.decode())
    signed = base64.b64encode(KEY.sign(f"evt_1.{seconds}.".encode() + BODY)).decode()
    signatures = f"v1,bm9ib2R5cw== {shared} v1a,{signed}"
    return {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(seconds), "Webhook-Signature": signatures}


@pytest.mark.parametrize("secret", [SECRET, PUBLIC])
def test_reads_the_event_of_a_good_delivery(secret: str) -> None:
    event = webhooks.verify(delivery(), BODY, secret)
    assert (event.type, event.kind, event.subject, event.version, event.cursor) == (
        *("withdrawal.teleported", "withdrawal", "wdr_1"),
        *(3, 42),
    )


@pytest.mark.parametrize("secret", [SECRET, PUBLIC])
@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_refuses_a_delivery_with_another_part(secret: str, name: str) -> None:
    for value in ("", "evt_2", str(int(time.time()) + 1), "v1,AAAA v1a,AAAA", "v2,AAAA"):
        with pytest.raises(webhooks.NotTheHouses):
            webhooks.verify(delivery() | {name: value}, BODY, secret)
    with pytest.raises(webhooks.NotTheHouses):
        webhooks.verify(delivery(), BODY + b" ", secret)
    for away in (-301, 302):
        with pytest.raises(webhooks.NotTheHouses, match="five minutes"):
            webhooks.verify(delivery(at=int(time.time()) + away), BODY, secret)


def test_names_a_secret_that_is_none_and_says_nothing_of_it() -> None:
    for secret in ("", "whsec_", "whpk_AAAA", "whsec_canary!"):
        with pytest.raises(InvalidInput) as refused:
            webhooks.verify(delivery(), BODY, secret)
        assert "canary" not in str(refused.value)


def test_what_is_signed_and_no_event_is_nothing() -> None:
    seconds = int(time.time())
    headers = delivery() | {
        "Webhook-Signature": Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(seconds, UTC), "[]"),
        "Webhook-Timestamp": str(seconds),
    }
    with pytest.raises(webhooks.NotTheHouses, match="no event"):
        webhooks.verify(headers, b"[]", SECRET)

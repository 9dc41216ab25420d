"""The status service of test worlds: its key, and statements that say what was taken back."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.db import Database
from custody.evidence.signatures import public_half, sign_ed25519
from custody.evidence.status import SignedStatus, Status
from custody.evidence.trust_root import Service, TrustRoot
from custody.trust import operations as trust
from custody.trust import status as statuses

STATUS_KEY: Final = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"status service").digest())
STATUS_SERVICE: Final = Service("keeper", ("status",), (public_half(STATUS_KEY, "keeper-1"),))


def status_of(
    root: TrustRoot,
    *,
    now: datetime,
    number: int | None = None,
    lifetime: timedelta = timedelta(minutes=10),
    key: Ed25519PrivateKey = STATUS_KEY,
    **changes: Any,
) -> SignedStatus:
    """A statement made at ``now`` beside ``root``: nothing was taken back, unless ``changes`` say so.

    Its number is the moment in microseconds unless told, so it grows as the clock does.
    """
    says: dict[str, Any] = {
        "number": int(now.timestamp() * 1_000_000) if number is None else number,
        "at": now,
        "not_after": now + lifetime,
        "version": root.version,
        "root": root.hash,
        "revoked": (),
        "frozen": (),
        "withdrawn": (),
    }
    status = Status(**{**says, **changes})
    return SignedStatus(status, STATUS_SERVICE.id, sign_ed25519(key, "keeper-1", status.message))


def state_status(database: Database, **changes: Any) -> SignedStatus:
    """The status service makes a statement by the database's clock, and the daemon takes it."""
    with database.unit() as unit:
        root = trust.in_force(unit.session).root
        signed = status_of(root, now=unit.now, **changes)
        statuses.take(unit.session, signed=signed, root=root, actor="keeper", now=unit.now)
    return signed

"""``make cheat``: a thief who owns the database changes where the waiting payment goes, and what happens then.

The thief is thorough. Every row that names the destination is changed, the digest is made anew so that it fits, and
two operators who compare nothing approve what their screens show. The daemon believes its database. The keyholders'
programs do not read it: they ask what the exchange signed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, create_engine, text

from custody.approvals.operations import request_hash
from custody.evidence.codes import digest_code
from custody.evidence.intents import Intent
from custody.evidence.requests import WithdrawalRequest
from demo.child import ServerFailed
from demo.people import in_an_hour
from demo.running import Running, tell_one_line

CARELESS: Final = ("alice", "bob")
LIMIT_SECONDS: Final = 60.0
_TABLES: Final = ("intents", "approvals", "withdrawals", "admissions")
_FREE_THE_KEY: Final = "UPDATE intents SET idempotency_key = 'stolen ' || idempotency_key WHERE digest = :old"
_COPY: Final = """
INSERT INTO intents (digest, kind, document, request_hash, request_signature, requester, idempotency_key, client_id,
    decision, state, not_after, not_before, created_at)
SELECT :new, kind, CAST(:document AS jsonb), :request_hash, request_signature, requester, :key, client_id,
    decision, 'pending', not_after, not_before, created_at FROM intents WHERE digest = :old
"""
_POINT: Final = (
    "UPDATE withdrawals SET digest = :new, destination = :destination, locator = :locator WHERE digest = :old"
)


def cheat(demo: Running) -> None:
    """Change the destination, let people approve it, and wait for what the cosigners say."""
    withdrawal = _waiting(demo)
    view = demo.view(withdrawal)
    print(f"the exchange asked to pay {view['amount']['decimal']} {view['asset']['code']}")
    print(f"  to {view['destination']}, code {digest_code(view['intent_digest'])}")
    thief = demo.left["thief"]
    digest = _rewrite(demo, view["intent_digest"], thief)
    print("a thief with the database's password rewrites every row of it:")
    print(f"  to {thief}, code {digest_code(digest)}")
    print(f"the API now shows {demo.view(withdrawal)['destination']}")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    for name in CARELESS:
        said = demo.person(name).say("approve", digest, until=until)
        demo.api(name).post(f"/v1/intents/{digest}/approvals", said)
    print(f"{' and '.join(CARELESS)} compare nothing and approve; the daemon composes it and asks the keyholders")
    refusals = _await_refusals(demo, digest)
    for cosigner, refusal in refusals:
        print(f"  {cosigner} refuses, {refusal['reason']}: {refusal['explanation']}")
    print(f"nothing was signed and nothing was sent; the withdrawal is {_await_end(demo, withdrawal)}, its money free")


def _waiting(demo: Running) -> str:
    """The withdrawal that the story left, or one like it where that has been decided."""
    left = demo.left["withdrawal"]
    if demo.view(left)["status"] == "pending_approval":
        return left
    print("the withdrawal that waited is decided; the exchange asks for another like it")
    request = WithdrawalRequest(
        requester="exchange",
        client=demo.left["client"],
        asset=demo.runtime.chosen("regtest").addressing.native.id,
        amount=int(demo.left["units"]),
        destination=demo.left["payee"],
        max_fee=int(demo.left["max_fee"]),
        purpose="another to cheat with",
        not_after=in_an_hour(),
        idempotency_key=f"cheat-{time.time_ns()}",
    )
    found = demo.api("exchange").post("/v1/withdrawals", demo.person("exchange").ask(request))
    if found["status"] != "pending_approval":
        raise ServerFailed(f"is {found['status']}: {found['reason']}", field="withdrawal")
    return str(found["id"])


def _rewrite(demo: Running, old: str, thief: str) -> str:
    """Every row that says where it goes, as the schema's owner, past every trigger; the digest it has then."""
    where = demo.runtime.chosen("regtest").addressing
    engine = create_engine(demo.environment["CUSTODY_OWNER_URL"])
    with engine.begin() as connection:
        document = connection.execute(
            text("SELECT document FROM intents WHERE digest = :old"), {"old": old}
        ).scalar_one()
        intent = Intent.parse(document)
        assert isinstance(intent.request, WithdrawalRequest)
        forged = replace(intent, request=replace(intent.request, destination=thief))
        values: dict[str, Any] = {
            "old": old,
            "new": forged.digest,
            "document": json.dumps(forged.to_json()),
            "request_hash": request_hash(forged.request),
            "key": intent.request.idempotency_key,
            "destination": thief,
            "locator": where.read_destination(thief, field="destination").locator,
        }
        _past_triggers(connection, values)
    engine.dispose()
    return forged.digest


def _past_triggers(connection: Connection, values: dict[str, Any]) -> None:
    for table in _TABLES:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for statement in (
        _FREE_THE_KEY,
        _COPY,
        _POINT,
        "UPDATE admissions SET digest = :new WHERE digest = :old",
        "DELETE FROM approvals WHERE digest = :old",
        "DELETE FROM intents WHERE digest = :old",
    ):
        connection.execute(text(statement), values)
    for table in _TABLES:
        connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def _await_refusals(demo: Running, digest: str) -> list[tuple[str, dict[str, Any]]]:
    asked = text(
        "SELECT a.cosigner, a.refusal FROM bundle_answers a JOIN bundles b ON b.id = a.bundle_id "
        "WHERE b.document::text LIKE '%' || :thief || '%' AND a.verdict = 'refused' ORDER BY a.at"
    )
    limit = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < limit:
        with demo.runtime.database.unit() as unit:
            found = [(row.cosigner, row.refusal["refusal"]) for row in unit.session.execute(asked, {"thief": digest})]
        if len(found) > 1:
            return found
        time.sleep(0.2)
    raise ServerFailed(f"no cosigner answered within {LIMIT_SECONDS:g} s", field="cosigners")


def _await_end(demo: Running, withdrawal: str) -> str:
    limit = time.monotonic() + LIMIT_SECONDS
    while (status := str(demo.view(withdrawal)["status"])) == "awaiting_signatures" and time.monotonic() < limit:
        time.sleep(0.2)
    return status


def main() -> int:
    """``python -m demo.cheat``."""
    return tell_one_line(cheat)


if __name__ == "__main__":
    sys.exit(main())

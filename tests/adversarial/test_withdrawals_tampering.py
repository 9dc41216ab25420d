"""Somebody with the database's superuser rewrites what was approved: nothing of it reaches a signature (P-043)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from custody.approvals import queries as intents
from custody.evidence.intents import Intent
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import address
from tests.support.oracle import plays
from tests.support.road import Road, btc
from tests.support.roads import road

__all__ = ["road"]

THIEF = address("thief")
THIEF_SCRIPT = "0014" + "66" * 20


@contextmanager
def superuser(road: Road) -> Iterator[Connection]:
    """A connection that may do anything, triggers off."""
    engine = create_engine(road.database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
    engine.dispose()


def rewrite(road: Road, statement: str, **values: Any) -> None:
    with superuser(road) as connection:
        assert connection.execute(text(statement), values).rowcount == 1


@pytest.fixture
def approved(road: Road) -> Withdrawal:
    """A payment of 0.1 that two operators approved; nothing is composed yet."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.1"))
    road.approve(asked.digest, "alice", "bob")
    road.deliver(topics={"intents.approved"})
    assert road.state(asked) == "approved"
    return asked


def expect_nothing_signed(road: Road) -> None:
    assert all(memory.log()[-1].kind != "signed" for memory in road.memories)
    assert road.rows("SELECT * FROM bundle_answers WHERE verdict = 'signed'") == []


@plays("P-043")
def test_p043_refuses_an_intent_whose_destination_was_rewritten(road: Road, approved: Withdrawal) -> None:
    edit = "UPDATE intents SET document = jsonb_set(document, '{request,destination}', to_jsonb(CAST(:to AS text)))"
    rewrite(road, edit + " WHERE digest = :digest", to=THIEF, digest=approved.digest)
    road.settle()
    assert "intent-tampered" in road.alarms()
    assert road.attempts(approved) == []
    expect_nothing_signed(road)
    rewrite(road, edit + " WHERE digest = :digest", to=approved.destination, digest=approved.digest)
    road.check()


def test_p043_refuses_an_intent_rewritten_with_its_digest_everywhere(road: Road, approved: Withdrawal) -> None:
    """The digest moved along in every table: what people signed is another one, and the cosigners find out."""
    with road.db.unit() as unit:
        document = intents.get(unit.session, digest=approved.digest).intent.to_json()
    document["request"]["destination"] = THIEF
    forged = Intent.parse(document)
    with superuser(road) as connection:
        values = {"new": forged.digest, "old": approved.digest, "document": json.dumps(document), "to": THIEF}
        moved = f"UPDATE withdrawals SET digest = :new, destination = :to, locator = '\\x{THIEF_SCRIPT}'"
        for statement in (
            "UPDATE intents SET digest = :new, document = CAST(:document AS jsonb) WHERE digest = :old",
            "UPDATE approvals SET digest = :new WHERE digest = :old",
            f"{moved} WHERE digest = :old",
        ):
            connection.execute(text(statement), values)
    road.settle()
    expect_nothing_signed(road)
    assert road.state(approved.id) == "failed"
    assert road.balance("acme") == (btc("0.5"), 0)
    assert road.paid(THIEF) == []


def test_p043_refuses_a_payment_whose_script_was_rewritten(road: Road, approved: Withdrawal) -> None:
    edit = f"UPDATE withdrawals SET locator = '\\x{THIEF_SCRIPT}' WHERE id = :id"
    rewrite(road, edit, id=approved.id)
    road.settle()
    expect_nothing_signed(road)
    assert road.state(approved) == "failed"
    assert road.balance("acme") == (btc("0.5"), 0)
    assert road.alarms().count("cosigner-refused") == 2


def test_p043_refuses_a_payment_whose_amount_was_rewritten(road: Road, approved: Withdrawal) -> None:
    rewrite(road, "UPDATE withdrawals SET units = units + 100000 WHERE id = :id", id=approved.id)
    road.settle()
    expect_nothing_signed(road)
    assert road.state(approved) == "failed"


def test_refuses_an_approval_that_was_written_into_the_table(road: Road) -> None:
    """One operator agreed; her approval copied under another's name proves nothing."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.1"))
    road.approve(asked.digest, "alice")
    with superuser(road) as connection:
        connection.execute(
            text(
                "INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after)"
                " SELECT digest, 'bob', verdict, md5(nonce), jsonb_set(jsonb_set(document, '{statement,approver}',"
                " '\"bob\"'), '{signature,key}', '\"bob-1\"'), given_at, not_after"
                " FROM approvals WHERE digest = :digest"
            ),
            {"digest": asked.digest},
        )
        connection.execute(text("UPDATE withdrawals SET state = 'approved' WHERE id = :id"), {"id": asked.id})
        connection.execute(
            text(
                "INSERT INTO outbox (topic, payload, correlation_id, created_at, due_at) VALUES"
                " ('withdrawals.compose', jsonb_build_object('withdrawal', CAST(:id AS text)), 'x', now(), now())"
            ),
            {"id": asked.id},
        )
    road.settle()
    expect_nothing_signed(road)
    assert road.state(asked) == "failed"
    assert road.balance("acme") == (btc("0.5"), 0)

"""A crowded house in seconds: clients, their money and withdrawals that wait, written in bulk beside the operations.

For counting statements and for benchmarks. What people are shown of it is real: intents whose digest verifies and whose
author signed, approvals, an audit log whose chain holds, addresses whose seal holds, books that balance and agree with
the coins. Nothing of it went through an operation, and no address derives from a keyset: the whole check is not for it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from custody.addresses.model import seal_of
from custody.approvals.operations import request_hash
from custody.audit.operations import event_hash
from custody.audit.tables import AuditRow
from custody.chains.bitcoin.offline.address import address_of
from custody.evidence.intents import Intent
from custody.evidence.requests import WithdrawalRequest
from custody.kernel.ids import base32
from custody.vaults import queries as vaults
from tests.cosigner.builders import BTC, KEYSET, REGTEST
from tests.support import crowd_rows
from tests.support.world import House

AMOUNT: Final = BTC // 10
"""What each waiting withdrawal asks for: two of three operators have to agree."""
FIRST_BRANCH: Final = 1_000
_DESTINATIONS: Final = 50
_SPREAD: Final = timedelta(minutes=4)
"""The waiting ones were asked for within this time: none of them is stuck for its age, on regtest ten minutes, while
a measurement runs."""

_STANDS: Final = timedelta(hours=1)
"""How long an approval does."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What was filled in, in order."""

    clients: tuple[str, ...]
    waiting: tuple[str, ...]
    """Withdrawals that wait for people, the oldest first."""
    digests: tuple[str, ...]
    """Their intents."""
    breaks: tuple[str, ...]


def fill(
    house: House, *, clients: int, waiting: int = 0, stuck: int = 0, runs: int = 0, breaks: int = 0, agreed: int = 0
) -> Crowd:
    """Fill a house that holds no crowd yet. Each client has a vault, an address and a deposit that is booked.

    ``waiting`` withdrawals are spread over the clients, the first ``stuck`` of them two days old, ``agreed`` of them
    with alice's approval, as far from each other as they can be. ``runs`` look back hourly; ``breaks`` are open, each
    of another client's vault.
    """
    template = _template(house)
    now = house.now()
    names = tuple(f"crowd-{number:06d}" for number in range(clients))
    with psycopg.connect(_plain(house.database.superuser_url)) as connection:
        # Rows that an operation would write in an order of its own: triggers and foreign keys would refuse them.
        connection.execute("SET session_replication_role = replica")
        facts: dict[str, Any] = {
            "clients": clients,
            "waiting": waiting,
            "first_branch": FIRST_BRANCH,
            "keyset": KEYSET,
            "chain": REGTEST.chain,
            "asset": REGTEST.asset.id,
            "opening": template.opening,
            "now": now,
            "deposit": BTC * (1 + waiting // max(clients, 1)),
            "hold": AMOUNT + template.max_fee,
            "height": 900,
            "runs": runs,
            "breaks": breaks,
        }
        _run(connection, crowd_rows.PARTIES, facts)
        _copy(connection, "addresses", _addresses(house, names, now))
        _run(connection, crowd_rows.DEPOSITS, facts)
        asked = [*_asked(template, names, waiting, stuck, now)]
        _write_asked(connection, asked, template, agreed, now, house)
        _run(connection, (*crowd_rows.HOLDS, *crowd_rows.RUNS, *crowd_rows.AFTER), facts)
        _audit(connection, asked)
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return Crowd(
        names,
        tuple(each.withdrawal for each in asked),
        tuple(each.intent.digest for each in asked),
        tuple(f"brk_{number:026d}" for number in range(breaks)),
    )


def _run(connection: psycopg.Connection, statements: Sequence[str], facts: Mapping[str, Any]) -> None:
    for statement in statements:
        connection.execute(statement, facts)
        # The next one joins what this one wrote: without statistics it would be joined row by row.
        table = statement.split()[1 if statement.split()[0] == "UPDATE" else 2]
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


@dataclass(frozen=True, slots=True)
class _Template:
    """One real client and withdrawal, whose rows the crowd's are copies of with other names."""

    opening: str
    request: WithdrawalRequest
    max_fee: int
    decision: Mapping[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One waiting withdrawal."""

    number: int
    withdrawal: str
    hold: str
    client: str
    intent: Intent
    at: datetime


def _template(house: House) -> _Template:
    """A client and a withdrawal of the house's own; made by operations where there are none."""
    if not house.vaults:
        house.open_client("template", branch=1)
        house.credit("template", BTC)
        house.address("template")
    client = next(iter(house.vaults))
    made = house.withdraw(house.withdrawal_request(client, AMOUNT))
    with psycopg.connect(_plain(house.database.superuser_url)) as connection:
        found = connection.execute(
            "SELECT i.decision, w.facts, c.opening, w.max_fee_units FROM intents i JOIN withdrawals w USING (digest)"
            " JOIN clients c ON c.id = w.client_id WHERE digest = %s",
            (made.digest,),
        ).fetchone()
    assert found is not None
    decision, facts, opening, max_fee = found
    return _Template(opening, house.withdrawal_request(client, AMOUNT), int(max_fee), decision, facts)


def _asked(template: _Template, clients: Sequence[str], waiting: int, stuck: int, now: datetime) -> Iterator[_Asked]:
    for number in range(waiting):
        age = timedelta(days=1, hours=12, seconds=-number) if number < stuck else _SPREAD * (waiting - number) / waiting
        client, at = clients[number % len(clients)], now - age
        request = replace(
            template.request,
            client=client,
            destination=_destination(number),
            not_after=at + timedelta(days=2),
            idempotency_key=f"crowd-{number}",
        )
        branch = FIRST_BRANCH + number % len(clients)
        intent = Intent.parse(
            {
                "format": 1,
                "kind": request.kind,
                "request": request.to_json(),
                "chain": REGTEST.chain,
                "vault": f"{KEYSET}/{branch}",
            }
        )
        name = base32(int(at.timestamp() * 1000) << 80 | number, 26)
        yield _Asked(number, f"wdr_{name}", f"hld_{name}", client, intent, at)


def _write_asked(
    connection: psycopg.Connection,
    asked: Sequence[_Asked],
    template: _Template,
    agreed: int,
    now: datetime,
    house: House,
) -> None:
    signed = [house.signed(each.intent.request).to_json() for each in asked]
    changed = [{"client": each.client, "destination_text": _destination(each.number)} for each in asked]
    said = [*_spread(asked, agreed)]
    heard = {each.number for each in said}
    intents = (
        {
            "digest": each.intent.digest,
            "kind": each.intent.kind,
            "document": Jsonb(each.intent.to_json()),
            "request_hash": request_hash(each.intent.request),
            "request_signature": Jsonb(signature),
            "requester": each.intent.request.requester,
            "idempotency_key": each.intent.request.idempotency_key,
            "client_id": each.client,
            "decision": Jsonb({**template.decision, "facts": {**template.decision["facts"], **facts}}),
            "state": "pending",
            "not_after": each.intent.request.not_after,
            "not_before": each.at,
            "created_at": each.at,
            "heard": ["alice"] if each.number in heard else [],
            "heard_until": now + _STANDS if each.number in heard else None,
        }
        for each, signature, facts in zip(asked, signed, changed, strict=True)
    )
    _copy(connection, "intents", intents)
    _copy(
        connection,
        "withdrawals",
        (_withdrawal(each, template, facts) for each, facts in zip(asked, changed, strict=True)),
    )
    _copy(
        connection,
        "withdrawal_transitions",
        (
            {
                "subject": each.withdrawal,
                "step": 1,
                "from_state": "requested",
                "to_state": "pending_approval",
                "event": "ask_people",
                "actor": "policy",
                "at": each.at,
            }
            for each in asked
        ),
    )
    _copy(connection, "approvals", (_approval(house, each, now) for each in said))


def _spread(asked: Sequence[_Asked], number: int) -> Iterator[_Asked]:
    return (asked[place * len(asked) // number] for place in range(number))


def _destination(number: int) -> str:
    return address_of(_locator(f"destination {number % _DESTINATIONS}"), REGTEST)


def _withdrawal(each: _Asked, template: _Template, facts: Mapping[str, Any]) -> dict[str, Any]:
    request = each.intent.request
    assert isinstance(request, WithdrawalRequest)
    return {
        "id": each.withdrawal,
        "digest": each.intent.digest,
        "kind": "withdrawal",
        "client_id": each.client,
        "vault_id": str(each.intent.vault),
        "chain": each.intent.chain,
        "asset": request.asset,
        "units": request.amount,
        "max_fee_units": request.max_fee,
        "destination": request.destination,
        "locator": _locator(f"destination {each.number % _DESTINATIONS}"),
        "hold_id": each.hold,
        "state": "pending_approval",
        "facts": Jsonb({**template.facts, **facts}),
        "requested_at": each.at,
        "state_since": each.at,
    }


def _approval(house: House, each: _Asked, now: datetime) -> dict[str, Any]:
    said = house.approval(
        "alice", each.intent.digest, given_at=now, not_after=now + _STANDS, nonce=secrets.token_hex(16)
    )
    return {
        "digest": each.intent.digest,
        "approver": "alice",
        "verdict": "approve",
        "nonce": said.statement.nonce,
        "document": Jsonb(said.to_json()),
        "given_at": now,
        "not_after": said.statement.not_after,
    }


def _addresses(house: House, clients: Sequence[str], now: datetime) -> Iterator[dict[str, Any]]:
    with house.db.unit() as unit:
        keyset_hash = vaults.keyset(unit.session, keyset_id=KEYSET).descriptor_hash
    for number, client in enumerate(clients):
        branch, locator = FIRST_BRANCH + number, _locator(client)
        address = address_of(locator, REGTEST)
        seal = seal_of(
            house.runtime.seal_key,
            vault=f"{KEYSET}/{branch}",
            keyset_hash=keyset_hash,
            branch=branch,
            kept_for="",
            change=False,
            index=0,
            locator=locator,
            address=address,
        )
        yield {
            "vault_id": f"{KEYSET}/{branch}",
            "change": False,
            "index": 0,
            "locator": locator,
            "address": address,
            "state": "issued",
            "client_id": client,
            "seal": seal,
            "derived_at": now,
            "issued_at": now,
        }


def _audit(connection: psycopg.Connection, asked: Sequence[_Asked]) -> None:
    """An event for each that was asked for, chained on to what the log holds."""
    found = connection.execute("SELECT sequence, hash FROM audit_events ORDER BY sequence DESC LIMIT 1").fetchone()
    assert found is not None
    sequence, previous = found
    rows = []
    for each in asked:
        sequence += 1
        row = AuditRow(
            sequence=sequence,
            at=each.at,
            actor=each.intent.request.requester,
            event="intent.pending",
            subject=each.intent.digest,
            facts={},
            correlation_id="crowd",
            previous_hash=previous,
        )
        row.hash = previous = event_hash(row)
        names = ("sequence", "at", "actor", "event", "subject", "correlation_id", "previous_hash", "hash")
        rows.append({name: getattr(row, name) for name in names} | {"facts": Jsonb(row.facts)})
    _copy(connection, "audit_events", rows)


def _copy(
    connection: psycopg.Connection, table: str, rows: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]
) -> None:
    """COPY rows that all have the same columns; the others take their defaults."""
    each = iter(rows)
    first = next(each, None)
    if first is None:
        return
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in first)
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.write_row(tuple(first.values()))
        for row in each:
            copy.write_row(tuple(row.values()))


def _locator(words: str) -> bytes:
    """The locator of a P2WPKH address that nobody has the key of."""
    return b"\x00\x14" + hashlib.sha256(f"crowd {words}".encode()).digest()[:20]


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)

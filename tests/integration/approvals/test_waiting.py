"""Where what waits is listed, by Postgres and by a slow reading of each row: the same for everybody."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import psycopg
import pytest
from psycopg.types.json import Jsonb

from custody.approvals import waiting
from custody.approvals.askings import askings_among
from custody.approvals.waiting import LATE, MINE, OTHERS, Waiting
from custody.evidence.trust_root import TrustRoot
from tests.cosigner.builders import BTC, REGTEST
from tests.support.servers import FreshDatabase
from tests.support.world import House

GROUPS: Final = {"operators": ["alice", "bob", "carol"], "risk": ["carol", "dora"], "lone": ["erin"]}
ROLES: Final = {"client:security": ["alice"], "client:owner": ["bob", "dora"], "client:gone": []}
PEOPLE: Final = ("alice", "bob", "carol", "dora", "erin", "exchange")
PATIENCE: Final = timedelta(minutes=10)
SLOW: Final = "eip155:1"
"""A chain on which people may take twice as long."""
ROWS: Final = 400


@dataclass(frozen=True, slots=True)
class Row:
    """What decides where an intent is listed."""

    digest: str
    client: str
    chain: str | None
    """None for what is of no chain: nobody waits longer for it than for the most urgent."""
    requester: str
    state: str
    approvals: Mapping[str, int]
    roles: Collection[str]
    created_at: datetime
    not_before: datetime | None
    not_after: datetime
    said: tuple[tuple[str, str, datetime], ...]
    """Who, with which verdict, standing until when."""


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


def invented(rng: random.Random, number: int, now: datetime) -> Row:
    """Ages, people and askings near every edge that the conditions have."""

    def ago(*minutes: int) -> datetime:
        return now - timedelta(minutes=rng.choice(minutes))

    created = ago(1, 5, 9, 11, 30)
    waits = rng.random() < 0.8
    asked = {group: rng.randint(1, 3) for group in (*GROUPS, "unknown") if rng.random() < (0.05, 0.5)[group in GROUPS]}
    said = tuple(
        (person, rng.choice(("approve", "reject")), now + timedelta(minutes=rng.choice((-1, 5))))
        for person in PEOPLE[:5]
        if rng.random() < 0.4
    )
    return Row(
        f"{number:064x}",
        rng.choice(("acme", "birch")),
        rng.choice((REGTEST.chain, SLOW, None)),
        rng.choice(PEOPLE),
        "pending" if waits else "approved",
        {group: min(most, len(GROUPS.get(group, ())) + 1) for group, most in asked.items()},
        sorted(role for role in (*ROLES, "client:former") if rng.random() < 0.1),
        created,
        rng.choice((None, created, now + timedelta(minutes=5), ago(3, 20))),
        now + timedelta(minutes=rng.choice((-2, 3, 60, 61))),
        said,
    )


def place(row: Row, operator: str, since: Mapping[str, datetime], now: datetime) -> str:
    """Where it is listed for ``operator``; empty for nowhere."""
    if row.state == "approved":
        return OTHERS if row.not_before and row.not_before > now else ""
    able = {group: set(people) - {row.requester} for group, people in GROUPS.items()}
    held = {role: set(people) - {row.requester} for role, people in ROLES.items()}
    patience = 2 * PATIENCE if row.chain == SLOW else PATIENCE
    overdue = max(row.created_at, row.not_before or row.created_at) < now - patience
    beyond = any(number > len(able.get(group, ())) for group, number in row.approvals.items())
    if overdue or beyond or not all(held.get(role) for role in row.roles):
        return LATE
    standing = [(person, verdict) for person, verdict, until in row.said if until >= now]
    asked = any(operator in ROLES[role] for role in row.roles)
    for group, number in row.approvals.items():
        alone = {person for person in GROUPS[group] if sum(person in people for people in GROUPS.values()) == 1}
        agreed = sum(verdict == "approve" and person in alone for person, verdict in standing)
        asked |= operator in GROUPS[group] and row.created_at >= since[group] and agreed < number
    spoke = any(person == operator for person, _ in standing)
    return MINE if asked and not spoke and operator != row.requester and row.not_after >= now else OTHERS


def write(house: House, rows: Collection[Row]) -> None:
    """Each as a copy of one real intent, with what decides its place."""
    made = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    with psycopg.connect(house.database.superuser_url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")
        for row in rows:
            connection.execute(
                "INSERT INTO intents (digest, kind, document, request_hash, request_signature, requester,"
                " idempotency_key, client_id, decision, state, not_after, not_before, created_at, decided_at, heard,"
                " heard_until)"
                " SELECT %s, kind, document || %s, request_hash, request_signature, %s, %s, %s, decision || %s, %s, %s,"
                " %s, %s, %s, %s, %s FROM intents WHERE digest = %s",
                (
                    *(row.digest, Jsonb({"chain": row.chain}), row.requester, row.digest, row.client),
                    Jsonb({"approvals": dict(row.approvals), "roles": list(row.roles)}),
                    *(row.state, row.not_after, row.not_before, row.created_at),
                    None if row.state == "pending" else row.created_at - timedelta(minutes=1),
                    *([person for person, _, _ in row.said], min((until for _, _, until in row.said), default=None)),
                    made.digest,
                ),
            )
            for person, verdict, until in row.said:
                connection.execute(
                    "INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after)"
                    " VALUES (%s, %s, %s, %s, '{}', %s, %s)",
                    (row.digest, person, verdict, f"{row.digest}{person}", row.created_at, until),
                )
        connection.execute("DELETE FROM intents WHERE digest = %s", (made.digest,))


def test_everything_is_where_a_slow_reading_of_its_row_says(house: House, seed: int) -> None:
    rng = random.Random(seed)
    with house.db.unit() as unit:
        now = unit.now
    # One is asked, of two who may: that one of them said no fills no place, and that one agreed fills it.
    sure = [
        replace(
            invented(rng, ROWS + number, now),
            requester="exchange",
            state="pending",
            approvals={"operators": 1},
            roles=(),
            created_at=now,
            not_before=None,
            not_after=now + PATIENCE,
            said=(("alice", verdict, now + PATIENCE),),
        )
        for number, verdict in enumerate(("reject", "approve"))
    ]
    rows = [*(invented(rng, number, now) for number in range(ROWS)), *sure]
    write(house, rows)
    met: set[str] = set()
    for operator in ("", *PEOPLE):
        groups = [group for group, people in GROUPS.items() if operator in people]
        since = {group: rng.choice((datetime.min.replace(tzinfo=UTC), now - timedelta(minutes=7))) for group in groups}
        for client in ("", "acme"):
            expected: dict[str, set[str]] = {MINE: set(), OTHERS: set(), LATE: set(), "": set()}
            for row in rows:
                if client in ("", row.client):
                    expected[place(row, operator, since, now)].add(row.digest)
            del expected[""]
            assert listed(house, operator, since, now, client) == expected, (operator, client)
            met |= {name for name, found in expected.items() if len(found) > 3}
    assert met == {MINE, OTHERS, LATE}


def listed(
    house: House, operator: str, since: Mapping[str, datetime], now: datetime, client: str
) -> dict[str, set[str]]:
    """By Postgres; each is counted as often as it is listed."""
    root = cast("TrustRoot", SimpleNamespace(groups=GROUPS))
    with house.db.unit() as unit:
        seconds, askings = int(PATIENCE.total_seconds()), askings_among(unit.session)
        patience = {REGTEST.chain: seconds, SLOW: 2 * seconds}
        asked = Waiting(root, ROLES, operator, since, patience, askings, now, client)
        found: dict[str, set[str]] = {}
        for name in waiting.PLACES:
            shown = [row.digest for row in unit.session.execute(*paged(asked, name))]
            assert waiting.count(unit.session, asked, place=name) == min(len(shown), waiting.COUNTED_TO)
            assert len(set(shown)) == len(shown)
            found[name] = set(shown)
    return found


def paged(asked: Waiting, name: str) -> tuple[Any, dict[str, object]]:
    """What a page asks for. Its rows are not read here: they are of invented digests."""
    return waiting.paging(asked, place=name, after=None, limit=2 * ROWS)

"""Views of money and machinery: right in a small house, and as few statements in a crowded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.errors import InvalidInput
from custody.ledger.model import AccountRef
from custody.ledger.reasons import AccountKind
from custody.reconciliation.books import still
from custody.trust import operations as trust
from custody.views import addresses, auditing, books, breaks, clients, health, reconciling, stuck, vaults
from tests.cosigner.builders import BTC, REGTEST
from tests.integration.movements.counting import statements_of
from tests.support import crowd
from tests.support.servers import FreshDatabase
from tests.support.world import House

CHAINS = (REGTEST.chain,)


@pytest.fixture
def houses(postgres: Callable[[], FreshDatabase]) -> Iterator[list[House]]:
    """A small house and a crowded one."""
    made = [House.found(postgres()) for _ in range(2)]
    yield made
    for house in made:
        house.close()


def read(house: House, view: Callable[[Session], Any]) -> Any:
    """What a view says, out of one snapshot."""
    with still(house.db) as session:
        return view(session)


@contextmanager
def superuser(house: House) -> Iterator[psycopg.Connection]:
    """Whoever owns the server, whom no trigger stops."""
    with psycopg.connect(house.database.superuser_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def views(house: House, filled: crowd.Crowd) -> dict[str, Callable[[Session], Any]]:
    """Every view of this file's rooms, of things that both houses have."""
    now, runtime = house.now(), house.runtime
    client, held = filled.clients[0], AccountRef(AccountKind.HELD, filled.clients[0], REGTEST.asset.id)
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        address = unit.session.execute(text("SELECT min(id) FROM addresses WHERE client_id = 'template'")).scalar_one()
    return {
        "clients": clients.client_list,
        "search": lambda session: clients.client_list(session, search="crowd 00"),
        "client": lambda session: clients.whole_client(session, client=client, seal_key=runtime.seal_key),
        "address": lambda session: addresses.whole_address(session, address=address, seal_key=runtime.seal_key),
        "vaults": lambda session: vaults.vault_list(session, root=root),
        "vault": lambda session: vaults.whole_vault(session, vault="kst_demo/1000"),
        "entries": books.entries,
        "account": lambda session: books.entries(session, account=held),
        "entry": lambda session: books.entry(session, entry=2),
        "reconciliation": lambda session: reconciling.reconciliation(session, chains=CHAINS, now=now),
        "break": lambda session: breaks.whole_break(session, break_id=filled.breaks[0]),
        "stuck": lambda session: stuck.stuck(session, deadlines=runtime.deadlines, now=now),
        "audit": auditing.log,
        "audit by": lambda session: auditing.log(session, by="event", wanted="intent.pending"),
        "health": lambda session: health.health(
            session, names={REGTEST.chain: "regtest"}, deadlines=runtime.deadlines, now=now
        ),
    }


def test_a_crowd_costs_no_more_statements(houses: list[House]) -> None:
    sizes = ((3, 10, 1, 2), (400, 600, 80, 300))
    asked: list[dict[str, int]] = []
    for house, (number, waiting, late, runs) in zip(houses, sizes, strict=True):
        filled = crowd.fill(house, clients=number, waiting=waiting, stuck=late, runs=runs, breaks=min(number, 60))
        told = {}
        for name, view in views(house, filled).items():
            read(house, view)
            told[name] = len(statements_of(house.db, partial(read, house, view)))
        asked.append(told)
    assert asked[0] == asked[1]
    assert max(asked[0].values()) < 24, asked[0]


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    yield house
    house.close()


def test_clients_come_by_name_page_by_page_and_those_that_differ_before_all(house: House) -> None:
    filled = crowd.fill(house, clients=5, waiting=4, runs=3, breaks=2)
    first = read(house, lambda session: clients.client_list(session, limit=4))
    assert [each["id"] for each in first["differing"]] == list(filled.clients[:2])
    assert first["differing"][1]["differences"][0]["amount"]["base_units"] == "-2"
    assert [each["id"] for each in first["clients"]] == list(filled.clients[:4])
    rest = read(house, lambda session: clients.client_list(session, after=first["next"]))
    assert [each["name"] for each in rest["clients"]] == ["Crowd 000004", "Template"]
    assert (rest["next"], rest["differing"]) == (None, [])
    one = rest["clients"][0]
    assert one["balances"][0]["available"]["base_units"] == str(BTC)
    assert one["last_movement"] and one["compared"]["height"] == 900 and not one["compared"]["frozen"]
    with pytest.raises(InvalidInput, match="cursor"):
        read(house, lambda session: clients.client_list(session, after="nonsense"))


def test_a_search_is_the_begin_of_a_name_or_a_whole_id_or_address(house: House) -> None:
    filled = crowd.fill(house, clients=12)
    with house.db.unit() as unit:
        owned = unit.session.execute(
            text("SELECT address FROM addresses WHERE client_id = 'crowd-000007'")
        ).scalar_one()
    for search, expected in (
        ("crowd 00001", filled.clients[10:12]),
        ("CROWD 000003", filled.clients[3:4]),
        ("crowd-000005", filled.clients[5:6]),
        (owned, filled.clients[7:8]),
        ("%", ()),
        ("_rowd", ()),
    ):
        found = read(house, lambda session, search=search: clients.client_list(session, search=search))
        assert [each["id"] for each in found["clients"]] == list(expected), search


def test_an_address_is_derived_twice_as_it_is_shown_and_never_shown_when_they_differ(house: House) -> None:
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    given = house.address("acme")
    key = house.runtime.seal_key
    shown = read(house, lambda session: addresses.whole_address(session, address=given.id, seal_key=key))
    assert (shown["address"], shown["derived"], shown["uses"]) == (given.address, "equal", 0)
    # Sealed with our own key, and yet not what the keyset gives: whoever has database and seal key wrote it.
    filled = crowd.fill(house, clients=1)
    assert filled.clients
    with house.db.unit() as unit:
        false = unit.session.execute(text("SELECT id FROM addresses WHERE client_id = 'crowd-000000'")).scalar_one()
    shown = read(house, lambda session: addresses.whole_address(session, address=false, seal_key=key))
    assert shown["address"] is None and "not what the keyset gives" in shown["derived"]
    # One that somebody wrote without the key is not shown either.
    shown = read(house, lambda session: addresses.whole_address(session, address=given.id, seal_key=b"\0" * 32))
    assert shown["address"] is None and "not what was derived" in shown["derived"]


def test_entries_of_an_account_run_up_to_its_balance(house: House) -> None:
    filled = crowd.fill(house, clients=2, waiting=10)
    own = AccountRef(AccountKind.AVAILABLE, filled.clients[0], REGTEST.asset.id)
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = read(house, lambda session, after=cursor: books.entries(session, account=own, after=after, limit=2))
        seen += page["entries"]
        cursor = page["next"]
        if cursor is None:
            break
    after = [int(each["own"]["after"]["base_units"]) for each in seen]
    change = [int(each["own"]["change"]["base_units"]) for each in seen]
    assert len(seen) == 6 and sum(change) == after[0]
    assert [newer - older for newer, older in pairwise(after)] == change[:-1]
    assert books.account(books.name_of(own)) == own
    assert {line["kind"] for line in seen[0]["lines"]} == {"available", "held"}
    for wrong in ("available", "nothing acme asset", "available house asset", "pledged acme asset"):
        with pytest.raises(InvalidInput) as refused:
            books.account(wrong)
        assert refused.value.field == "account"


def test_a_break_is_told_three_times_and_coverage_falls_that_day(house: House) -> None:
    filled = crowd.fill(house, clients=3, runs=60, breaks=1)
    shown = read(house, lambda session: breaks.whole_break(session, break_id=filled.breaks[0]))
    assert set(shown["columns"]) == {"chain", "index", "books", "difference"}
    assert shown["difference"]["base_units"] == "-1"
    told = read(house, lambda session: reconciling.reconciliation(session, chains=CHAINS, now=house.now(), limit=10))
    points = told["coverage"][0]["points"]
    assert points[-1]["coverage"] == 999_999 and points[0]["coverage"] == 1_000_000
    assert (len(told["breaks"]), len(told["runs"]), told["chains"][0]["run"]["result"]) == (1, 10, "break")


def test_a_reading_that_fails_hides_no_other(house: House) -> None:
    with house.db.unit() as unit:
        now = unit.now

    def broken(session: Session) -> Any:
        return health.health(session, names={REGTEST.chain: "regtest"}, deadlines=house.runtime.deadlines, now=now)

    before = {each["name"]: each["state"] for each in read(house, broken)["lines"]}
    with superuser(house) as connection:
        connection.execute("ALTER TABLE outbox RENAME TO elsewhere")
    lines = {each["name"]: each for each in read(house, broken)["lines"]}
    assert before["workers"] in ("ok", "late") and lines["workers"]["state"] == "unknown"
    assert lines["audit log"]["state"] == before["audit log"] == "ok"
    assert all(each["money"] for each in lines.values())
    assert lines["webhooks"]["state"] == "ok"
    with superuser(house) as connection:
        connection.execute(
            "INSERT INTO webhook_endpoints (id, url, types, payload, label, state, secret, position, failing_since,"
            " created_at, created_by) VALUES ('whe_1', 'https://example.com/', '[]', 'full', '', 'active', '\\x00', 0,"
            " %s, now(), 'test')",
            (now - timedelta(hours=3),),
        )
    line = {each["name"]: each for each in read(house, broken)["lines"]}["webhooks"]
    assert (line["state"], line["value"]) == ("late", "0 to deliver, an endpoint fails for 3 h")


def test_what_is_late_or_down_says_since_when_and_what_that_means(house: House) -> None:
    house.open_client("acme", branch=1)
    now = house.now()

    def lines() -> dict[str, Any]:
        names = {REGTEST.chain: "regtest"}
        found = read(house, lambda s: health.health(s, names=names, deadlines=house.runtime.deadlines, now=now))
        return {each["name"]: each for each in found["lines"]}

    parts = ("pusher", "notices", "cosigners", "status service", "payer of fees", "restoration", "schema")
    before = lines()
    assert {before[name]["state"] for name in parts} == {"ok"}
    with superuser(house) as connection:
        connection.execute(_WRONG)
    after = lines()
    states = {name: after[name]["state"] for name in parts}
    assert states == dict.fromkeys(parts, "late") | dict.fromkeys(("payer of fees", "restoration", "schema"), "down")
    for name in parts:
        assert after[name]["money"] != before[name]["money"], name
        assert (after[name]["since"] is None) == (name == "schema"), name
    assert "quarantined: north" in after["cosigners"]["value"]
    assert after["status service"]["value"] == "last said 24 h ago"
    with superuser(house) as connection:
        connection.execute("DELETE FROM status_statements")
    unheard = lines()["status service"]
    assert (unheard["state"], unheard["value"], unheard["since"]) == ("late", "has said nothing yet", None)


_WRONG = """
    SET session_replication_role = replica;
    INSERT INTO webhook_endpoints (id, url, types, payload, label, state, secret, position, created_at, created_by)
      VALUES ('whe_1', 'https://example.com/', '[]', 'full', '', 'active', '\\x00', 0, now(), 'test');
    UPDATE events SET at = now() - interval '1 day';
    INSERT INTO notice_messages (id, operator, kind, state, intents, attempts, due_at, created_at)
      VALUES ('ntc_1', 'alice', 'mail', 'waiting', 1, 0, now() - interval '1 day', now());
    INSERT INTO quarantined_cosigners (cosigner, reason, at) VALUES ('north', 'lied', now());
    UPDATE status_statements SET said_at = said_at - interval '1 day';
    INSERT INTO payers (chain, account, vault_id, next_number, change_id, stopped_reason, stopped_at, registered_at)
      VALUES ('eip155:1', '0x', 'hse', 0, 0, 'a test', now(), now());
    INSERT INTO restorations (reason, noticed_at, tips, goals) VALUES ('a test', now(), '{}', '[]');
    UPDATE alembic_version SET version_num = '0001'
"""


def test_the_log_is_filtered_walked_and_exported(house: House) -> None:
    crowd.fill(house, clients=2, waiting=60)
    page = read(house, lambda session: auditing.log(session, by="event", wanted="intent.pending", limit=50))
    assert len(page["events"]) == 50 and {each["event"] for each in page["events"]} == {"intent.pending"}
    proof = read(house, auditing.verified)
    assert (proof["first_bad"], proof["records"]) == (None, page["head"]["sequence"])
    every = read(house, lambda session: auditing.exported(session, behind=0))
    assert [number for number, _ in every] == list(range(1, proof["records"] + 1))
    assert read(house, lambda session: auditing.exported(session, behind=proof["records"] - 2)) == every[-2:]
    with superuser(house) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit_events SET actor = 'mallory' WHERE sequence = 7")
    assert read(house, auditing.verified)["first_bad"] == 7
    with pytest.raises(InvalidInput) as refused:
        read(house, lambda session: auditing.log(session, by="hash", wanted="x"))
    assert refused.value.field == "by"

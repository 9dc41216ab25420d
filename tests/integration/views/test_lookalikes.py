"""What a destination could be taken for is found among all that is known, and costs the same however much that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import text

from custody.approvals import queries as intents
from custody.approvals.askings import askings_among
from custody.evidence.lookalikes import keys
from custody.trust.assets import known_assets
from custody.trust.operations import in_force
from custody.views import lookalikes, risks
from custody.views.deciding import deciding
from custody.views.effects import known_of
from custody.views.findings import CRITICAL, WARN, Finding, findings
from custody.views.lookalikes import BOTH_ENDS, EITHER_END, twins
from custody.views.queue import NEEDS_OTHERS, Asked, queue
from custody.withdrawals import queries as withdrawals
from tests.cosigner.builders import BTC, address
from tests.integration.movements.counting import statements_of
from tests.support.plans import plan_of
from tests.support.rows import pay, write
from tests.support.servers import FreshDatabase
from tests.support.world import REGTEST, House

TO: Final = address("somebody")
MANY: Final = 100_000
SAME: Final = 1_000
"""Payments to one destination."""


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """Two clients, the first with money."""
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.open_client("birch", branch=2)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


def like(head: int, tail: int, *, of: str = TO) -> str:
    """What looks like an address, and shares so many characters with it at either end."""
    told = of.removeprefix("bcrt1")
    other = {False: "q", True: "p"}
    middle = "".join(other[each == "q"] for each in told[head : len(told) - tail])
    return f"bcrt1{told[:head]}{middle}{told[len(told) - tail :]}"


def list_for(house: House, client: str, destination: str, label: str) -> None:
    write(
        house,
        "INSERT INTO listings (digest, client_id, chain, destination, locator, label, listed_at, counts_from) VALUES"
        " (%(label)s, %(client)s, %(chain)s, %(to)s, decode(md5(%(to)s), 'hex'), %(label)s, now(), now())",
        client=client,
        to=destination,
        label=label,
    )


def own(house: House, address_: str, client: str | None) -> None:
    write(
        house,
        "INSERT INTO addresses (vault_id, change, index, locator, address, state, client_id, seal, derived_at) VALUES"
        " ('kst_demo/2', false, (SELECT max(index) + 1 FROM addresses), decode(md5(%(to)s), 'hex'), %(to)s,"
        " CASE WHEN %(client)s::text IS NULL THEN 'stock' ELSE 'issued' END, %(client)s, '', now())",
        to=address_,
        client=client,
    )


_NAME: Final = "'bcrt1q' || translate(md5('{0}' || n) || left(md5('{0} more' || n), 6), '1', 'q')"
_CROWD: Final = (
    f"""
    INSERT INTO addresses (vault_id, change, index, locator, address, state, client_id, seal, derived_at)
    SELECT 'kst_demo/2', false, 1000 + n, decode(md5('own' || n), 'hex'), {_NAME.format("own")}, 'issued', 'birch', '',
      now() FROM generate_series(1, %(number)s) AS n
    """,
    f"""
    INSERT INTO listings (digest, client_id, chain, destination, locator, label, listed_at, counts_from)
    SELECT md5('listing' || n), CASE n %% 2 WHEN 0 THEN 'acme' ELSE 'birch' END, %(chain)s, {_NAME.format("list")},
      decode(md5('listing' || n), 'hex'), 'one of many', now(), now() FROM generate_series(1, %(number)s / 10) AS n
    """,
)


def found(house: House, digest: str) -> list[Finding]:
    with house.db.unit() as unit:
        return findings(unit.session, intents.get(unit.session, digest=digest))


def resembling(house: House, digest: str) -> list[tuple[str, str, str]]:
    shown = [each for each in found(house, digest) if each.id.startswith("look-alike")]
    assert all("known since 20" in each.evidence for each in shown)
    return [(each.level, each.sentence, each.twin) for each in shown]


def test_postgres_keeps_addresses_in_the_same_orders(house: House) -> None:
    known = [
        TO,
        TO.upper(),
        "0xAbCd000000000000000000000000000000001234",
        "0XABCD000000000000000000000000000000001234",
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "2NByiBUaEXrhmqAsg7BbLpcQSAQs1EDwt5w",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
        "x",
        "",
    ]
    with house.db.unit() as unit:
        for each in known:
            there = unit.session.execute(
                text("SELECT address_key(:to, 'head'), address_key(:to, 'tail'), address_key(:to, 'ends')"),
                {"to": each},
            ).one()
            stands = keys(each)
            assert tuple(there) == (stands.head, stands.tail, stands.ends), each


def test_both_ends_are_critical_wherever_the_twin_is_known(house: House) -> None:
    head, tail = 4, 4
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    assert resembling(house, asked.digest) == []
    assert _risks(house)[0] == "new destination"
    twin, is_other = like(head, tail), ", and is another address."
    list_for(house, "birch", twin, "Kraken hot")
    said = "The destination looks like Kraken hot, which is on the list of Birch"
    assert resembling(house, asked.digest) == [(CRITICAL, said + is_other, twin)]
    assert _risks(house)[0] == "looks like one on another list, and is another address"
    ours = like(head, tail + 1)
    own(house, ours, "birch")
    assert (CRITICAL, f"The destination looks like a deposit address of Birch{is_other}", ours) in resembling(
        house, asked.digest
    )
    paid = like(head + 1, tail)
    pay(house, "acme", paid)
    own(house, like(head + 1, tail + 1), None)
    pay(house, "birch", like(head + 2, tail + 2))
    list_for(house, "acme", twin, "Kraken cold")
    first, second, *rest = resembling(house, asked.digest)
    assert first == (CRITICAL, f"The destination looks like Kraken cold, which is on the client's list{is_other}", twin)
    assert second == (CRITICAL, f"The destination looks like an address the client has paid{is_other}", paid)
    assert [each[2] for each in rest] == [like(head + 1, tail + 1)]
    assert "an address of our vault kst_demo/2" in rest[0][1]
    assert _risks(house)[0] == "looks like Kraken cold, and is another address"
    with house.db.unit() as unit:
        trust = in_force(unit.session)
        filed = intents.get(unit.session, digest=asked.digest)
        shown = deciding(unit.session, filed, trust=trust, operator="alice", now=unit.now)
    assert (shown["is_critical"], shown["twin"]) == (True, twin)


def test_one_end_warns(house: House) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    for client, head, tail, label in (("acme", 3, 3, "too little"), ("birch", 5, 3, "of many")):
        list_for(house, client, like(head, tail), label)
    pay(house, "acme", like(3, 5))
    own(house, like(5, 2), "birch")
    list_for(house, "birch", TO, "the same")
    pay(house, "acme", TO)
    assert resembling(house, asked.digest) == []
    list_for(house, "acme", like(3, 4), "Kraken cold")
    (level, sentence, twin), *others = resembling(house, asked.digest)
    assert (level, twin, others) == (WARN, like(3, 4), [])
    assert sentence == "The destination ends like Kraken cold, which is on the client's list, and is another address."
    pay(house, "acme", like(6, 1))
    own(house, like(0, 6), "birch")
    list_for(house, "birch", like(7, 0), "Kraken hot")
    assert [(each[0], each[2]) for each in resembling(house, asked.digest)] == [
        (WARN, like(3, 4)),
        (WARN, like(6, 1)),
        (WARN, like(7, 0)),
        (WARN, like(0, 6)),
    ]
    write(house, "UPDATE listings SET delisted_at = now(), delisted_by = digest")
    assert [each[2] for each in resembling(house, asked.digest)] == [like(6, 1), like(0, 6)]


def test_a_payment_to_an_address_of_ours_is_told_plainly(house: House) -> None:
    other, same = house.address("birch"), house.address("acme")
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10, destination=other.address))
    back = house.withdraw(house.withdrawal_request("acme", BTC // 10, destination=same.address))
    stock = house.withdraw(house.withdrawal_request("acme", BTC // 10, destination=_in_stock(house)))
    shown = {
        name: next(each for each in found(house, digest) if each.id == "own-address")
        for name, digest in (("other", asked.digest), ("same", back.digest), ("stock", stock.digest))
    }
    with house.db.unit() as unit:
        cues = risks.cues(unit.session, [intents.get(unit.session, digest=asked.digest)])
    assert "pays an address of our own" in cues[asked.digest]
    assert shown["other"].level == shown["stock"].level == CRITICAL
    assert "a deposit address of Birch: this pays another client of ours" in shown["other"].sentence
    assert shown["same"].level == WARN
    assert "the money comes back to it" in shown["same"].sentence
    assert "nobody would be credited" in shown["stock"].sentence


def _in_stock(house: House) -> str:
    with house.db.unit() as unit:
        query = "SELECT address FROM addresses WHERE state = 'stock' AND NOT change ORDER BY id DESC LIMIT 1"
        return str(unit.session.execute(text(query)).scalar_one())


def _risks(house: House) -> list[str]:
    with house.db.unit() as unit:
        asked = Asked(in_force(unit.session), "", house.runtime.deadlines, askings_among(unit.session), unit.now)
        (row,) = queue(unit.session, asked, place=NEEDS_OTHERS).rows
    return list(row["risks"])


def test_a_hundred_thousand_addresses_cost_what_ten_do(house: House) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    fill(house, 10)
    few = statements_of(house.db, lambda: everything(house, asked.digest))
    fill(house, MANY)
    for each in (TO, like(6, 0)):
        pay(house, "acme", each, number=SAME)
    list_for(house, "birch", TO, "the same")
    many = statements_of(house.db, lambda: everything(house, asked.digest))
    assert len(many) == len(few)
    with house.db.unit() as unit:
        for orders in (BOTH_ENDS, EITHER_END):
            plan = plan_of(unit.session, lookalikes._STATEMENTS[orders], lookalikes._parameters([("acme", TO)]))
            assert {each["Node Type"] for each in plan} <= {
                "Nested Loop",
                "Append",
                "Limit",
                "Function Scan",
                "Result",
                "Subquery Scan",
                "Index Scan",
                "Memoize",
            }
            scans = [each for each in plan if each["Node Type"] == "Index Scan"]
            assert {each["Actual Rows"] for each in scans} <= {0, 1}
            assert len(scans) == 8 * len(orders)
            # Each step goes down one index and looks at one row.
            assert sum(each["Shared Hit Blocks"] + each["Shared Read Blocks"] for each in scans) <= 8 * len(scans)
        place = {"client": "acme", "chain": REGTEST.chain, "destination": like(4, 4)}
        told = {**place, "asset": REGTEST.asset.id, "head": keys(like(4, 4)).head}
        plan = plan_of(unit.session, withdrawals._PAID_BEFORE, told)
        assert [each["Index Name"] for each in plan if "Index Name" in each] == ["ix_withdrawals_paid_head"]
        named = "SELECT label FROM listings WHERE delisted_at IS NULL AND client_id = :client AND chain = :chain"
        plan = plan_of(unit.session, text(f"{named} AND destination = :destination"), place)
        assert [each["Index Name"] for each in plan if "Index Name" in each] == ["ix_listings_client_id_destination"]


def fill(house: House, number: int) -> None:
    """So many addresses of ours, a tenth as many on lists."""
    write(house, "DELETE FROM addresses WHERE index >= 1000")
    write(house, "DELETE FROM listings")
    for each in _CROWD:
        write(house, each, number=number)
    write(house, "ANALYZE")


def everything(house: House, digest: str) -> None:
    with house.db.unit() as unit:
        filed = intents.get(unit.session, digest=digest)
        findings(unit.session, filed)
        twins(unit.session, places=[("acme", TO)], orders=BOTH_ENDS)
        known_of(unit.session, filed, assets=known_assets(unit.session))

"""P-060 to P-069 on a real house: windows, prices and screenings decide what leaves, asked, signed and sent.

One house for the module; every case has a client of its own, whose rules go by a group of clients. Each ends in the
whole check. The first cases are about prices that are not there, so they come before any is stated.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from custody.cosigner.answering import SignedRefusal
from custody.db import Database
from custody.evidence.statements import SignedStatement
from custody.kernel.errors import InvalidInput
from custody.prices import operations as prices
from custody.screenings import operations as screenings
from custody.trust.operations import in_force
from custody.windows import operations as windows
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from policies.decision import Decision
from policies.document import load_document
from tests.cosigner.builders import World, address
from tests.integration.windows.histories import NOW, history
from tests.integration.windows.histories import facts as random_facts
from tests.support import sources
from tests.support.oracle import plays
from tests.support.road import Road, btc, yes
from tests.support.servers import Servers
from tests.support.status import state_status
from tests.support.world import REGTEST

ASSET: Final = REGTEST.asset.id
DOLLAR: Final = 2_000
"""Satoshi at 50,000 dollars for a bitcoin."""
USUAL: Final = 50_000
POLICY: Final = """policy: facts
version: 1
groups: {operators: [alice, bob, carol]}
client_groups:
  rolling: [rolling]
  small: [small]
  midnight: [midnight]
  tiers: [unpriced, disputed, moving, refused, recalled, signed, doubted]
  broad: [broad]
  counted: [counted]
  screened: [screened]
  fresh: [fresh]
  cheap: [cheap]
rules:
  - permit: everything of these
    match: {kind: withdrawal, client.group: [small, tiers, broad, screened, fresh]}
  - permit: a hundred thousand dollars a day
    match: {kind: withdrawal, client.group: rolling}
    limit: {per: client, window: 24h, usd: 100_000}
  - permit: one in a day
    match: {kind: withdrawal, client.group: midnight}
    limit: {per: client, window: 24h, count: 1}
  - permit: a bitcoin in a day
    match: {kind: withdrawal, client.group: counted}
    limit: {per: client, window: 24h, amount: "1 BTC"}
  - permit: what is cheap
    match: {kind: withdrawal, client.group: cheap, usd: {at_most: 1_000}}
  - require: two above 0.3 BTC
    match: {kind: withdrawal, client.group: counted, amount: {above: "0.3 BTC"}}
    approvals: {operators: 2}
  - require: two for many small ones
    match: {kind: withdrawal, client.group: small, total: {per: client, window: 24h, usd: {above: 10_000}}}
    approvals: {operators: 2}
  - require: two above a thousand dollars
    match: {kind: withdrawal, client.group: [small, tiers], usd: {above: 1_000}}
    approvals: {operators: 2}
  - forbid: more than ten dollars of the broad
    match: {kind: withdrawal, client.group: broad, usd: {above: 10}}
  - require: screened
    match: {kind: withdrawal, client.group: screened}
    screening: clear
  - require: fresh books
    match: {kind: withdrawal, client.group: fresh}
    reconciled: 1h
  - permit: new clients
    match: {kind: client_opening}
  - require: an operator opens a client
    match: {kind: client_opening}
    approvals: {operators: 1}
"""


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A house whose trust root pins three sources of prices and one of screenings; nothing is stated yet."""
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    ceremony = World(
        policy=POLICY,
        services=sources.sources(),
        now=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(days=365),
    )
    house = Road.build(database, node, tmp_path_factory.mktemp("facts"), ceremony=ceremony)
    yield house
    house.close()
    servers.drop(database)


def rich(house: Road, client: str, amount: str = "1") -> None:
    """Open a client and have it deposit."""
    house.open(client)
    house.deposit(client, btc(amount))


def state_price(house: Road, *dollars: int, at: datetime | None = None) -> None:
    """Every source states a price; one figure for all, or one each."""
    by = sources.PRICE_SOURCES
    figures = dollars * len(by) if len(dollars) == 1 else dollars
    moment = at or house.now()
    for name, usd in zip(by, figures, strict=True):
        record(house, sources.price(ASSET, usd, moment, by=name))


def state_screening(house: Road, destination: str, result: str) -> None:
    """The screening service states what it found."""
    record(house, sources.screening(REGTEST.chain, destination, result, house.now()))


def record(house: Road, signed: SignedStatement) -> None:
    with house.db.unit() as unit:
        root = in_force(unit.session).root
        keep = prices.record if signed.statement.role == "prices" else screenings.record
        keep(unit.session, signed=signed, root=root, now=unit.now)


def decision_of(house: Road, withdrawal: Withdrawal) -> Decision:
    ((stored,),) = house.rows("SELECT decision FROM intents WHERE digest = :d", d=withdrawal.digest)
    return Decision.from_json(stored)


def expect_whole(house: Road) -> None:
    """The whole check; before it, what a case left waiting is cancelled, so that the next one need not carry it."""
    for each in house.withdrawals():
        if each.state in ("pending_approval", "approved"):
            house.cancel(each.id)
    house.settle()
    assert house.reconcile().breaks == ()
    house.expect_whole()


def needs_two(house: Road, withdrawal: Withdrawal) -> bool:
    return house.state(withdrawal) == "pending_approval" and decision_of(house, withdrawal).obligations.approvals == {
        "operators": 2
    }


@plays("P-064")
def test_p064_a_price_that_is_missing_stale_or_not_positive_is_the_highest_tier(house: Road) -> None:
    rich(house, "unpriced")
    missing = house.ask("unpriced", 500 * DOLLAR)
    assert needs_two(house, missing)
    assert decision_of(house, missing).facts["price_state"] == "missing"
    for worthless in ("0", "-1"):
        body = sources.price(ASSET, 1, house.now()).to_json()
        with pytest.raises(InvalidInput):
            SignedStatement.parse({**body, "statement": {**body["statement"], "usd_picos": worthless}})
    state_price(house, USUAL, at=house.now() - timedelta(minutes=16))
    stale = house.ask("unpriced", 500 * DOLLAR)
    assert needs_two(house, stale)
    assert decision_of(house, stale).facts["price_state"] == "stale"
    state_price(house, USUAL)
    assert house.state(house.ask("unpriced", 500 * DOLLAR)) == "approved"
    assert needs_two(house, house.ask("unpriced", 1_001 * DOLLAR))
    expect_whole(house)


@plays("P-065")
def test_p065_one_source_off_by_ten_is_the_highest_tier_while_it_lasts(house: Road) -> None:
    rich(house, "disputed")
    state_price(house, USUAL, 10 * USUAL, USUAL)
    asked = house.ask("disputed", 500 * DOLLAR)
    assert needs_two(house, asked)
    assert decision_of(house, asked).facts["price_state"] == "disputed"
    assert "price-disputed" in house.alarms()
    state_price(house, USUAL)
    assert house.state(house.ask("disputed", 500 * DOLLAR)) == "approved"
    expect_whole(house)


@plays("P-060")
def test_p060_the_eleventh_beyond_a_rolling_limit_is_refused(house: Road) -> None:
    rich(house, "rolling", "2.5")
    state_price(house, USUAL)
    states = [house.state(house.ask("rolling", 10_000 * DOLLAR)) for _ in range(10)]
    assert states == ["approved"] * 10
    last = house.ask("rolling", DOLLAR)
    assert house.state(last) == "denied"
    (read,) = decision_of(house, last).usage
    assert (read.usd_micros, read.count) == (100_000 * 10**6, 10)
    expect_whole(house)


@plays("P-061")
def test_p061_fifty_just_below_a_tier_are_seen_as_what_they_are_together(house: Road) -> None:
    rich(house, "small", "1.2")
    state_price(house, USUAL)
    payees = [address(f"payee {number}") for number in range(10)]
    asked = [house.ask("small", 990 * DOLLAR, destination=payees[number % 10]) for number in range(50)]
    assert [house.state(each) for each in asked] == ["approved"] * 10 + ["pending_approval"] * 40
    expect_whole(house)


@plays("P-062")
def test_p062_both_sides_of_midnight_are_in_one_rolling_window(house: Road) -> None:
    rich(house, "midnight")
    midnight = house.now().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = (
        midnight - timedelta(milliseconds=1),
        midnight,
        midnight + timedelta(hours=24) - timedelta(milliseconds=2),
    )
    states = [ask_at(house, "midnight", moment).state for moment in moments]
    assert states == ["approved", "denied", "denied"]
    expect_whole(house)


def ask_at(house: Road, client: str, moment: datetime) -> Withdrawal:
    """Ask for a little, as if it were another time of the day."""
    request = house.withdrawal_request(client, 10_000, not_after=moment + timedelta(days=2))
    with house.db.unit() as unit:
        return withdrawals.request(
            unit.session,
            request=request,
            signature=house.signed(request),
            trust=in_force(unit.session),
            correlation_id="test",
            now=moment,
        ).withdrawal


BY_THE_HOUR: Final = """policy: hours
version: 1
groups: {operators: [alice, bob]}
rules:
  - permit: in office hours
    match: {kind: withdrawal, time: {within: ["Mon-Fri 09:00-17:00"], zone: Europe/Berlin}}
  - permit: at night, a little
    match: {kind: withdrawal, time: {outside: ["Mon-Sun 08:00-20:00"], zone: Asia/Tokyo}, amount: {at_most: "1 BTC"}}
  - require: two on Mondays
    match: {kind: withdrawal, time: {within: ["Mon 00:00-24:00"], zone: Pacific/Auckland}}
    approvals: {operators: 2}
"""
BY_THE_DAY: Final = """policy: days
version: 1
groups: {operators: [alice, bob]}
rules:
  - permit: a few in a day
    match: {kind: withdrawal}
    limit: {per: client, window: 24h, count: 4}
  - require: two for much in a week
    match: {kind: withdrawal, total: {per: everyone, window: 7d, count: {above: 9}}}
    approvals: {operators: 2}
"""
ZONES: Final = (
    "UTC",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Tehran",
)


@pytest.fixture
def in_zone() -> Iterator[Any]:
    """Changes this process's zone; the one before it is put back."""
    before = os.environ.get("TZ")

    def change(zone: str | None) -> None:
        os.environ.pop("TZ", None) if zone is None else os.environ.update(TZ=zone)
        time.tzset()

    yield change
    change(before)


@plays("P-063")
def test_p063_zones_of_worker_and_database_change_no_verdict(house: Road, seed: int, in_zone: Any) -> None:
    chance = random.Random(seed)
    past = history(chance, 40)
    rules = [load_document(policy) for policy in (BY_THE_DAY, BY_THE_HOUR, BY_THE_HOUR, BY_THE_HOUR)]
    known = {"kind": "withdrawal", "asset": "BTC", "decimals": 8, "chain": "one", "destination": "new"}
    moments = [NOW - timedelta(minutes=chance.randrange(10_080)) for _ in range(200)]
    fixtures = [
        (rules[number % 4], random_facts(chance, moment, client="cl_a", amount_units=number + 1, **known))
        for number, moment in enumerate(moments)
    ]
    found = []
    owner = Database(house.database.superuser_url, pool_size=1)
    for zone in ZONES:
        in_zone(zone)
        with pytest.raises(_Undone), owner.unit() as unit:
            unit.session.execute(text("SET LOCAL session_replication_role = replica"))
            unit.session.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
            for number, each in enumerate(past):
                windows.admit(unit.session, digest=f"{number:064x}", facts=each.facts)
                if each.ended_at is not None:
                    end = windows.release if each.released else windows.finish
                    end(unit.session, digest=f"{number:064x}", now=each.ended_at)
            found.append([windows.decide(unit.session, policy=rule, facts=facts) for rule, facts in fixtures])
            raise _Undone
    owner.dispose()
    assert all(verdicts == found[0] for verdicts in found)
    assert {str(decision.outcome) for decision in found[0]} == {"allow", "require", "deny"}
    expect_whole(house)


class _Undone(Exception):
    """Takes back what was written for a trial."""


@plays("P-066")
def test_p066_a_broad_permit_above_a_strict_rule_opens_nothing(house: Road) -> None:
    rich(house, "broad")
    state_price(house, USUAL)
    assert house.state(house.ask("broad", 10 * DOLLAR)) == "approved"
    assert house.state(house.ask("broad", 10 * DOLLAR + 1)) == "denied"
    turned = load_document(POLICY.replace("rules:\n", "rules:\n  - permit: all\n    match: {kind: withdrawal}\n", 1))
    asked = house.ask("broad", 11 * DOLLAR)
    with house.db.unit() as unit:
        facts = windows.facts_when_admitted(unit.session, digest=asked.digest)
        assert facts is None, "what is denied is not admitted"
    stored = decision_of(house, asked)
    from policies.engine import evaluate
    from policies.facts import Facts, nothing_used

    assert evaluate(turned, Facts.from_json(stored.facts), nothing_used).outcome == "deny"
    expect_whole(house)


@plays("P-067")
def test_p067_what_nobody_can_name_is_denied_or_not_even_taken(house: Road) -> None:
    rich(house, "doubted")
    before = house.row_counts()
    for changes in (
        {"asset": "bip122:00000000000000000000000000000000/slip44:0"},
        {"asset": f"{REGTEST.chain}/slip44:2"},
        {"destination": "0x52908400098527886E0F7030069857D2E4169EE7"},
        {"destination": "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"},
    ):
        with pytest.raises(InvalidInput):
            house.withdraw(house.withdrawal_request("doubted", 10_000, **changes))
    assert house.row_counts() == before
    house.open("nobodys")
    house.deposit("nobodys", btc("0.1"))
    assert house.state(house.ask("nobodys", 10_000)) == "denied", "no rule names this client"
    expect_whole(house)


@plays("P-068")
def test_p068_what_is_pending_or_signed_counts_and_what_is_cancelled_does_not(house: Road) -> None:
    rich(house, "counted", "2")
    pending = house.ask("counted", btc("0.4"))
    assert house.state(pending) == "pending_approval"
    signed = house.ask("counted", btc("0.25"), max_fee=50_000)
    until_signed(house, signed)
    assert house.state(signed) == "signed"
    assert house.state(house.ask("counted", btc("0.4"))) == "denied"
    fits = house.ask("counted", btc("0.29"))
    assert house.state(fits) == "approved"
    house.cancel(pending.id)
    assert house.state(house.ask("counted", btc("0.4"))) == "pending_approval"
    assert house.state(house.ask("counted", btc("0.29"))) == "denied"
    house.settle()
    assert house.state(signed) == "broadcast"
    house.mine(3)
    assert house.state(signed) == "completed"
    assert house.state(house.ask("counted", btc("0.29"))) == "denied", "what is done counts for a day"
    expect_whole(house)


def until_signed(house: Road, withdrawal: Withdrawal) -> None:
    """Compose it and have two sign; nobody sends it."""
    house.wake()
    house.deliver(topics=("withdrawals.compose",))
    house.cosign("north", "south")
    house.deliver(topics=("signing.complete",))
    assert house.state(withdrawal) == "signed"


@plays("P-069")
def test_p069_a_tier_that_rises_before_signing_asks_more_people(house: Road) -> None:
    rich(house, "moving")
    state_price(house, USUAL)
    asked = house.ask("moving", 900 * DOLLAR)
    assert house.state(asked) == "approved"
    state_price(house, 2 * USUAL)
    house.settle()
    assert needs_two(house, asked)
    facts = decision_of(house, asked).facts
    assert (facts["usd_micros_asked"], facts["usd_micros"]) == ("900000000", "1800000000")
    state_price(house, USUAL)
    house.settle()
    assert needs_two(house, asked), "the stricter of both counts"
    house.approve(asked.digest, "alice", "bob")
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    expect_whole(house)


@plays("P-069")
def test_p069_a_cosigner_sees_the_tier_rise_after_the_bundle_was_made(house: Road) -> None:
    rich(house, "refused")
    state_price(house, USUAL)
    asked = house.ask("refused", 900 * DOLLAR)
    house.settle(cosigners=())
    assert house.state(asked) == "awaiting_signatures"
    state_price(house, 2 * USUAL)
    state_status(house.db)
    for name in ("north", "south"):
        (bundle,) = house.given_to(name)
        answer = house.desks[name].answer(bundle, confirm=yes, clock=house.now)
        assert isinstance(answer, SignedRefusal)
        assert answer.refusal.reason == "approvals-missing"
        house.hand_in(name, answer)
    house.settle()
    assert house.state(asked) == "failed"
    expect_whole(house)


@plays("P-069")
def test_p069_a_bundle_is_taken_back_before_anybody_is_given_it(house: Road) -> None:
    rich(house, "recalled")
    state_price(house, USUAL)
    asked = house.ask("recalled", 900 * DOLLAR)
    house.settle(cosigners=())
    assert house.state(asked) == "awaiting_signatures"
    state_price(house, 2 * USUAL)
    assert house.cosign() == []
    found = house.see(asked)
    assert (found.state, found.waiting_for) == ("approved", "more people's approval")
    house.settle()
    assert needs_two(house, asked)
    house.approve(asked.digest, "alice", "bob")
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    assert [attempt.state for attempt in house.attempts(asked)] == ["abandoned", "confirmed"]
    expect_whole(house)


@plays("P-069")
def test_p069_what_is_signed_is_not_sent_before_more_people_agreed(house: Road) -> None:
    rich(house, "signed")
    state_price(house, USUAL)
    asked = house.ask("signed", 900 * DOLLAR)
    until_signed(house, asked)
    state_price(house, 2 * USUAL)
    house.settle()
    found = house.see(asked)
    assert (found.state, found.waiting_for) == ("signed", "more people's approval")
    house.approve(asked.digest, "alice", "bob")
    house.settle()
    assert house.state(asked) == "broadcast"
    house.mine(3)
    assert house.state(asked) == "completed"
    expect_whole(house)


def test_an_approved_withdrawal_waits_for_a_clear_screening_and_says_so(house: Road) -> None:
    rich(house, "screened")
    asked = house.ask("screened", 100 * DOLLAR)
    for result in (None, "review", "hit"):
        if result is not None:
            state_screening(house, asked.destination, result)
        house.settle()
        found = house.see(asked)
        assert found.state == "approved"
        assert found.waiting_for == f"screening is {result or 'not known'}, and must be clear"
    state_screening(house, asked.destination, "clear")
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    expect_whole(house)


def test_an_approved_withdrawal_waits_for_fresh_books_and_says_so(house: Road) -> None:
    rich(house, "fresh")
    with Database(house.database.owner_url, pool_size=1).unit() as unit:
        unit.session.execute(
            text("UPDATE vaults SET reconciled_at = now() - interval '2 hours' WHERE id = :v"),
            {"v": house.vaults["fresh"]},
        )
    asked = house.ask("fresh", 100 * DOLLAR)
    house.settle()
    found = house.see(asked)
    assert found.state == "approved"
    assert "must be at most 1h ago" in str(found.waiting_for)
    house.reconcile()
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    expect_whole(house)


def test_what_is_denied_only_for_want_of_a_price_waits_for_one(house: Road) -> None:
    rich(house, "cheap")
    state_price(house, USUAL)
    asked = house.ask("cheap", 900 * DOLLAR)
    assert house.state(asked) == "approved"
    state_price(house, USUAL, 10 * USUAL, USUAL)
    house.settle()
    found = house.see(asked)
    assert found.state == "approved"
    assert "“what is cheap” needs to know" in str(found.waiting_for)
    state_price(house, 2 * USUAL)
    house.settle()
    assert house.state(asked) == "denied", "a price that is known and too high permits nothing"
    expect_whole(house)

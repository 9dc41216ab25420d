"""What a cosigner makes of prices and screenings: proved, by its own clock, and the daemon's word only tightens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import UNSIGNED, CosignerRefusal, Reason
from custody.evidence.bundle import Bundle
from custody.evidence.statements import Price, SignedStatement
from tests.cosigner.builders import BTC, NOW, REGTEST, World, address
from tests.support.sources import PICOS, PRICE_SOURCES, price, prices, screening, service_key_id, sources, stated

ASSET = REGTEST.asset.id
POLICY = """policy: worth
version: 1
groups: {operators: [alice, bob, carol]}
rules:
  - permit: withdrawals
    match: {kind: withdrawal}
  - permit: new clients
    match: {kind: client_opening}
  - require: an operator opens a client
    match: {kind: client_opening}
    approvals: {operators: 1}
  - require: two above a thousand dollars
    match: {kind: withdrawal, usd: {above: 1_000}}
    approvals: {operators: 2}
"""
SCREENED = (
    POLICY
    + """  - require: screened
    match: {kind: withdrawal}
    screening: clear
"""
)
PERMITTED = POLICY.replace("match: {kind: withdrawal}", "match: {kind: withdrawal, usd: {at_most: 5_000}}", 1)
SMALL = 1_000_000
"""0.01 BTC: 600 dollars at 60,000."""
SECOND = timedelta(seconds=1)
OLD = NOW - timedelta(minutes=16)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory.create(tmp_path / "memory.sqlite")


def world(policy: str = POLICY) -> World:
    return World(policy=policy, services=sources())


def bundle(here: World, statements: Sequence[SignedStatement], *, approvers: Sequence[str] = (), **told: Any) -> Bundle:
    request = here.withdrawal("acme", SMALL)
    facts = {"usd_micros": 600_000_000, "price_state": "fresh", "screening": "clear", "collateral": "none", **told}
    payment = here.payment(request, branch=7, approvers=approvers, **facts)
    psbt = here.transaction([payment], [here.coin(7, BTC)], fee_sat=3_000)
    return here.bundle([payment], [here.opening("acme", 7)], psbt, statements=tuple(statements))


def refused(here: World, memory: Memory, found: Bundle) -> Reason:
    with pytest.raises(CosignerRefusal) as told:
        here.judge(found, memory)
    return told.value.reason


def clear(result: str = "clear", at: Any = NOW) -> SignedStatement:
    return screening(REGTEST.chain, address("somebody"), result, at)


def test_counts_what_is_stated_and_keeps_it_for_its_own_windows(memory: Memory) -> None:
    here = world()
    verdict = here.judge(bundle(here, prices(ASSET, 60_000, NOW)), memory)
    facts = verdict.payments[0].facts
    assert (facts.usd_micros, facts.price_state, facts.price_age_seconds) == (600_000_000, "fresh", 0)
    assert facts.destination_code == "plain"


def test_a_price_that_the_daemon_says_is_low_counts_by_its_signature(memory: Memory) -> None:
    here = world()
    assert refused(here, memory, bundle(here, prices(ASSET, 200_000, NOW))) is Reason.APPROVALS_MISSING
    here.judge(bundle(here, prices(ASSET, 200_000, NOW), approvers=("alice", "bob")), memory)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], Reason.APPROVALS_MISSING),
        (prices(ASSET, 60_000, NOW)[:2], Reason.APPROVALS_MISSING),
        ([*prices(ASSET, 60_000, NOW)[:2], price(ASSET, 600_000, NOW, by="ticker-3")], Reason.APPROVALS_MISSING),
        (prices("bip122:0/slip44:0", 60_000, NOW), Reason.APPROVALS_MISSING),
        (prices(ASSET, 60_000, NOW + timedelta(minutes=3)), Reason.APPROVALS_MISSING),
        (prices(ASSET, 60_000, OLD), Reason.FACTS_TOO_OLD),
        ([*prices(ASSET, 60_000, NOW)[:2], price(ASSET, 60_000, OLD, by="ticker-3")], Reason.FACTS_TOO_OLD),
    ],
    ids=["none", "too few", "disputed", "another asset", "of the future", "old", "one old"],
)
def test_an_unknown_price_is_the_highest_tier(
    memory: Memory, statements: list[SignedStatement], reason: Reason
) -> None:
    here = world()
    assert refused(here, memory, bundle(here, statements)) is reason
    here.judge(bundle(here, statements, approvers=("alice", "bob")), memory)


def test_an_unknown_price_permits_nothing_and_waiting_may_help_where_it_is_old(memory: Memory) -> None:
    here = world(PERMITTED)
    here.judge(bundle(here, prices(ASSET, 60_000, NOW)), memory)
    assert refused(here, memory, bundle(here, [], approvers=("alice", "bob"))) is Reason.POLICY_DENIES
    aged = bundle(here, prices(ASSET, 60_000, OLD), approvers=("alice", "bob"))
    assert refused(here, memory, aged) is Reason.FACTS_TOO_OLD
    assert Reason.FACTS_TOO_OLD in UNSIGNED


@pytest.mark.parametrize(
    "bad",
    [
        price(ASSET, 60_000, NOW, by="stranger"),
        price(ASSET, 60_000, NOW, by="screener-1"),
        price(ASSET, 60_000, NOW, key="ticker-2"),
        replace(price(ASSET, 600_000, NOW), statement=Price(ASSET, 60_000 * PICOS, NOW)),
        replace(price(ASSET, 60_000, NOW), service=PRICE_SOURCES[1]),
        screening(REGTEST.chain, address("somebody"), "clear", NOW, by=PRICE_SOURCES[0]),
        replace(clear("hit"), statement=clear("clear").statement),
    ],
    ids=["nobody's", "of another role", "another's key", "altered", "another's name", "not its to say", "turned round"],
)
def test_refuses_a_statement_that_is_not_proved(memory: Memory, bad: SignedStatement) -> None:
    here = world()
    with_bad = bundle(here, [*prices(ASSET, 60_000, NOW), bad], approvers=("alice", "bob"))
    assert refused(here, memory, with_bad) is Reason.STATEMENT_INVALID


def test_what_is_stated_under_a_revoked_key_counts_no_more(memory: Memory) -> None:
    here = world()
    good = bundle(here, prices(ASSET, 60_000, NOW))
    here.judge(good, memory)
    revoked = replace(good, status=here.status(revoked=(service_key_id(PRICE_SOURCES[0]),), now=NOW + SECOND))
    with pytest.raises(CosignerRefusal) as told:
        here.judge(revoked, memory, now=NOW + SECOND)
    assert told.value.reason is Reason.APPROVALS_MISSING


def test_what_the_daemon_says_of_the_price_when_asked_only_tightens(memory: Memory) -> None:
    here = world()
    statements = prices(ASSET, 60_000, NOW)
    here.judge(bundle(here, statements, usd_micros_asked=600_000_000), memory)
    for asked in (1_100_000_000, 0):
        assert refused(here, memory, bundle(here, statements, usd_micros_asked=asked)) is Reason.APPROVALS_MISSING
    (payment,) = (known := bundle(here, statements)).payments
    looser = {**payment.decision, "facts": {**payment.decision["facts"], "usd_micros_asked": "1100000000"}}
    forgot = replace(known, payments=(replace(payment, decision=looser),))
    assert refused(here, memory, forgot) is Reason.APPROVALS_MISSING, "what it says counts, whatever it made of it"
    dear = prices(ASSET, 200_000, NOW)
    assert refused(here, memory, bundle(here, dear, usd_micros_asked=1)) is Reason.APPROVALS_MISSING


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], Reason.SCREENING_NOT_CLEAR),
        ([clear("review")], Reason.SCREENING_NOT_CLEAR),
        ([clear("hit")], Reason.SCREENING_NOT_CLEAR),
        ([clear(at=NOW - timedelta(hours=1)), clear("hit")], Reason.SCREENING_NOT_CLEAR),
        ([screening(REGTEST.chain, address("other"), "clear", NOW)], Reason.SCREENING_NOT_CLEAR),
        ([clear(at=NOW - timedelta(hours=25))], Reason.FACTS_TOO_OLD),
        ([stated(Price(ASSET, PICOS, NOW), PRICE_SOURCES[0])], Reason.SCREENING_NOT_CLEAR),
    ],
    ids=["none", "review", "hit", "hit since", "of another", "old", "of a price"],
)
def test_a_clear_screening_must_stand_where_the_policy_asks_for_it(
    memory: Memory, statements: list[SignedStatement], reason: Reason
) -> None:
    here = world(SCREENED)
    known = prices(ASSET, 60_000, NOW)
    here.judge(bundle(here, [*known, clear()]), memory)
    assert refused(here, memory, bundle(here, [*known, *statements])) is reason


def test_the_bundle_keeps_its_digest_when_its_statements_are_renewed() -> None:
    here = world()
    one, other = bundle(here, prices(ASSET, 60_000, OLD)), bundle(here, prices(ASSET, 60_000, NOW))
    assert one.digest == other.digest
    assert replace(one, attempt="att_other").digest != one.digest
    assert Bundle.parse(one.to_json()).statements == one.statements

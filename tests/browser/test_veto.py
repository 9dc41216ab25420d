"""A payment that everybody agreed to is stopped while its delay runs; and how payments look further down the road."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from custody.withdrawals import operations as withdrawals
from tests.browser.conftest import RoadStage, on_the_road
from tests.browser.looking import look, look_at, look_printed
from tests.cosigner.builders import DELAYED
from tests.support.console import WHY_NOT
from tests.support.road import btc
from tests.support.servers import Bitcoind, FreshDatabase


@pytest.fixture
def patient(database: FreshDatabase, bitcoind: Bitcoind, browser: Browser, tmp_path: Path) -> Iterator[RoadStage]:
    """Where a large payment also waits for an hour."""
    yield from on_the_road(database, bitcoind, browser, tmp_path, policy=DELAYED)


def test_a_second_operator_stops_what_was_agreed_to_while_its_delay_runs(patient: RoadStage) -> None:
    house = patient.house
    asked = house.ask("acme", btc("0.1"))
    alice, carol = patient.person("alice"), patient.person("carol")
    assert alice.give(asked.digest) == 201
    house.approve(asked.digest, "bob")
    house.settle()
    assert house.state(asked) == "pending_approval"
    assert [house.bundles_for(name) for name in house.desks] == [[]] * len(house.desks)

    assert "it can still be vetoed" in carol.open("/console?tab=needs-others").inner_text("main")
    look(carol, f"/console/intents/{asked.digest}", "intent-delayed")
    seen = carol.page.inner_text("main")
    assert "Nothing is sent yet: people agreed, and its delay runs for 59 min more." in seen
    assert carol.page.locator("button[value=approve]").count() == 0
    assert carol.give(asked.digest, "reject") == 201
    told = carol.page.inner_text("main")
    assert "Your rejection is recorded." in told
    assert "Nothing is sent." in told

    house.settle()
    alice.open(f"/console/intents/{asked.digest}")
    row = alice.page.locator("tr", has_text="said no by passkey").inner_text()
    assert "carol" in row
    assert WHY_NOT in row
    assert "rejected by carol" in alice.page.inner_text("main")
    assert "There is nothing to decide any more: this is rejected." in alice.page.inner_text("main")
    assert "Nothing is sent: this is rejected, and its money is free." in alice.page.inner_text(".stands")
    look_at(alice, "intent-vetoed")
    patient.later(hours=2)
    house.settle()
    assert (house.state(asked), house.balance("acme")) == ("rejected", (btc("0.5"), 0))
    assert (house.attempts(asked), house.paid(asked.destination)) == ([], [])
    assert [house.given_to(name) for name in house.desks] == [[]] * len(house.desks)
    assert [*alice.said, *carol.said] == []
    house.check()


def test_payments_further_down_the_road_are_fit_to_be_seen(road_stage: RoadStage) -> None:
    house = road_stage.house
    sent, late = house.ask("acme", btc("0.02"), max_fee=100_000), house.ask("acme", btc("0.06"))
    house.settle()
    house.bump(sent.id, 20)
    house.settle()
    alice = road_stage.person("alice")
    look(alice, f"/console/intents/{sent.digest}", "intent-attempts")
    assert alice.page.locator("h3:has-text('Attempt')").count() == 2
    look_printed(alice, "intent-attempts")
    house.mine(6)
    look(alice, f"/console/intents/{sent.digest}", "intent-paid")
    road_stage.later(days=3)
    with house.db.unit() as unit:
        assert withdrawals.expire_overdue(unit.session, now=unit.now) == [late.id]
    alice.sign_in()
    look(alice, f"/console/intents/{late.digest}", "intent-expired")
    assert alice.said == []

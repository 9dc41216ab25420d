"""Before a yes to what looks like something else, the address is read from what the client sent, by hand or pasted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from custody.api.console.pages.interruption import hidden_groups
from custody.api.console.parts import groups_of
from custody.approvals import queries
from tests.browser.chromium import Person
from tests.browser.conftest import Stage, at_home
from tests.browser.looking import look, look_at
from tests.integration.console.test_deciding import with_a_twin
from tests.support.console import WHY_NOT
from tests.support.servers import FreshDatabase


def left_out(person: Person, digest: str, to: str, name: str) -> list[str]:
    """Press Approve; the groups that the page asks for, which stand nowhere in it."""
    person.open(f"/console/intents/{digest}")
    person.page.click("button[value=approve]")
    person.page.wait_for_selector("h1:has-text('Stop: read the address')")
    groups = [groups_of(to)[1][place] for place in hidden_groups(to, digest, name)]
    source = person.page.inner_html("main")
    assert to not in source
    assert [each for each in groups if each in source] == []
    assert person.page.locator("#passkey").count() == 0
    return groups


def answer(person: Person, first: str, second: str) -> None:
    person.page.fill("#first", first)
    person.page.fill("#second", second)
    person.page.click("text=Go on to approve …")


@pytest.fixture
def stage(database: FreshDatabase, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """Where a first payment of a fifth of a bitcoin is read out."""
    yield from at_home(database, browser, tmp_path, read_out_from="0.2 BTC")


def test_a_large_first_payment_is_read_out_and_a_smaller_one_is_not(stage: Stage) -> None:
    large, small = (
        stage.house.withdraw(stage.house.withdrawal_request("acme", each)) for each in (20_000_000, 19_999_999)
    )
    alice = stage.person("alice")
    groups = left_out(alice, large.digest, large.destination, "alice")
    assert "The client has never paid BTC to this address, and it is 0.2 BTC or more." in alice.page.inner_text("main")
    answer(alice, *groups)
    assert alice.sign() == 201
    assert alice.give(small.digest) == 201


def test_a_look_alike_is_agreed_to_by_who_reads_it_elsewhere_and_by_nobody_who_cannot(stage: Stage) -> None:
    digest, to = with_a_twin(stage.house)
    alice, bob = stage.person("alice"), stage.person("bob")
    look(alice, f"/console/intents/{digest}", "intent-look-alike")
    assert "looks like Kraken cold 3" in alice.page.inner_text("main")
    first, second = left_out(alice, digest, to, "alice")
    look_at(alice, "interruption")
    answer(alice, "wrng", second)
    assert "No verdict is recorded; a second miss asks another person." in alice.page.inner_text("main")
    look_at(alice, "interruption-missed")
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for field, pasted in (("#first", f" {first.upper()} "), ("#second", f"{second[:2]} {second[2:]}\n")):
        alice.page.evaluate("(words) => navigator.clipboard.writeText(words)", pasted)
        alice.page.focus(field)
        alice.page.keyboard.press("Control+V")
    alice.page.keyboard.press("Enter")
    alice.page.wait_for_selector("#passkey")
    assert to in alice.page.inner_text("main")
    assert alice.sign() == 201

    groups = left_out(bob, digest, to, "bob")
    for _ in range(2):
        answer(bob, *groups[::-1])
    assert "somebody else has to read the address" in bob.page.inner_text("h1")
    look_at(bob, "interruption-closed")
    bob.page.click("text=Back, to say no")
    assert bob.page.is_disabled("#approve")
    assert "next to ask: carol" in bob.page.inner_text("#why-approve")
    bob.page.fill("#reason", WHY_NOT)
    bob.page.click("button[value=reject]")
    bob.page.wait_for_selector("#passkey")
    assert bob.sign() == 201
    with stage.house.db.unit() as unit:
        assert queries.get(unit.session, digest=digest).state == "rejected"
    alice.open(f"/console/intents/{digest}")
    assert WHY_NOT in alice.page.locator("tr", has_text="said no by passkey").inner_text()
    assert [*alice.said, *bob.said] == []

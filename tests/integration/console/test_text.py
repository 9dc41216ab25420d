"""What others wrote stays text on every page of the core, and pages keep what every page promises."""

from __future__ import annotations

import re
from typing import Any

import pytest

from custody.api.console import parts
from custody.api.console.pages import intents as pages
from custody.api.console.pages import interruption
from custody.api.console.trouble import MONEY
from tests.cosigner.builders import BTC
from tests.support.console import DANGER, HOSTILE, Visitor, at_console
from tests.support.world import House


def test_no_part_of_a_page_lets_text_become_markup() -> None:
    for words in HOSTILE:
        table = parts.table(words, (words,), [parts.Row((words,))], empty=words)
        field = parts.entry(words, "x", value=words, problem=words, hint=words)
        other = parts.address(words) + parts.button("go", why_not=words) + parts.tag(words) + parts.banner(words)
        assert DANGER.search(table + field + other + parts.choice(words, "y", [(words, words)])) is None


def test_every_page_keeps_what_pages_promise(house: House, alice: Visitor) -> None:
    digest = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    paths = ("/console", f"/console/intents/{digest}", "/console/passkeys", "/console/help", "/console?tab=stuck")
    for path in paths:
        text = alice.get(path).text
        assert len(re.findall(r"<h1[ >]", text)) == 1, path
        for closed in re.findall(r"<button[^>]*disabled[^>]*>", text):
            why = re.search(r'aria-describedby="([^"]+)"', closed)
            assert why is not None, closed
            assert re.search(rf'id="{why[1]}"[^>]*>[^<]+<', text), closed
        for shown in re.findall(r'class="address">(.*?)</span></span>', text):
            assert "…" not in shown
        assert len(text) < 30_000
        names = re.findall(r'\sid="([^"]+)"', text)
        assert len(set(names)) == len(names), path


@pytest.mark.parametrize("path", ["/console/nowhere", "/console/intents/xyz", f"/console/intents/{'00' * 32}"])
def test_an_error_says_first_what_it_means_for_the_money(alice: Visitor, path: str) -> None:
    headers = {"Cookie": alice.cookie, "Accept": "text/html"}
    answer = alice.client.get(path, headers=headers)
    assert answer.status_code in (404, 422)
    body = answer.text.partition("<main")[2]
    assert MONEY in body
    assert answer.headers["request-id"] in body
    assert alice.client.get(path, headers={"Cookie": alice.cookie}).headers["content-type"].endswith("problem+json")


def test_a_critical_finding_asks_for_the_groups_that_the_page_leaves_out() -> None:
    address = "bcrt1qw2wh6cuvaud5wmy6682ayawuj87z2wsz5v09vh"
    view: dict[str, Any] = {
        "destination": address,
        "digest": "ab" * 32,
        "misread": 1,
        "missing_people": {"operators": ["bob", "alice"]},
        "findings": [{"level": "CRITICAL", "sentence": "It looks like another."}],
    }
    places = interruption.hidden_groups(address, view["digest"], "alice")
    groups = parts.groups_of(address)[1]
    assert len(places) == 2
    assert 0 not in places
    assert len(groups) - 1 not in places
    page = interruption.interruption(at_console("alice"), view)
    assert all(groups[place] not in page for place in places)
    assert "No verdict is recorded" in page
    again = interruption.interruption(at_console("alice"), view | {"misread": 2})
    assert "next to ask: bob." in again
    assert "<form" not in again.partition("<main")[2]
    right = tuple(groups[place].upper() for place in places)
    assert interruption.is_answered(address, places, right)
    assert not interruption.is_answered(address, places, right[::-1])
    assert not interruption.is_answered(address, places, ("", ""))
    assert pages.SHORTEST_REASON == 10

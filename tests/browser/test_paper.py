"""A withdrawal on paper: one page, with the facts of ``custody withdrawal show`` in its order, and no gap unsaid."""

from __future__ import annotations

import re

import pytest

from custody.approvals import queries as intents
from custody.cli.exits import DONE, run
from custody.cli.main import app
from custody.evidence.codes import digest_code
from custody.trust.assets import assets_seen
from custody.views.objects import words_of
from custody.withdrawals.model import Withdrawal
from tests.browser.chromium import Person
from tests.browser.conftest import RoadStage
from tests.browser.looking import look_printed
from tests.support.road import Road, btc
from tests.support.world import environment

PAGE = re.compile(rb"/Type\s*/Page\b")
LEFT = ("Every rule, and why", "What was asked for, field by field", "Raw")
"""Long traces and raw bytes: of each is said that it is on the screen."""


def test_a_withdrawal_is_one_page_and_what_the_command_line_shows(
    road_stage: RoadStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house = road_stage.house
    ended, waiting = house.ask("acme", btc("0.07")), house.ask("acme", btc("0.06"))
    house.approve(ended.digest, "bob", "carol")
    house.settle()
    house.mine(6)
    house.approve(waiting.digest, "bob")
    for name, value in environment(house.database, node_url=house.node.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("config.logging.configure", lambda *_, **__: None)
    alice = road_stage.person("alice")
    for name, asked in (("waiting", waiting), ("completed", ended)):
        paper, traces = printed(alice, asked, name)
        capsys.readouterr()
        assert run(app, ["withdrawal", "show", asked.id]) == DONE
        shown = capsys.readouterr().out
        facts = facts_of(house, asked)
        assert in_order(paper, facts) == in_order(shown, facts) == []
        assert traces == dict.fromkeys(LEFT, True)
    assert alice.said == []


def printed(person: Person, asked: Withdrawal, name: str) -> tuple[str, dict[str, bool]]:
    """The text of its one page, and whether each long part is left out and said to be."""
    page = person.open(f"/console/intents/{asked.digest}")
    assert len(PAGE.findall(page.pdf(prefer_css_page_size=True))) == 1, name
    assert len(PAGE.findall(page.pdf(format="Letter"))) == 1, f"{name} on the paper of other countries"
    look_printed(person, f"intent-{name}")
    page.emulate_media(media="print")
    text = page.inner_text("main")
    left = {
        each: page.locator("details", has_text=each).last.evaluate(
            """(each) => getComputedStyle(each.querySelector("summary"), "::after").content.includes("not printed")
              && [...each.children].every((child) => child.tagName === "SUMMARY" || !child.checkVisibility())"""
        )
        for each in LEFT
    }
    page.emulate_media(media="screen")
    return text, left


def facts_of(house: Road, asked: Withdrawal) -> list[str]:
    """What both have to say, one after the other."""
    with house.db.unit() as unit:
        filed = intents.get(unit.session, digest=asked.digest)
        assets = assets_seen(unit.session)
        words = words_of(filed, assets)
    steps = house.steps(asked)
    amount, held = f"0.0{asked.units // 1_000_000}000000", "0.00000000" if len(steps) > 5 else "0.06020000"
    people = ("bob agreed by key", "carol", "exchange cannot approve: asked for it")
    return [
        *(f"Send {amount} BTC of Acme to the address below", "There is no price", "The destination is on no list"),
        *(*words[:-1], digest_code(asked.digest), asked.digest),
        *(amount, "0.00020000", held, "allowed when 2 of operators agree", *people),
        *(step.to_state for step in steps),
        *(each.spend for each in house.attempts(asked)),
    ]


def in_order(text: str, facts: list[str]) -> list[str]:
    """Those that do not stand in the text behind the one before; however a line is broken, and a name spelled."""
    missing, place, whole = [], 0, bare(text)
    for fact in facts:
        found = whole.find(bare(fact), place)
        if found < 0:
            missing.append(fact)
        else:
            place = found + len(bare(fact))
    return missing


def bare(text: str) -> str:
    return re.sub(r"[\s_]", "", text)

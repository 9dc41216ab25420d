"""Whose word counts and soon may: invitations that wait, cosigners, and what each version of the rules changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from custody.operators import entering
from custody.trust import operations as trust
from tests.integration.api.callers import expect_problem
from tests.support.console import Visitor
from tests.support.passkeys import put_in_force
from tests.support.world import House

PEOPLE = "/console/people"


def invite(house: House, name: str, *, ago: timedelta = timedelta(0)) -> str:
    with house.db.unit() as unit:
        return entering.invite(unit.session, operator=name, actor="bob", now=unit.now - ago)


def test_who_is_invited_is_shown_with_by_whom_until_it_is_used_or_over(house: House, alice: Visitor) -> None:
    caption = "Invited, and nothing made yet"
    assert caption not in alice.get(PEOPLE).text
    secret = invite(house, "erin")
    invite(house, "late", ago=entering.INVITATION_LASTS + timedelta(minutes=1))
    shown = alice.get(PEOPLE).text.partition(caption)[2].partition("</table>")[0]
    assert "erin" in shown and "bob" in shown and "late" not in shown
    assert secret not in alice.get(PEOPLE).text
    with house.db.unit() as unit:
        unit.session.execute(text("UPDATE console_invitations SET used_at = now() WHERE operator = 'erin'"))
    assert caption not in alice.get(PEOPLE).text


def test_each_version_says_what_it_changed_and_who_agreed(house: House, alice: Visitor) -> None:
    first = alice.get(f"{PEOPLE}/versions/1").text
    assert "It is the first" in first
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
    groups = {**root.groups, "night": ("alice",)}
    put_in_force(house, replace(root, version=2, previous=root.hash, groups=groups))
    assert f'href="{PEOPLE}/versions/2"' in alice.get(PEOPLE).text
    second = alice.get(f"{PEOPLE}/versions/2").text
    assert "night" in second.partition("What it changed")[2].partition("</section>")[0]
    for path in ("3", "0", "x", "9" * 30):
        expect_problem(alice.get(f"{PEOPLE}/versions/{path}"), 404, "unknown-version")


def test_cosigners_are_named_with_what_counts_and_when_each_was_seen(house: House, alice: Visitor) -> None:
    with house.db.unit() as unit:
        unit.session.execute(
            text("INSERT INTO quarantined_cosigners (cosigner, reason, at) VALUES ('north', 'signed another', now())")
        )
    shown = alice.get(PEOPLE).text.partition("<caption>Cosigners</caption>")[2].partition("</table>")[0]
    assert "north" in shown and "signed another" in shown and shown.count("has fetched nothing yet") >= 2

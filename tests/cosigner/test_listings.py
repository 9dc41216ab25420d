"""A cosigner pays a listed destination by the agreement in the bundle, and knows when it begins to count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from custody.cosigner.answering import Desk
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.lookalikes import similar_to
from tests.cosigner.builders import NOW, address
from tests.cosigner.conftest import memory
from tests.support.lists import COOLING, LISTED_ONLY, ListedWorld, listing, proved

__all__ = ["memory"]

WORLD = ListedWorld()


def test_signs_for_what_people_listed(memory: Memory) -> None:
    verdict = WORLD.judge(WORLD.paying(proved(listing())), memory)
    assert verdict.payments[0].facts.destination == "listed"


def test_counts_from_the_last_agreement_to_the_second(memory: Memory) -> None:
    agreed = proved(listing(not_after=NOW + timedelta(hours=1)), at=NOW - COOLING)
    assert WORLD.judge(WORLD.paying(agreed), memory).payments[0].facts.destination == "listed"


def test_what_the_daemon_knows_to_be_taken_off_is_not_listed(memory: Memory) -> None:
    with pytest.raises(CosignerRefusal) as refusal:
        WORLD.judge(WORLD.paying(proved(listing()), told="new"), memory)
    assert refusal.value.reason is Reason.POLICY_DENIES


def test_waits_out_the_delay_of_a_listing_from_when_it_saw_it(memory: Memory) -> None:
    slow = LISTED_ONLY.replace(
        "match: {kind: destination_listing}\n    approvals: {operators: 1}",
        "match: {kind: destination_listing}\n    approvals: {operators: 1}\n    delay: 12h",
    )
    assert slow != LISTED_ONLY
    world = ListedWorld(policy=slow)
    agreed = proved(listing())
    with pytest.raises(CosignerRefusal) as refusal:
        world.judge(world.paying(agreed), memory)
    assert refusal.value.reason is Reason.DELAY_NOT_OVER
    assert refusal.value.waiting == (agreed.intent.digest,)


def test_a_listing_that_nobody_has_to_agree_to_counts_from_when_it_was_first_met(
    memory: Memory, tmp_path: Path
) -> None:
    alone = LISTED_ONLY.replace(
        "  - require: an operator agrees to a list\n"
        "    match: {kind: destination_listing}\n    approvals: {operators: 1}\n",
        "",
    )
    assert alone != LISTED_ONLY
    world = ListedWorld(policy=alone)
    memory.pin(world.root.hash, now=NOW)
    desk, agreed = Desk(world.key, memory, Limits()), proved(listing(), approvers=())
    forged = replace(agreed, request_signature=world.prove(world.withdrawal("acme", 5), branch=7).request_signature)
    digest = agreed.intent.digest
    for name, told, seen in (("bnd_1", forged, None), ("bnd_2", agreed, NOW)):
        bundle = replace(world.paying(told), id=name, attempt=f"att_{name}")
        desk.answer(bundle, confirm=lambda _verdict: True, clock=lambda: NOW)
        assert memory.first_seen(digest) == seen
    other = Memory.create(tmp_path / "other.sqlite")
    other.note_seen([digest], now=NOW - COOLING)
    assert world.judge(world.paying(agreed), other).payments[0].facts.destination == "listed"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0xAbCd000000000000000000000000000000001234", "0xabcd999999999999999999999999999999991234"),
        ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "bcrt1qw50aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaat080"),
        ("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoaQQQQQQQQQQQQQQQQQQQQQQQQQQQtpyT"),
    ],
)
def test_sees_what_people_take_for_one_another(one: str, other: str) -> None:
    assert similar_to(other, [address("x"), one]) == one
    assert similar_to(one, [one]) is None
    assert similar_to(one[:-1] + "x", [other]) is None


def test_does_not_take_all_addresses_of_a_network_for_one_another() -> None:
    known = [address(str(number)) for number in range(200)]
    assert [each for each in known if similar_to(each, known)] == []

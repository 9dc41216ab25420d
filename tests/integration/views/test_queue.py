"""The queue: everything that waits is in one place, whoever looks; a page costs as much as ten of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from custody.approvals import queries as intents
from custody.approvals.askings import askings_among
from custody.kernel.errors import InvalidInput
from custody.trust.operations import in_force
from custody.views.queue import NEEDS_KEYS, NEEDS_ME, NEEDS_OTHERS, ON_CHAIN, PLACES, STUCK, Asked, Page, counts, queue
from custody.views.standing import whole_intent, whole_intents
from tests.cosigner.builders import BTC, World
from tests.integration.movements.counting import statements_of
from tests.support.servers import FreshDatabase
from tests.support.world import House

PEOPLE = ("alice", "bob", "carol", "dora")
LARGE, SMALL = 6_000_000, 1_000_000
_LARGE_ASKS = 'amount: {above: "0.05 BTC"}}\n    approvals: {operators: 2'
POLICY = (
    World()
    .policy.replace("operators: [alice, bob, carol]", "operators: [alice, bob, carol]\n  risk: [carol, dora]")
    .replace(_LARGE_ASKS, f"{_LARGE_ASKS}, risk: 1")
)


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """Two groups that share carol, and a client with money."""
    house = _found(database, POLICY, operators=PEOPLE[:3], risk=PEOPLE[2:])
    yield house
    house.close()


def _found(database: FreshDatabase, policy: str, **groups: tuple[str, ...]) -> House:
    people = tuple(sorted({person for members in groups.values() for person in members}))
    world = World(policy=policy, operators=people, groups=tuple(groups.items()), now=datetime.now(UTC))
    house = House.found(database, ceremony=world)
    house.open_client("acme", branch=1)
    house.credit("acme", 100 * BTC)
    return house


def asked(house: House, operator: str, **changes: Any) -> Asked:
    with house.db.unit() as unit:
        found = Asked(in_force(unit.session), operator, house.runtime.deadlines, askings_among(unit.session), unit.now)
    return replace(found, **changes)


def read(house: House, question: Asked, place: str, *, limit: int = 200, after: str | None = None) -> Page:
    with house.db.unit() as unit:
        return queue(unit.session, question, place=place, after=after, limit=limit)


def everything(house: House, question: Asked, *, limit: int = 200) -> dict[str, list[dict[str, Any]]]:
    """Every place, page by page."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place in PLACES:
        page = read(house, question, place, limit=limit)
        rows = page.rows
        while page.next is not None:
            page = read(house, question, place, limit=limit, after=page.next)
            rows = [*rows, *page.rows]
        found[place] = rows
    return found


def counted(house: House, question: Asked) -> dict[str, int]:
    with house.db.unit() as unit:
        return {place: each["count"] for place, each in counts(unit.session, question).items()}


def digests(rows: list[dict[str, Any]]) -> list[str]:
    return [row["digest"] for row in rows]


def test_each_is_in_one_place_and_counts_are_the_rows(house: House) -> None:
    paid = [house.withdraw(house.withdrawal_request("acme", LARGE)) for _ in range(4)]
    going = house.withdraw(house.withdrawal_request("acme", SMALL))
    opening = house.request_opening(house.opening_request("birch", branch=2))
    house.approve(paid[0].digest, "alice")
    house.approve(paid[1].digest, "alice", "bob")
    house.approve(paid[2].digest, "dora")
    for person in ("", *PEOPLE):
        question = asked(house, person)
        found = everything(house, question, limit=2)
        assert {place: len(rows) for place, rows in found.items()} == counted(house, question)
        shown = [digest for rows in found.values() for digest in digests(rows)]
        assert sorted(shown) == sorted([*(each.digest for each in paid), going.digest, opening.digest])
        assert digests(found[ON_CHAIN]) == [going.digest]
        assert found == everything(house, question)
        wanted = {row["digest"] for row in [*found[NEEDS_ME], *found[NEEDS_OTHERS]] if _is_asked(row, person)}
        assert wanted == set(digests(found[NEEDS_ME])), person


def test_who_could_only_be_one_too_many_is_asked_for_nothing(database: FreshDatabase) -> None:
    policy = POLICY.replace("[alice, bob, carol]", "[alice, bob, erin]")
    house = _found(database, policy, operators=("alice", "bob", "erin"), risk=PEOPLE[2:])
    paid = house.withdraw(house.withdrawal_request("acme", LARGE))
    house.approve(paid.digest, "alice")
    assert digests(everything(house, asked(house, "erin"))[NEEDS_ME]) == [paid.digest]
    house.approve(paid.digest, "bob")
    found = everything(house, asked(house, "erin"))
    assert (found[NEEDS_ME], digests(found[NEEDS_OTHERS])) == ([], [paid.digest])
    house.close()


def _is_asked(row: dict[str, Any], person: str) -> bool:
    """By the tally, which counts people one by one: somebody is missing, and this one's word would fill the place."""
    return any(person in people for people in row["missing_people"].values())


def test_a_row_says_who_is_missing_and_what_to_look_at(house: House) -> None:
    paid = house.withdraw(house.withdrawal_request("acme", LARGE))
    house.approve(paid.digest, "alice", "bob")
    (row,) = read(house, asked(house, "dora"), NEEDS_ME).rows
    assert row["missing_people"] == {"risk": ["carol", "dora"]}
    assert row["you_are_last"] is True
    assert row["people"] == [
        {"group": "operators", "needed": 2, "agreed": ["alice", "bob"], "missing": 0},
        {"group": "risk", "needed": 1, "agreed": [], "missing": 1},
    ]
    assert row["reason"] == "waits for 1 of risk"
    assert (row["client_name"], row["amount"]["decimal"], row["id"]) == ("Acme", "0.06000000", paid.id)
    assert row["risks"] == ["new destination", "first payment of this asset"]
    assert [limit["percent"] for limit in row["limits"]] == [6]
    assert 0 < row["left_seconds"] <= 2 * 86_400
    assert row["left_percent"] == 99 or row["left_percent"] == 100


def test_what_is_late_or_beyond_reach_is_stuck_and_nowhere_else(house: House) -> None:
    house.withdraw(house.withdrawal_request("acme", LARGE))
    house.withdraw(house.withdrawal_request("acme", SMALL))
    deadlines = house.runtime.deadlines
    hasty = {chain: replace(each, pending_approval=0, approved=0) for chain, each in deadlines.items()}
    late = everything(house, asked(house, "alice", deadlines=hasty), limit=1)
    assert {place: len(rows) for place, rows in late.items() if rows} == {STUCK: 2}
    question = asked(house, "alice")
    nobody = replace(question.trust.root, groups={**question.trust.root.groups, "risk": ()})
    lonely = replace(question.trust, signed=replace(question.trust.signed, root=nobody))
    found = everything(house, replace(question, trust=lonely))
    assert {place: len(rows) for place, rows in found.items() if rows} == {STUCK: 1, ON_CHAIN: 1}
    assert counted(house, replace(question, trust=lonely))[STUCK] == 1


def test_filters_and_cursors_are_refused_by_name(house: House) -> None:
    house.withdraw(house.withdrawal_request("acme", LARGE))
    house.withdraw(house.withdrawal_request("acme", LARGE))
    assert everything(house, asked(house, "alice", client="birch")) == {place: [] for place in PLACES}
    assert len(read(house, asked(house, "alice", client="acme", kind="withdrawal"), NEEDS_ME).rows) == 2
    page = read(house, asked(house, "alice"), NEEDS_ME, limit=1)
    for place, after, limit, field in (
        ("elsewhere", None, 1, "place"),
        (NEEDS_KEYS, page.next, 1, "after"),
        (NEEDS_ME, "%%", 1, "after"),
        (NEEDS_ME, "W10", 1, "after"),
        (NEEDS_ME, None, 201, "limit"),
    ):
        with pytest.raises(InvalidInput) as refused:
            read(house, asked(house, "alice"), place, after=after, limit=limit)
        assert refused.value.field == field


def test_many_cost_as_many_statements_as_few(house: House) -> None:
    def cost() -> list[int]:
        question = asked(house, "alice")
        costs = [len(statements_of(house.db, partial(read, house, question, place))) for place in PLACES]
        costs.append(len(statements_of(house.db, lambda: counted(house, question))))
        costs.append(len(statements_of(house.db, lambda: _intents(house))))
        return costs

    for amount in (LARGE, SMALL):
        house.withdraw(house.withdrawal_request("acme", amount))
    house.approve(house.withdraw(house.withdrawal_request("acme", LARGE)).digest, "alice")
    few = cost()
    for _ in range(6):
        house.approve(house.withdraw(house.withdrawal_request("acme", LARGE)).digest, "alice")
        house.withdraw(house.withdrawal_request("acme", SMALL))
    many = cost()
    assert all(more <= less for more, less in zip(many, few, strict=True)), (few, many)
    assert max(few) <= 16, few


def _intents(house: House) -> list[dict[str, Any]]:
    with house.db.unit() as unit:
        found = intents.waiting(unit.session)
        return whole_intents(unit.session, found, trust=in_force(unit.session), now=unit.now)


def test_many_intents_are_shown_as_one_is(house: House) -> None:
    paid = [house.withdraw(house.withdrawal_request("acme", LARGE)) for _ in range(2)]
    house.approve(paid[0].digest, "carol")
    with house.db.unit() as unit:
        trust, found = in_force(unit.session), intents.waiting(unit.session)
        together = whole_intents(unit.session, found, trust=trust, now=unit.now)
        assert together == [whole_intent(unit.session, each, root=trust.root, now=unit.now) for each in found]

"""What a claim costs and who it passes over: nobody's backlog is in anybody else's way."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import text

from custody.webhooks import operations
from custody.webhooks.model import Outcome, Parcel
from custody.webhooks.operations import delivering, holding, settling
from custody.webhooks.pushing import send
from tests.integration.webhooks.conftest import LEASE, Post
from tests.support.plans import plan_of, rows_read
from tests.support.rows import write_past

_WAITING: Final = """
INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, held, attempts,
  due_at, first_failed_at, created_at)
SELECT %(endpoint)s, 1000000 + n, 'evt_' || n, 'thing', 'thing.changed', 'dead ' || n / %(each)s, 'waiting', false,
  %(each)s > 1 AND n %% %(each)s > 0, 0, now() + CASE WHEN %(each)s > 1 AND n %% %(each)s = 0 THEN interval '1 hour'
  ELSE interval '-1 hour' END, CASE WHEN n %% %(each)s = 0 AND %(each)s > 1 THEN now() END, now() - interval '1 hour'
FROM generate_series(1, %(number)s) AS n
"""
"""Deliveries of a dead endpoint: untried where ``each`` is 1, else objects of ``each`` events whose first failed."""


@pytest.mark.parametrize("each", [1, 10])
def test_what_waits_at_a_dead_endpoint_costs_a_claim_nothing(post: Post, each: int) -> None:
    dead, _alive = post.add(types=["other"]), post.add()
    with post.db.unit() as unit:
        unit.session.execute(
            text("UPDATE webhook_endpoints SET failing_since = now() WHERE id = :id"), {"id": dead.endpoint.id}
        )
    read = []
    for number in (1_000, 20_000):
        write_past(post.database, "DELETE FROM webhook_deliveries")
        write_past(post.database, _WAITING, endpoint=dead.endpoint.id, number=number, each=each)
        write_past(post.database, "ANALYZE webhook_deliveries")
        post.tell(*(f"alive {n}" for n in range(50)))
        read.append(_rows_read(post, room=100))
    assert read[1] <= read[0] + 10 and read[1] < 300, read


_ONE_OBJECT: Final = """
INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, held, attempts,
  due_at, first_failed_at, created_at)
SELECT %(endpoint)s, 1000000 + n, 'evt_' || n, 'thing', 'thing.changed', 'one', 'waiting', false, n > %(front)s, 0,
  now() - interval '1 hour', CASE WHEN n = 1 AND %(is_failing)s THEN now() END, now() - interval '1 hour'
FROM generate_series(1, %(number)s) AS n
"""


@pytest.mark.parametrize("is_failing", [False, True])
def test_an_object_is_read_at_its_front_alone_however_much_of_it_waits(post: Post, is_failing: bool) -> None:
    made = post.add()
    endpoint, front = made.endpoint.id, 1 if is_failing else holding.FRONT
    new = {"endpoint": endpoint, "kinds": ["thing"], "subjects": ["one"], "front": holding.FRONT}
    read = []
    for number in (1_000, 20_000):
        write_past(post.database, "DELETE FROM webhook_deliveries")
        write_past(post.database, _ONE_OBJECT, endpoint=endpoint, number=number, front=front, is_failing=is_failing)
        write_past(post.database, "ANALYZE webhook_deliveries")
        with post.db.unit() as unit:
            first = unit.session.execute(text("SELECT min(id) FROM webhook_deliveries")).scalar_one()
            marked = plan_of(unit.session, holding._MARK, {"ids": [first], "front": holding.FRONT})
            standing = plan_of(unit.session, holding._STANDING, new)
        of_table = [rows_read(plan, "webhook_deliveries") for plan in (marked, standing)]
        read.append([_rows_read(post, room=100), *of_table])
    assert read[1] == read[0] and max(read[1]) <= 4 * holding.FRONT, read


def test_a_long_object_leaves_whole_and_in_its_order_a_front_at_a_time(post: Post) -> None:
    post.add()
    number = 2 * holding.FRONT + 5
    post.tell(*["a"] * number, "b")
    assert post.push() == holding.FRONT + 1, "the others are in nobody's way"
    assert _held(post) == 5
    post.tell("a")
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
    assert _held(post) == 6
    assert [post.push() for _ in range(2)] == [holding.FRONT, 6]
    came = [came.version for came in post.receiver.came if came.version[0] == "a"]
    assert came == [("a", version) for version in range(1, number + 2)]
    assert (post.push(), _held(post)) == (0, 0)


def test_what_was_not_taken_holds_its_front_as_well_until_it_is_or_the_endpoint_is_enabled(post: Post) -> None:
    made = post.add()
    post.receiver.answer = lambda came: (500 if came.version == ("a", 2) else 204, {}, b"")
    post.tell(*["a"] * (holding.FRONT + 2))
    assert post.push() == 2
    post.tell("a")
    assert (post.push(), _held(post)) == (0, holding.FRONT + 1)
    with post.db.unit() as unit:
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="moving", actor="alice", now=unit.now)
        operations.enable(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)
    assert _held(post) == 2
    post.receiver.answer = lambda _came: (204, {}, b"")
    assert (post.push(), post.push(), _held(post)) == (holding.FRONT, 2, 0)
    versions = [came.version[1] for came in post.receiver.came]
    assert versions == [1, 2, *range(2, holding.FRONT + 4)]


def test_what_is_asked_for_again_holds_no_place_at_the_front(post: Post) -> None:
    made = post.add()
    post.tell(*["a"] * (holding.FRONT + 1))
    while post.push():
        pass
    for event in post.events():
        if event.subject == "a":
            with post.db.unit() as unit:
                operations.resend(unit.session, endpoint=made.endpoint.id, event=event, actor="alice", now=unit.now)
    post.tell("a")
    assert _held(post) == 0
    assert post.push() == holding.FRONT + 2


def test_endpoints_take_turns_so_that_nobodys_old_events_go_first(post: Post) -> None:
    many = post.add()
    post.tell(*(f"old {n}" for n in range(30)))
    late = post.add()
    post.tell("new")
    claimed = _claim(post, room=10)
    assert len(claimed) == 10
    assert [each.order[2] for each in claimed if each.endpoint == late.endpoint.id] == ["new"]
    assert [each.order[2] for each in claimed if each.endpoint == many.endpoint.id] == [f"old {n}" for n in range(9)]
    following = [each.order[2] for each in _claim(post, room=10)]
    assert following == [f"old {n}" for n in range(9, 19)], "what is on its way takes nobody's place"


def test_an_endpoint_that_fails_has_few_on_their_way_however_often_is_claimed(post: Post) -> None:
    made = post.add()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell("first")
    post.push()
    post.tell(*(f"more {n}" for n in range(9)))
    assert [len(_claim(post, room=100)) for _ in range(2)] == [4, 0]
    post.ahead = LEASE + timedelta(seconds=1)
    assert len(_claim(post, room=100)) == 4, "what a lease ran out of is on its way no more"
    assert post.endpoint(made).state == "active"


def test_an_endpoint_that_is_slow_leaves_room_for_others(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "SHARE", 3)
    post.add()
    post.tell(*(f"more {n}" for n in range(5)))
    assert [len(_claim(post, room=100)) for _ in range(2)] == [3, 0]
    post.ahead = LEASE + timedelta(seconds=1)
    assert len(_claim(post, room=100)) == 3


def test_of_who_is_not_known_to_be_prompt_fewer_are_on_their_way(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "LATE_SHARE", 2)
    made, _other = post.add(), post.add()
    post.tell(*(f"more {n}" for n in range(5)))
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        prompt, now = {made.endpoint.id}, unit.now
        claimed = operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=100, prompt=prompt, now=now)
    assert Counter(each.endpoint in prompt for each in claimed) == {True: 5, False: 2}


def test_what_waits_behind_a_failed_one_is_marked_until_that_is_taken(post: Post) -> None:
    post.add()
    post.receiver.answer = lambda came: (500 if came.version == ("a", 1) else 204, {}, b"")
    post.tell("a", "a", "b")
    post.push()
    assert _held(post) == 1
    post.tell("a", "b")
    post.push()
    assert _held(post) == 2, "what is told later waits behind it as well"
    post.receiver.answer = lambda _came: (204, {}, b"")
    post.ahead = timedelta(seconds=10)
    assert post.push() == 3
    assert _held(post) == 0
    post.tell("a", "a")
    assert post.push() == 2


def test_a_claim_that_ends_at_the_first_of_many_leaves_none_of_the_others_marked(post: Post) -> None:
    made = post.add()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell("a", "a", "a")
    post.push()
    assert _held(post) == 2
    post.receiver.answer = lambda _came: (204, {}, b"")
    post.ahead = timedelta(seconds=10)
    first = _claim(post, room=1)
    post.settle(_taken(post, first))
    assert _held(post) == 0
    assert post.push() == 2
    assert post.endpoint(made).failing_since is None


def test_the_order_is_kept_where_a_mark_is_missing(post: Post) -> None:
    post.add()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell("a", "a")
    post.push()
    post.tell("a")
    write_past(post.database, "UPDATE webhook_deliveries SET held = false")
    assert post.push() == 0
    assert [came.version for came in post.receiver.came] == [("a", 1)]


def test_no_deliveries_are_made_where_what_came_of_others_is_being_written_down(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one could be marked as held behind another that is taken in the same moment, and wait for ever."""
    made: list[int] = []

    def beside(*_told: object) -> None:
        with post.db.unit() as other:
            other.session.execute(text("SET LOCAL lock_timeout = '2s'"))
            made.append(operations.take_over(other.session, now=other.now))

    monkeypatch.setattr(settling, "_note_attempts", beside)
    post.add()
    post.tell("a")
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
    claimed = _claim(post, room=9)
    post.tell("a")
    post.settle(_taken(post, claimed))
    assert made == [0]
    monkeypatch.undo()
    assert post.push() == 1


def _claim(post: Post, *, room: int) -> list[Parcel]:
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        return operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=room, now=unit.now + post.ahead)


def _taken(post: Post, parcels: list[Parcel]) -> list[Outcome]:
    return [send(post.wire, each) for each in parcels]


def _rows_read(post: Post, *, room: int) -> int:
    """Of deliveries, by one claim that is rolled back."""
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        now = unit.now
        asked = {
            "now": now,
            "until": now + LEASE,
            "room": room,
            "share": delivering.SHARE,
            "failing_room": 4,
            "late_share": 40,
            "prompt": None,
        }
        asked["front"] = holding.FRONT
        return rows_read(plan_of(unit.session, delivering._CLAIM, asked), "webhook_deliveries")


def _held(post: Post) -> int:
    return post.count("webhook_deliveries WHERE held AND state = 'waiting'")

"""What holds a delivery back and what does not; two pushers beside each other; sending again; going on after a stop."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import text

from custody.events import operations as events
from custody.webhooks import operations, queries
from custody.webhooks.operations import Made
from tests.integration.webhooks.conftest import LEASE, Post
from tests.support.processes import wait_until


def refuse(post: Post, *versions: tuple[str, int]) -> None:
    """From now on these are not taken, all of them where none is named."""
    post.receiver.answer = lambda came: (500 if not versions or came.version in versions else 204, {}, b"")


def accept(post: Post) -> None:
    post.receiver.answer = lambda _came: (204, {}, b"")


def again(post: Post, made: Made, subject: str, version: int) -> None:
    event = next(each for each in post.events() if (each.subject, each.version) == (subject, version))
    with post.db.unit() as unit:
        operations.resend(unit.session, endpoint=made.endpoint.id, event=event, actor="alice", now=unit.now)


def versions(post: Post) -> list[tuple[str, int]]:
    return [came.version for came in post.receiver.came]


def test_another_kind_of_the_same_name_is_another_object(post: Post) -> None:
    post.add(types=[])
    post.receiver.came.clear()
    post.tell("a")
    refuse(post, ("a", 1))
    post.push()
    with post.db.unit() as unit:
        events.publish(
            unit.session, kind="other", subject="a", event="changed", data={}, client=None, actor="test",
            correlation_id="", now=unit.now,
        )  # fmt: skip
    post.push()
    assert [came.event["type"] for came in post.receiver.came if came.version[0] == "a"] == [
        "thing.changed",
        "other.changed",
    ]


def test_what_is_asked_for_again_holds_nothing_back_and_is_held_back_by_nothing(post: Post) -> None:
    made = post.add(types=["thing.changed"])
    post.tell("a")
    post.push()
    refuse(post, ("a", 1))
    again(post, made, "a", 1)
    post.push()
    post.tell("a")
    post.push()
    assert versions(post) == [("a", 1), ("a", 1), ("a", 2)], "version 2 goes although version 1 is not taken again"
    refuse(post, ("b", 1))
    post.tell("b")
    post.push()
    post.tell("b", event="ended")
    again(post, made, "b", 2)
    post.push()
    assert versions(post)[3:] == [("b", 1), ("b", 2)], "it was asked for although version 1 waits"


def test_what_is_asked_for_before_it_was_taken_over_is_sent_once_and_stops_nobody(post: Post) -> None:
    made = post.add()
    with post.db.unit() as unit:
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="moving", actor="alice", now=unit.now)
    post.tell("a", "b")
    again(post, made, "a", 1)
    _enable(post, made)
    assert post.push() == 2
    assert versions(post) == [("a", 1), ("b", 1)]


def test_what_waits_is_sent_now_where_it_is_asked_for_and_nowhere_else(post: Post) -> None:
    made, other = post.add(), post.add()
    refuse(post)
    post.tell("a", "b", "a")
    post.push()
    accept(post)
    assert post.push() == 0
    again(post, made, "a", 1)
    post.receiver.came.clear()
    assert post.push() == 2, "the event, and the one it held back"
    assert versions(post) == [("a", 1), ("a", 2)]
    with post.db.unit() as unit:
        assert operations.failed(unit.session, endpoint=other.endpoint.id, since=None, now=unit.now) == 2


def test_a_second_pusher_waits_for_the_claim_of_the_first_and_takes_none_of_it(post: Post) -> None:
    post.add()
    post.tell("a", "a", "b")
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
    came: list[Any] = []

    def claim() -> None:
        with post.db.unit() as unit:
            now = unit.now
            came.extend(operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=9, now=now))

    second = threading.Thread(target=claim, daemon=True)
    with post.db.unit() as unit:
        first = operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=9, now=unit.now)
        second.start()
        wait_until(lambda: _waits_for_a_lock(post), seconds=10)
    second.join(10)
    assert [parcel.order[2] for parcel in first] == ["a", "a", "b"]
    assert came == []


def test_who_takes_over_beside_another_leaves_its_endpoint_alone(post: Post) -> None:
    post.add()
    post.tell("a")
    with post.db.unit() as one, post.db.unit() as other:
        assert operations.take_over(one.session, now=one.now) == 1
        other.session.execute(text("SET LOCAL lock_timeout = '2s'"))
        assert operations.take_over(other.session, now=other.now) == 0


def test_a_disabled_endpoint_gathers_nothing_and_goes_on_in_order_at_once(post: Post) -> None:
    made = post.add()
    refuse(post)
    post.tell("a", "a")
    post.push()
    with post.db.unit() as unit:
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="moving", actor="alice", now=unit.now)
    waiting = post.count("webhook_deliveries")
    post.tell("a", "b")
    assert post.push() == 0 and post.count("webhook_deliveries") == waiting
    _enable(post, made)
    accept(post)
    assert post.push() == 4
    assert versions(post)[1:] == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]


def test_an_endpoint_that_was_disabled_for_failing_has_its_five_days_anew(post: Post) -> None:
    made = post.add()
    refuse(post)
    post.tell("a")
    post.push()
    with post.db.unit() as unit:
        unit.session.execute(text("UPDATE webhook_deliveries SET first_failed_at = now() - interval '6 days'"))
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="down", actor="alice", now=unit.now)
    _enable(post, made)
    assert post.endpoint(made).failing_since is None
    assert post.push() == 1
    assert post.endpoint(made).state == "active"


def test_what_is_taken_ends_the_failing(post: Post) -> None:
    made = post.add()
    refuse(post, ("a", 1))
    post.tell("a")
    post.push()
    assert post.endpoint(made).failing_since is not None
    post.tell("b")
    post.push()
    assert post.endpoint(made).failing_since is None
    with post.db.unit() as unit:
        (stands,) = queries.backlog(unit.session)
    assert (stands.waiting, stands.failing) == (1, 1)


def _enable(post: Post, made: Made) -> None:
    with post.db.unit() as unit:
        operations.enable(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)


def _waits_for_a_lock(post: Post) -> bool:
    return post.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1

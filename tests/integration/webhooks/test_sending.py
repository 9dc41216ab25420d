"""The pusher's own rounds in one process: what is written down of an answer, and what it does when something breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from custody.db import Database, Unit
from custody.kernel.errors import Unavailable
from custody.webhooks import lanes, pushing, queries
from custody.webhooks.model import ANSWER_BYTES, Attempt
from custody.webhooks.operations import Made, delivering
from custody.webhooks.places import Places
from custody.webhooks.pushing import Pusher
from custody.webhooks.wire import TIMEOUT_SECONDS, Wire
from tests.integration.webhooks.conftest import LEASE, LOOPBACK, Post
from tests.integration.webhooks.receiver import Came
from tests.support.processes import wait_until
from tests.support.rows import write_past


class Rounds(threading.Event):
    """Is set once it was asked so many times: a pusher makes that many rounds and ends."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._left = rounds

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


class Silent:
    """A database that is silent at one of the units that are asked of it."""

    def __init__(self, db: Database, *, at: int) -> None:
        self._db, self._left = db, at

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        self._left -= 1
        if self._left == 0:
            raise Unavailable("the database does not answer")
        with self._db.unit() as unit:
            yield unit


def push(post: Post, *, rounds: int = 1, lease: timedelta = LEASE, database: object = None) -> None:
    db = cast("Database", database or post.db)
    Pusher(db, sealer=post.sealer, wire=post.wire, lease=lease, threads=2).run(Rounds(rounds), threading.Event())


def attempts(post: Post, made: Made) -> list[Attempt]:
    with post.db.unit() as unit:
        (delivery,) = queries.deliveries(unit.session, endpoint=made.endpoint.id, limit=5)
        return queries.attempts(unit.session, endpoint=made.endpoint.id, event=delivery.event)


def test_what_is_under_way_at_the_end_is_written_down(post: Post) -> None:
    made = post.add()
    post.tell("a")
    push(post)
    assert [each.status for each in attempts(post, made)] == [204]


def test_nothing_leaves_that_may_be_on_its_way_when_its_lease_ends(post: Post) -> None:
    made = post.add()
    post.tell("a")
    push(post, lease=timedelta(seconds=TIMEOUT_SECONDS))
    assert post.receiver.came == [] and attempts(post, made) == []
    push(post)
    assert len(post.receiver.came) == 1


def test_what_could_not_be_written_down_is_written_down_later_and_sent_once(post: Post) -> None:
    made = post.add()
    post.tell("a")
    # A round asks for two units to claim; the next settles first.
    push(post, rounds=3, database=Silent(post.db, at=3))
    assert len(post.receiver.came) == 1
    assert [(each.number, each.status) for each in attempts(post, made)] == [(1, 204)]


@contextmanager
def pushing_beside_the_silent(
    post: Post, *, threads: int, timeout_seconds: float = 10.0, answers: threading.Event | None = None
) -> Iterator[None]:
    """What goes to ``/silent`` gets no answer until the end, or while ``answers`` is not set."""
    stop, answers = threading.Event(), answers or threading.Event()

    def answer(came: Came) -> tuple[int, dict[str, str], bytes]:
        if "/silent" in came.path:
            answers.wait(10)
        return 204, {}, b""

    post.receiver.answer = answer
    with Wire(Places(LOOPBACK), timeout_seconds=timeout_seconds) as wire:
        pusher = Pusher(post.db, sealer=post.sealer, wire=wire, lease=LEASE, threads=threads)
        runs = threading.Thread(target=pusher.run, args=(stop, threading.Event()), daemon=True)
        runs.start()
        try:
            yield
        finally:
            answers.set()
            stop.set()
            runs.join(20)


def came_to(post: Post, path: str) -> int:
    return sum(came.path == path for came in list(post.receiver.came))


def test_who_answers_nothing_holds_up_nobody_else(post: Post) -> None:
    """Also where everything is due at once and nobody has failed yet."""
    post.add(f"{post.receiver.url}/silent")
    post.add()
    post.tell(*(f"thing {number}" for number in range(6)))
    with pushing_beside_the_silent(post, threads=2):
        wait_until(lambda: came_to(post, "/hooks") == 6, seconds=10)
        assert came_to(post, "/hooks/silent") == 1


def test_who_begins_to_hang_all_at_once_holds_neither_threads_nor_room(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that were prompt until now, and more due than there is room for: the well one gets all of its own."""
    monkeypatch.setattr(lanes, "PROMPT_SECONDS", 0.2)
    monkeypatch.setattr(pushing, "_ROOM", 8)
    monkeypatch.setattr(delivering, "SHARE", 4)
    for name in ("/silent", "/silent/too", ""):
        post.add(f"{post.receiver.url}{name}")
    answers = threading.Event()
    answers.set()
    with pushing_beside_the_silent(post, threads=8, answers=answers):
        post.tell("first")
        wait_until(lambda: post.count("webhook_deliveries WHERE state = 'delivered'") == 3, seconds=10)
        answers.clear()
        post.tell(*(f"thing {number}" for number in range(12)))
        wait_until(lambda: came_to(post, "/hooks") == 13, seconds=8)


def test_what_waits_for_one_that_does_not_answer_is_given_back_and_not_tried(post: Post) -> None:
    post.add(f"{post.receiver.url}/silent")
    answers = threading.Event()
    answers.set()
    with pushing_beside_the_silent(post, threads=4, timeout_seconds=0.5, answers=answers):
        post.tell("first")
        wait_until(lambda: post.count("webhook_deliveries WHERE state = 'delivered'") == 1, seconds=10)
        answers.clear()
        post.tell(*(f"thing {number}" for number in range(60)))
        wait_until(lambda: post.count("webhook_deliveries WHERE first_failed_at IS NOT NULL") > 0, seconds=10)
        wait_until(lambda: post.count("webhook_deliveries WHERE leased_until IS NOT NULL") <= 4, seconds=10)
        assert post.count("webhook_deliveries WHERE attempts = 0") >= 30


def test_those_that_fail_take_nobodys_room(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_ROOM", 4)
    post.add(f"{post.receiver.url}/silent")
    write_past(post.database, "UPDATE webhook_endpoints SET failing_since = now()")
    post.tell(*(f"thing {number}" for number in range(6)))
    with pushing_beside_the_silent(post, threads=2):
        wait_until(lambda: came_to(post, "/hooks/silent") == 1, seconds=10)
        post.add()
        post.tell("alive")
        wait_until(lambda: came_to(post, "/hooks") == 1, seconds=10)
        assert came_to(post, "/hooks/silent") == 1


def test_an_answers_beginning_is_kept_in_signs_that_can_be_shown(post: Post) -> None:
    made = post.add()
    post.tell("a")
    post.receiver.answer = lambda _came: (500, {}, b"\x00\x1b[31mno\n\xff" + b"x" * 5_000)
    post.push()
    (attempt,) = attempts(post, made)
    assert attempt.answer.startswith("\ufffd\ufffd[31mno\n\ufffdxx")
    assert len(attempt.answer) == ANSWER_BYTES


def test_whatever_breaks_while_sending_is_an_outcome(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ended would leave its parcels under way for ever."""

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("of a secret")

    made = post.add()
    post.tell("a")
    monkeypatch.setattr(Wire, "post", breaks)
    push(post)
    assert [each.problem for each in attempts(post, made)] == ["not sent: RuntimeError"]

"""Sending again all that failed, as a job; and trying an endpoint with an event that is nothing but a test."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from custody.events.queries import UnknownEvent
from custody.jobs import operations as jobs
from custody.jobs import queries
from custody.jobs.model import Job, ResendAsked
from custody.jobs.operations.resending import ResendRunning
from custody.kernel.errors import Refused
from custody.webhooks import operations
from custody.webhooks import queries as hooks
from custody.webhooks.model import TEST
from custody.webhooks.operations import EndpointState, Made
from tests.integration.webhooks.conftest import Post
from tests.support.rows import write_past


def ask(post: Post, made: Made, *, key: str = "key", since: datetime | None = None) -> jobs.Filed:
    with post.db.unit() as unit:
        return jobs.ask_to_resend(
            unit.session,
            asked=ResendAsked(made.endpoint.id, since),
            requester="alice",
            idempotency_key=key,
            correlation_id="",
            now=unit.now,
        )


def advance(post: Post, job: Job) -> Job:
    with post.db.unit() as unit:
        return jobs.advance(
            unit.session, job=job.id, seal_key=b"", low_mark=0, correlation_id="", now=unit.now + post.ahead
        )


def failed(post: Post, *subjects: str) -> Made:
    """An endpoint that took none of these; it takes everything from now on."""
    made = post.add()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell(*subjects)
    while post.push():
        pass
    post.receiver.answer = lambda _came: (204, {}, b"")
    post.receiver.came.clear()
    return made


def test_all_that_failed_is_sent_again_by_pieces_each_once_and_in_order(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PIECE", 2)
    made = failed(post, "a", "b", "c", "a", "c")
    asked = ask(post, made)
    job = asked.job
    assert (job.kind, job.wanted, job.done, job.client, asked.replayed) == ("resend", 3, 0, None, False)
    assert ask(post, made).replayed
    job = advance(post, job)
    assert (job.done, job.state) == (2, "running")
    post.receiver.answer = lambda came: (500 if came.version == ("a", 1) else 204, {}, b"")
    assert post.push() == 2, "and the first of them fails again"
    job = advance(post, job)
    assert (job.done, job.wanted, job.state) == (3, 3, "completed"), "none is tried twice"
    post.push()
    assert [came.version for came in post.receiver.came] == [("a", 1), ("b", 1), ("c", 1), ("c", 2)]
    told = [(event.event, event.data["done"]) for event in post.events() if event.kind == "job"]
    assert told == [("asked", 0), ("completed", 3)]
    assert post.count("outbox WHERE topic = 'jobs.advance'") == 2, "one for each piece"


def test_one_job_at_a_time_sends_again_at_an_endpoint(post: Post) -> None:
    made = failed(post, "a")
    first = ask(post, made, key="first").job
    other = ask(post, failed(post, "b"), key="other").job
    with pytest.raises(ResendRunning) as refused:
        ask(post, made, key="second")
    assert first.id in refused.value.message
    assert ask(post, made, key="first").job.id == first.id
    advance(post, first)
    third = ask(post, made, key="third").job
    assert ask(post, made, key="first").replayed, "what was asked before is answered while another runs"
    assert other.state == third.state == "running"
    with pytest.raises(Exception, match="ix_jobs_endpoint_id_running"):
        write_past(post.database, "UPDATE jobs SET state = 'running', ended_at = NULL WHERE id = %(id)s", id=first.id)


def test_a_piece_that_was_not_written_down_is_done_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PIECE", 1)
    made = failed(post, "a", "b")
    job = advance(post, ask(post, made).job)
    with pytest.raises(Died), post.db.unit() as unit:
        jobs.advance(unit.session, job=job.id, seal_key=b"", low_mark=0, correlation_id="", now=unit.now)
        raise Died
    with post.db.unit() as unit:
        assert queries.get(unit.session, job=job.id).done == 1
    assert advance(post, job).done == 2
    assert advance(post, job).state == "completed"
    assert post.push() == 2


def test_what_is_told_later_or_was_told_before_is_none_of_it(post: Post) -> None:
    made = failed(post, "a")
    since = post.now()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell("b")
    post.push()
    job = ask(post, made, since=since).job
    assert job.wanted == 1
    post.tell("c")
    post.push()
    assert advance(post, job).done == 1
    post.receiver.came.clear()
    assert post.push() == 1
    assert [came.version for came in post.receiver.came] == [("b", 1)]
    with pytest.raises(Refused) as differs:
        ask(post, made)
    assert differs.value.field == "since"


def test_what_was_taken_meanwhile_is_not_counted(post: Post) -> None:
    made = failed(post, "a", "b")
    job = ask(post, made).job
    post.ahead = timedelta(seconds=10)
    assert post.push() == 2
    job = advance(post, job)
    assert (job.wanted, job.done, job.state) == (0, 0, "completed")


def test_an_endpoint_that_is_disabled_or_gone_is_sent_nothing(post: Post) -> None:
    made = failed(post, "a")
    job = ask(post, made).job
    with post.db.unit() as unit:
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="moving", actor="alice", now=unit.now)
    with pytest.raises(EndpointState):
        ask(post, made, key="other")
    ended = advance(post, job)
    assert (ended.state, ended.done) == ("failed", 0)
    assert ended.waiting_for is not None and "enabling it" in ended.waiting_for
    gone = failed(post, "b")
    job = ask(post, gone, key="third").job
    with post.db.unit() as unit:
        operations.remove(unit.session, endpoint=gone.endpoint.id, actor="alice", now=unit.now)
    assert advance(post, job).state == "failed"


def test_a_test_goes_to_one_endpoint_once_whatever_it_hears_and_says_what_it_is(post: Post) -> None:
    made, other = post.add(types=["withdrawal"], client=None), post.add(f"{post.receiver.url}/other", types=[])
    post.push()
    post.receiver.came.clear()
    try_out(post, made)
    assert post.push() == 1
    (came,) = post.receiver.came
    assert came.path == "/hooks"
    assert (came.event["type"], came.event["object"]["id"]) == (TEST, made.endpoint.id)
    assert came.event["data"]["test"] is True
    event = next(each for each in post.events() if each.type == TEST)
    assert came.body == event.body, "the feed says the same"
    with post.db.unit() as unit, pytest.raises(UnknownEvent):
        operations.resend(unit.session, endpoint=other.endpoint.id, event=event, actor="alice", now=unit.now)


def test_a_test_that_is_not_taken_is_not_tried_again_and_disables_nothing(post: Post) -> None:
    made = post.add()
    post.receiver.answer = lambda _came: (500, {}, b"no")
    try_out(post, made)
    post.push()
    assert [each.state for each in deliveries(post, made)] == ["failed"]
    post.ahead = timedelta(days=6)
    assert post.push() == 0
    assert post.endpoint(made).state == "active"
    with post.db.unit() as unit:
        assert operations.failed(unit.session, endpoint=made.endpoint.id, since=None, now=unit.now) == 0
        operations.disable(unit.session, endpoint=made.endpoint.id, reason="moving", actor="alice", now=unit.now)
    with pytest.raises(EndpointState):
        try_out(post, made)
    with post.db.unit() as unit:
        assert operations.prune(unit.session, before=unit.now + timedelta(days=7)) == 1


def test_a_test_waits_behind_nothing(post: Post) -> None:
    made = post.add(types=["webhook_endpoint"])
    post.receiver.answer = lambda _came: (500, {}, b"")
    with post.db.unit() as unit:
        operations.change(
            unit.session, endpoint=made.endpoint.id, sealer=post.sealer, actor="a", now=unit.now, label="other"
        )
    post.push()
    post.receiver.answer = lambda _came: (204, {}, b"")
    try_out(post, made)
    assert post.push() == 1
    assert post.receiver.came[-1].event["type"] == TEST


def try_out(post: Post, made: Made) -> None:
    with post.db.unit() as unit:
        operations.send_test(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)


def deliveries(post: Post, made: Made) -> Any:
    with post.db.unit() as unit:
        return hooks.deliveries(unit.session, endpoint=made.endpoint.id, limit=9)


class Died(Exception):
    """The process ended before the unit did."""

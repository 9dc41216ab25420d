"""Delivering: signed, in order per object, again until it is taken, and never to an endpoint that gave up."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from custody.audit import queries as audit
from custody.events.queries import UnknownEvent
from custody.kernel.errors import InvalidInput
from custody.webhooks import operations, queries
from custody.webhooks.model import FAILING_LIMIT, WAITS, WARNED_AFTER, Outcome, wait_after
from custody.webhooks.operations.endpoints import EndpointState
from custody.webhooks.places import Place, Places
from custody.webhooks.pushing import send_in_order
from custody.webhooks.signing import Sealer, Secret, SecretTampered
from tests.integration.webhooks.conftest import LEASE, Post

DAY = timedelta(days=1)


def test_what_is_told_arrives_signed_with_the_bytes_of_the_feed(post: Post) -> None:
    made = post.add()
    post.tell("a", "b")
    assert post.push() == 2
    events = [event for event in post.events() if event.kind == "thing"]
    assert [came.body for came in post.receiver.came] == [event.body for event in events]
    for came in post.receiver.came:
        Webhook(made.secret.text).verify(came.body, came.headers)
        _verify_asymmetric(made.secret.public_text, came.headers, came.body)
    assert post.push() == 0
    assert post.endpoint(made).last_success_at is not None


def test_the_specifications_own_example_verifies() -> None:
    """Of the Standard Webhooks text: the secret, the message and its signature."""
    secret = Secret(base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), b"\1" * 32)
    said = secret.sign(b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}')
    assert said.split()[0] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_that_is_not_taken_holds_back_the_later_ones_of_its_object_alone(post: Post) -> None:
    post.add()
    post.tell("a", "b", "a")
    post.receiver.answer = lambda came: (500 if came.version == ("a", 1) else 204, {}, b"no")
    post.push()
    assert [came.version for came in post.receiver.came] == [("a", 1), ("b", 1)]
    post.tell("b", "a")
    post.push()
    assert [came.version for came in post.receiver.came] == [("a", 1), ("b", 1), ("b", 2)]
    post.receiver.answer = lambda _came: (204, {}, b"")
    post.ahead = timedelta(seconds=10)
    assert post.push() == 3
    assert [came.version for came in post.receiver.came[3:]] == [("a", 1), ("a", 2), ("a", 3)]
    assert len(set(post.receiver.ids())) == 5, "the same event has the same id each time"


def test_each_wait_is_the_tables_within_a_tenth_and_longer_where_the_receiver_asks(post: Post) -> None:
    expected = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400, 86400)
    for failures, seconds in enumerate(expected, start=1):
        assert wait_after(failures, chance=0.5) == timedelta(seconds=seconds)
        assert wait_after(failures, chance=0.0) == timedelta(seconds=seconds) * 0.9
        assert wait_after(failures, chance=1.0) == timedelta(seconds=seconds) * 1.1
    assert wait_after(1, asked=timedelta(seconds=90)) == timedelta(seconds=90)
    assert wait_after(1, asked=30 * DAY) == DAY
    assert len(WAITS) == 9
    made = post.add()
    post.tell("a")
    post.receiver.answer = lambda _came: (503, {"Retry-After": "600"}, b"")
    post.push()
    (waiting,) = _deliveries(post, made.endpoint.id)
    assert timedelta(seconds=590) < waiting.due_at - post.now() <= timedelta(seconds=600)


def test_a_date_in_retry_after_is_kept_as_well(post: Post) -> None:
    made, at = post.add(), post.now() + timedelta(hours=2)
    post.tell("a")
    post.receiver.answer = lambda _came: (503, {"Retry-After": format_datetime(at, usegmt=True)}, b"")
    post.push()
    (waiting,) = _deliveries(post, made.endpoint.id)
    assert abs(waiting.due_at - at) <= timedelta(seconds=2)


def test_a_failing_endpoint_is_tried_by_few_and_what_was_not_tried_counts_no_attempt(post: Post) -> None:
    made = post.add()
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.tell("a", "a")
    assert post.push() == 1
    assert [each.attempts for each in _deliveries(post, made.endpoint.id)] == [0, 1]
    post.tell(*(f"other {number}" for number in range(9)))
    assert post.push() == 4


def test_nothing_leaves_whose_claim_may_be_anothers_by_now(post: Post) -> None:
    post.add()
    post.tell("a", "a")
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        parcels = operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=9, now=unit.now)
    outcomes = list(send_in_order(post.wire, parcels, until=time.monotonic() - 1))
    assert [outcome.is_unsent for outcome in outcomes] == [True, True]
    assert post.receiver.came == []
    with post.db.unit() as unit:
        (again, *_) = operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=9, now=unit.now + 2 * LEASE)
        operations.settle(unit.session, outcomes=outcomes, now=unit.now + 2 * LEASE)
    assert (again.attempt, post.count("webhook_deliveries WHERE leased_until IS NOT NULL AND attempts = 2")) == (2, 2)


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999",
        "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
        "9" * 5_000,
        "\u00b2",
        ",",
    ],
)
def test_a_moment_that_cannot_be_is_no_moment(post: Post, asked: str) -> None:
    """Whoever sends is a thread for everybody: what a receiver writes in a header must not end it."""
    made = post.add()
    post.tell("a")
    post.receiver.answer = lambda _came: (503, {"Retry-After": asked}, b"")
    assert post.push() == 1
    (attempt,) = _attempts(post, made.endpoint.id)
    assert attempt.status == 503
    (waiting,) = _deliveries(post, made.endpoint.id)
    assert waiting.due_at - post.now() < timedelta(seconds=6)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500])
def test_whatever_is_not_taken_is_a_failure_and_a_redirect_is_not_followed(post: Post, status: int) -> None:
    made = post.add()
    post.tell("a")
    post.receiver.answer = lambda _came: (status, {"Location": f"{post.receiver.url}/elsewhere"}, b"why")
    post.push()
    assert [came.path for came in post.receiver.came] == ["/hooks"]
    (attempt,) = _attempts(post, made.endpoint.id)
    assert (attempt.status, attempt.answer) == (status, "why")
    assert attempt.problem is not None and str(status) in attempt.problem
    assert post.endpoint(made).failing_since is not None


def test_a_receiver_that_wants_no_more_is_left_alone(post: Post) -> None:
    made = post.add(types=["thing"])
    post.tell("a")
    post.receiver.answer = lambda _came: (410, {}, b"")
    post.push()
    assert post.endpoint(made).state == "disabled"
    post.ahead = 2 * DAY
    assert post.push() == 0
    _expect_alarm(post, "webhook-disabled")
    told = [event.type for event in post.events() if event.kind == "webhook_endpoint"]
    assert told == ["webhook_endpoint.added", "webhook_endpoint.disabled"]


def test_people_are_warned_after_a_day_and_the_endpoint_is_disabled_after_five(post: Post) -> None:
    assert (WARNED_AFTER, FAILING_LIMIT) == (DAY, 5 * DAY)
    made = post.add()
    post.tell("a")
    post.receiver.answer = lambda _came: (500, {}, b"")
    post.push()
    post.ahead = WARNED_AFTER + timedelta(minutes=1)
    post.push()
    _expect_alarm(post, "webhook-failing")
    assert post.endpoint(made).state == "active"
    post.ahead = FAILING_LIMIT + timedelta(minutes=1)
    post.push()
    assert post.endpoint(made).state == "disabled"
    post.tell("a", "b")
    post.ahead += 2 * DAY
    assert post.push() == 0
    post.receiver.answer = lambda _came: (204, {}, b"")
    with post.db.unit() as unit:
        operations.enable(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)
        with pytest.raises(EndpointState):
            operations.enable(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)
    assert post.push() == 3
    assert [came.version for came in post.receiver.came[-3:]] == [("a", 1), ("a", 2), ("b", 1)]


def test_a_claim_that_was_lost_is_sent_again_under_the_same_id_and_by_nobody_before(post: Post) -> None:
    post.add()
    post.tell("a", "a")
    with post.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        lost = operations.claim(unit.session, sealer=post.sealer, lease=LEASE, room=1, now=unit.now)
    assert len(lost) == 1
    assert post.push() == 0, "a later event of the object does not overtake what is under way"
    post.ahead = LEASE
    assert post.push() == 2
    assert post.receiver.ids()[0] == lost[0].headers["webhook-id"]
    assert [came.version for came in post.receiver.came] == [("a", 1), ("a", 2)]
    assert post.push() == 0


def test_what_two_holders_of_one_delivery_say_is_written_once(post: Post) -> None:
    made = post.add()
    post.tell("a")
    post.push()
    (delivery,) = _deliveries(post, made.endpoint.id)
    row = _one(post, "SELECT id FROM webhook_deliveries")
    post.settle([Outcome(row, made.endpoint.id, 1, 500, 3, "answered 500")])
    post.ahead = DAY
    post.settle([Outcome(row, made.endpoint.id, 2, 204, 3, None)])
    assert _deliveries(post, made.endpoint.id) == [delivery]
    assert [each.status for each in _attempts(post, made.endpoint.id)] == [204, 204]


def test_an_endpoint_hears_its_client_and_its_types_alone(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    judged = Places.addresses

    def addresses(places: Places, place: Place, *, asker: str, seconds: float) -> tuple[str, ...]:
        asked.append(asker)
        return judged(places, place, asker=asker, seconds=seconds)

    monkeypatch.setattr(Places, "addresses", addresses)
    with post.db.unit() as unit:
        insert = (
            "INSERT INTO clients (id, name, segregation, status, status_since, opening, opened_at) "
            "VALUES ('acme', 'Acme', 'segregated', 'active', now(), 'x', now())"
        )
        unit.session.execute(text(insert))
    made = post.add(client="acme")
    post.tell("theirs", client="globex")
    post.tell("the house's")
    post.tell("ours", client="acme")
    post.push()
    assert [came.version[0] for came in post.receiver.came] == ["ours"]
    assert asked == ["acme"], "and it is looked up for that client"
    foreign = next(event for event in post.events() if event.client == "globex")
    with post.db.unit() as unit, pytest.raises(UnknownEvent):
        operations.resend(unit.session, endpoint=made.endpoint.id, event=foreign, actor="alice", now=unit.now)
    post.receiver.came.clear()
    post.add(types=["thing.ended"], payload="thin")
    post.tell("z")
    post.tell("z", event="ended")
    post.push()
    assert [came.event["type"] for came in post.receiver.came] == ["thing.ended"]
    assert "data" not in post.receiver.came[0].event


def test_one_is_sent_again_under_its_own_id(post: Post) -> None:
    made = post.add()
    post.tell("a", "b")
    post.push()
    event = next(event for event in post.events() if event.subject == "a")
    with post.db.unit() as unit:
        operations.resend(unit.session, endpoint=made.endpoint.id, event=event, actor="alice", now=unit.now)
    assert post.push() == 1
    assert post.receiver.ids().count(event.id) == 2


def test_for_a_day_both_secrets_sign(post: Post) -> None:
    made = post.add()
    with post.db.unit() as unit:
        new = operations.rotate_secret(
            unit.session, endpoint=made.endpoint.id, sealer=post.sealer, actor="alice", now=unit.now
        )
    post.tell("a")
    post.push()
    for secret in (made.secret, new.secret):
        Webhook(secret.text).verify(post.receiver.came[0].body, post.receiver.came[0].headers)
    post.ahead = DAY
    post.tell("b")
    post.push()
    headers = post.receiver.came[1].headers
    assert len(headers["webhook-signature"].split()) == 2


def test_a_secret_lies_sealed_and_opens_for_its_own_endpoint_alone(post: Post) -> None:
    """P-117, and a thief of the database sends nothing of ours to a place of theirs."""
    made = post.add()
    sealed = bytes(_one(post, "SELECT secret FROM webhook_endpoints"))
    assert made.secret.shared not in sealed and made.secret.text.encode() not in sealed
    assert "shared" not in repr(made) and made.secret.text not in repr(made.secret)
    with pytest.raises(SecretTampered):
        Sealer(b"another key").open(sealed, endpoint=made.endpoint.id, url=made.endpoint.url, client=None)
    with pytest.raises(SecretTampered):
        post.sealer.open(b"", endpoint=made.endpoint.id, url=made.endpoint.url, client=None)
    own: dict[str, Any] = {"endpoint": made.endpoint.id, "url": made.endpoint.url, "client": None}
    assert post.sealer.open(sealed, **own).shared == made.secret.shared
    for name in own:
        with pytest.raises(SecretTampered):
            post.sealer.open(sealed, **(own | {name: "another"}))
    _run(post, "UPDATE webhook_endpoints SET url = url || '/thief'")
    post.tell("a")
    assert post.push() == 0
    assert post.receiver.came == []
    assert post.endpoint(made).state == "disabled"


def test_a_changed_address_keeps_its_secret_and_a_removed_endpoint_forgets_it(post: Post) -> None:
    made = post.add()
    with post.db.unit() as unit:
        operations.change(
            unit.session,
            endpoint=made.endpoint.id,
            sealer=post.sealer,
            actor="alice",
            now=unit.now,
            url=f"{post.receiver.url}/new",
        )
    post.tell("a")
    post.push()
    assert post.receiver.came[0].path == "/hooks/new"
    Webhook(made.secret.text).verify(post.receiver.came[0].body, post.receiver.came[0].headers)
    with post.db.unit() as unit:
        operations.remove(unit.session, endpoint=made.endpoint.id, actor="alice", now=unit.now)
    assert _one(post, "SELECT secret FROM webhook_endpoints") == b""
    with post.db.unit() as unit, pytest.raises(queries.UnknownEndpoint):
        queries.get(unit.session, endpoint=made.endpoint.id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"types": ["no such thing!"]}, "types"), ({"payload": "fat"}, "payload"), ({"url": "ftp://x/"}, "url")],
)
def test_what_is_not_accepted_is_named_and_nothing_is_written(
    post: Post, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        post.add(**changes)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert post.count("webhook_endpoints") == 0


def test_claiming_and_settling_cost_the_same_statements_however_much_waits(post: Post) -> None:
    post.add()
    assert _statements(post, 2) == _statements(post, 60)


def test_the_backlog_tells_what_waits_and_what_fails(post: Post) -> None:
    made = post.add()
    post.tell("a", "b")
    post.receiver.answer = lambda came: (204 if came.version[0] == "a" else 500, {}, b"")
    post.push()
    with post.db.unit() as unit:
        (found,) = queries.backlog(unit.session)
    assert (found.endpoint, found.waiting, found.failing) == (made.endpoint.id, 1, 1)
    assert found.last_success_at is not None
    with post.db.unit() as unit:
        assert operations.prune(unit.session, before=unit.now + DAY) == 1


def _verify_asymmetric(public: str, headers: dict[str, str], body: bytes) -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    (said,) = [each for each in headers["webhook-signature"].split() if each.startswith("v1a,")]
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key.verify(base64.b64decode(said.removeprefix("v1a,")), message)


def _expect_alarm(post: Post, kind: str) -> None:
    with post.db.unit() as unit:
        assert kind in [alarm.kind for alarm in audit.alarms(unit.session)]


def _deliveries(post: Post, endpoint: str) -> list[queries.Delivery]:
    with post.db.unit() as unit:
        return queries.deliveries(unit.session, endpoint=endpoint, limit=50)


def _attempts(post: Post, endpoint: str) -> list[queries.Attempt]:
    (event,) = {each.event for each in _deliveries(post, endpoint)}
    with post.db.unit() as unit:
        return queries.attempts(unit.session, endpoint=endpoint, event=event)


def _one(post: Post, statement: str) -> Any:
    with post.db.unit() as unit:
        return unit.session.execute(text(statement)).scalar_one()


def _run(post: Post, statement: str) -> None:
    with post.db.unit() as unit:
        unit.session.execute(text(statement))


def _statements(post: Post, count: int) -> int:
    from sqlalchemy import event

    post.tell(*(f"many {number}" for number in range(count)))
    seen: list[str] = []

    def note(*given: object) -> None:
        seen.append(str(given[2]))

    event.listen(post.db.engine, "before_cursor_execute", note)
    post.push()
    event.remove(post.db.engine, "before_cursor_execute", note)
    return len(seen)

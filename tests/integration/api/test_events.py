"""The feed and the routes of webhook endpoints, as callers see them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from custody.api import access
from custody.api.app import THREADS, application
from custody.api.auth import Callers
from custody.api.call import Call
from custody.events import queries
from custody.webhooks import operations
from custody.webhooks.model import TEST
from custody.webhooks.places import Places
from tests.integration.api.callers import TOKENS, As, Caller, expect_problem, pages
from tests.integration.api.working import work_off
from tests.support.rows import write
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens

HOOKS = "/v1/webhook-endpoints"
NEW = {"url": "https://93.184.216.34/hooks", "client": None, "types": [], "payload": "full", "label": "books"}


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database, webhook_inside="127.0.0.0/8")
    for branch, name in enumerate(("acme", "globex"), start=1):
        house.open_client(name, branch=branch)
    yield house
    house.close()


def events_of(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def test_the_feed_is_read_to_its_end_by_cursor_and_has_the_bytes_that_are_pushed(house: House, call_as: As) -> None:
    exchange, cursor, seen = call_as("exchange"), "0", []
    while page := exchange.get(f"/v1/events?after={cursor}&limit=3"):
        if not events_of(page):
            break
        seen += events_of(page)
        cursor = page.json()["cursor"]
    assert [event["cursor"] for event in seen] == [str(number) for number in range(1, len(seen) + 1)]
    with house.db.unit() as unit:
        told = queries.after(unit.session, cursor=0, limit=1_000).events
    assert [json.loads(event.body) for event in told] == seen
    whole = exchange.get("/v1/events?limit=200").content
    assert all(event.body in whole for event in told)
    assert exchange.get(f"/v1/events/{told[0].id}").content == told[0].body
    expect_problem(exchange.get("/v1/events/evt_none"), 404, "unknown-event")


def test_the_feed_is_narrowed_by_client_and_type(call_as: As) -> None:
    exchange = call_as("exchange")
    assert {event["client"] for event in events_of(exchange.get("/v1/events?client=acme"))} == {"acme"}
    types = {event["type"] for event in events_of(exchange.get("/v1/events?type=client.opened&type=vault"))}
    assert types == {"client.opened", "vault.opened"}


def test_the_feed_of_one_object_is_its_own_and_a_mistyped_one_is_not_waited_for(call_as: As) -> None:
    exchange = call_as("exchange")
    told = events_of(exchange.get("/v1/events?type=client&subject=acme"))
    assert [(event["object"]["id"], event["type"]) for event in told] == [("acme", "client.opened")]
    unknown = exchange.get("/v1/events?type=withdrawal&subject=acme&wait=30")
    expect_problem(unknown, 404, "unknown-event", "subject")


@pytest.mark.parametrize(
    ("query", "field"),
    [("after=x", "after"), ("after=-1", "after"), ("limit=0", "limit"), ("limit=201", "limit"), ("wait=31", "wait"),
     ("type=A", "type"), ("client=%00", "client"), ("limit=x", "limit"),
     ("subject=acme", "subject"), ("type=client&subject=", "subject")],
)  # fmt: skip
def test_what_is_not_accepted_is_named(call_as: As, query: str, field: str) -> None:
    expect_problem(call_as("exchange").get(f"/v1/events?{query}"), 422, "invalid-input", field)


def test_more_wait_than_there_are_threads_and_all_hear_of_what_is_told(house: House, call_as: As) -> None:
    exchange = call_as("exchange")
    newest = exchange.get("/v1/events?limit=200").json()["cursor"]
    heard: list[list[dict[str, Any]]] = []

    def wait() -> None:
        heard.append(events_of(exchange.get(f"/v1/events?after={newest}&wait=30")))

    waiting = [threading.Thread(target=wait, daemon=True) for _ in range(2 * THREADS)]
    for thread in waiting:
        thread.start()
    assert exchange.get("/v1/assets").status_code == 200
    assert not heard
    house.address("acme")
    for thread in waiting:
        thread.join(20)
    assert [[event["type"] for event in events] for events in heard] == [["address.issued"]] * len(waiting)


@contextmanager
def bound_to_acme(house: House, folder: Path) -> Iterator[TestClient]:
    """A door where ``exchange`` is bound to one client."""
    tokens = write_tokens(folder / "tokens.json", TOKENS)
    document = json.loads(tokens.read_text())
    for caller in document["callers"]:
        if caller["name"] == "exchange":
            caller["clients"] = ["acme"]
    tokens.write_text(json.dumps(document))
    with TestClient(application(house.runtime, Callers.load(tokens)), raise_server_exceptions=False) as client:
        yield client


def test_who_is_bound_to_a_client_hears_and_configures_what_is_theirs(house: House, tmp_path: Path) -> None:
    """P-116 of these routes: another client's endpoint does not exist, and its events are not told."""
    with bound_to_acme(house, tmp_path) as client:
        bound, alice = Caller(client, "exchange"), Caller(client, "alice")
        assert {event["client"] for event in events_of(bound.get("/v1/events?limit=200"))} == {"acme"}
        assert events_of(bound.get("/v1/events?client=globex")) == []
        foreign = next(e for e in events_of(alice.get("/v1/events?limit=200")) if e["client"] == "globex")
        expect_problem(bound.get(f"/v1/events/{foreign['id']}"), 404, "unknown-event")
        expect_problem(bound.post(HOOKS, NEW | {"client": "globex"}), 403, "client-refused")
        expect_problem(bound.post(HOOKS, NEW), 403, "client-refused")
        own = bound.post(HOOKS, NEW | {"client": "acme"}).json()["id"]
        theirs = alice.post(HOOKS, NEW | {"client": "globex"}).json()["id"]
        assert [each["id"] for each in bound.get(HOOKS).json()["webhook_endpoints"]] == [own]
        for method, path, body in _every_call(theirs, foreign["id"]):
            expect_problem(bound.send(method, path, json=body), 404, "unknown-webhook-endpoint")
        expect_problem(bound.post(f"{HOOKS}/{own}/deliveries/{foreign['id']}/resend"), 404, "unknown-event")


def test_every_route_of_an_endpoint_asks_for_itself_whose_it_is(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what is asked at the door of every call were missing."""
    for place in [place for place in access.RULES if place[1].startswith(f"{HOOKS}/")]:
        monkeypatch.setitem(access.RULES, place, replace(access.RULES[place], whose=access.Anybodys()))
    with bound_to_acme(house, tmp_path) as client:
        bound, alice = Caller(client, "exchange"), Caller(client, "alice")
        theirs = alice.post(HOOKS, NEW | {"client": "globex"}).json()["id"]
        event = events_of(alice.get("/v1/events?limit=1"))[0]["id"]
        before = house.row_counts()
        for method, path, body in _every_call(theirs, event):
            expect_problem(bound.send(method, path, json=body), 404, "unknown-webhook-endpoint")
        assert house.row_counts() == before


def test_the_name_of_an_endpoint_is_looked_up_for_who_asks(call_as: As, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Places, "read", lambda _self, _url, *, asker: asked.append(asker))
    assert call_as("alice").post(HOOKS, NEW).status_code == 201
    assert asked == ["alice"]


def test_a_test_answers_its_own_event_whatever_is_tried_beside_it(
    house: House, call_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = call_as("alice")
    endpoint = alice.post(HOOKS, NEW).json()["id"]
    unit_of = Call.unit

    def with_another_behind(call: Call, work: Any) -> Any:
        answer = unit_of(call, work)
        with house.db.unit() as unit:
            operations.send_test(unit.session, endpoint=endpoint, actor="bob", now=unit.now)
        return answer

    monkeypatch.setattr(Call, "unit", with_another_behind)
    assert alice.post(f"{HOOKS}/{endpoint}/test").json()["actor"] == "alice"


def test_an_endpoint_is_made_shown_changed_and_removed(house: House, call_as: As) -> None:
    alice = call_as("alice")
    made = alice.post(HOOKS, NEW)
    assert made.status_code == 201
    secret, endpoint = made.json()["secret"], made.json()["id"]
    assert secret.startswith("whsec_") and made.json()["public_key"].startswith("whpk_")
    shown = alice.get(f"{HOOKS}/{endpoint}")
    assert secret not in shown.text and shown.json()["status"] == "active" and shown.json()["waiting"] == 0
    new = alice.post(f"{HOOKS}/{endpoint}/secret").json()
    assert new["secret"] != secret and new["old_secret_until"] is not None
    assert alice.send("PATCH", f"{HOOKS}/{endpoint}", json={"label": "other"}).json()["label"] == "other"
    assert alice.post(f"{HOOKS}/{endpoint}/disable", {"reason": "moving house"}).json()["reason"] == "moving house"
    expect_problem(alice.post(f"{HOOKS}/{endpoint}/disable", {"reason": "again"}), 409, "webhook-endpoint-state")
    assert alice.post(f"{HOOKS}/{endpoint}/enable").json()["status"] == "active"
    event = events_of(alice.get("/v1/events?limit=1"))[0]["id"]
    assert alice.post(f"{HOOKS}/{endpoint}/deliveries/{event}/resend").json()["waiting"] == 1
    assert [each["event"] for each in alice.get(f"{HOOKS}/{endpoint}/deliveries").json()["deliveries"]] == [event]
    assert alice.get(f"{HOOKS}/{endpoint}/deliveries/{event}").json() == {"attempts": []}
    assert alice.send("DELETE", f"{HOOKS}/{endpoint}").json() == {"removed": endpoint}
    expect_problem(alice.get(f"{HOOKS}/{endpoint}"), 404, "unknown-webhook-endpoint")


def test_an_endpoint_chooses_its_format_and_may_change_it(call_as: As) -> None:
    alice = call_as("alice")
    plain = alice.post(HOOKS, NEW).json()
    assert (plain["format"], plain["source"]) == ("standard", None)
    made = alice.post(HOOKS, NEW | {"format": "cloudevents"}).json()
    assert made["format"] == "cloudevents" and made["source"].startswith("/custody/")
    path = f"{HOOKS}/{made['id']}"
    assert alice.send("PATCH", path, json={"label": "other"}).json()["format"] == "cloudevents"
    changed = alice.send("PATCH", path, json={"format": "standard"}).json()
    assert (changed["format"], changed["source"]) == ("standard", None)


def test_what_failed_is_sent_again_as_a_job_and_a_test_is_marked_as_one(house: House, call_as: As) -> None:
    alice = call_as("alice")
    endpoint = alice.post(HOOKS, NEW).json()["id"]
    for _ in range(3):
        house.address("acme")
    with house.db.unit() as unit:
        assert operations.take_over(unit.session, now=unit.now) == 4, "its own beginning is told as well"
    write(house, "UPDATE webhook_deliveries SET first_failed_at = now(), due_at = now() + interval '1 hour'")
    path, key = f"{HOOKS}/{endpoint}/resend-failed", {"Idempotency-Key": "again-1"}
    asked = alice.post(path, {"since": None}, headers=key)
    assert (asked.status_code, asked.json()["kind"], asked.json()["wanted"]) == (202, "resend", 4)
    assert (asked.json()["endpoint"], asked.json()["vault"]) == (endpoint, None)
    assert alice.post(path, {"since": None}, headers=key).status_code == 200
    beside = alice.post(path, {"since": None}, headers={"Idempotency-Key": "again-2"})
    expect_problem(beside, 409, "resend-running", "endpoint")
    assert asked.json()["id"] in beside.json()["detail"]
    other = alice.post(path, {"since": "2026-11-23T00:00:00.000000Z"}, headers=key)
    expect_problem(other, 422, "idempotency-mismatch", "since")
    work_off(house)
    done = alice.get(asked.headers["location"]).json()
    assert (done["status"], done["done"], done["addresses"], done["next"]) == ("completed", 4, [], None)
    assert alice.post(path, {"since": None}).json()["wanted"] == 0, "a key of its own where none is named"
    tried = alice.post(f"{HOOKS}/{endpoint}/test")
    assert (tried.status_code, tried.json()["type"], tried.json()["data"]["test"]) == (202, TEST, True)
    assert alice.get(tried.headers["location"]).json() == {"attempts": []}
    assert alice.get(f"/v1/events/{tried.json()['id']}").content == tried.content
    alice.post(f"{HOOKS}/{endpoint}/disable", {"reason": "moving"})
    expect_problem(alice.post(path, {"since": None}), 409, "webhook-endpoint-state", "endpoint")
    expect_problem(alice.post(f"{HOOKS}/{endpoint}/test"), 409, "webhook-endpoint-state", "endpoint")


def test_deliveries_are_read_by_the_address_of_the_next_page(house: House, call_as: As) -> None:
    alice = call_as("alice")
    endpoint = alice.post(HOOKS, NEW).json()["id"]
    for _ in range(4):
        house.address("acme")
    with house.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
    path = f"{HOOKS}/{endpoint}/deliveries"
    whole = alice.get(path).json()["deliveries"]
    assert pages(alice, f"{path}?limit=2&state=waiting", "deliveries") == whole and len(whole) == 5
    following = alice.get(f"{path}?limit=2&state=waiting").json()["next"]
    assert following.startswith(f"{path}?") and "state=waiting" in following
    for foreign in ("4", "WyJhZGRyZXNzZXMiLCIxIl0"):
        expect_problem(alice.get(f"{path}?after={foreign}"), 422, "invalid-input", "after")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "https://127.0.0.2.nip.invalid/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "http://[::1]/"}, "url"),
        ({"url": 5}, "url"),
        ({"types": ["Nope"]}, "types"),
        ({"types": "withdrawal"}, "types"),
        ({"payload": "fat"}, "payload"),
        ({"format": "xml"}, "format"),
        ({"label": ""}, "label"),
        ({"client": 5}, "client"),
        ({"more": 1}, "body.more"),
    ],
)
def test_p112_what_is_not_accepted_is_named_and_nothing_is_written(
    house: House, call_as: As, change: dict[str, Any], field: str
) -> None:
    before = house.row_counts()
    expect_problem(call_as("alice").post(HOOKS, NEW | change), 422, "invalid-input", field)
    after = house.row_counts()
    assert after == before


def test_nobody_else_opens_these_routes(call_as: As) -> None:
    for name in ("north", "ticker", "auditor"):
        expect_problem(call_as(name).post(HOOKS, NEW), 403, "role-refused")
    expect_problem(call_as("ticker").get("/v1/events"), 403, "role-refused")


def _every_call(endpoint: str, event: str) -> list[tuple[str, str, Any]]:
    one = f"{HOOKS}/{endpoint}"
    return [
        ("GET", one, None),
        ("PATCH", one, {"label": "x"}),
        ("DELETE", one, None),
        ("POST", f"{one}/disable", {"reason": "x"}),
        ("POST", f"{one}/enable", None),
        ("POST", f"{one}/secret", None),
        ("GET", f"{one}/deliveries", None),
        ("GET", f"{one}/deliveries/{event}", None),
        ("POST", f"{one}/deliveries/{event}/resend", None),
        ("POST", f"{one}/resend-failed", {"since": None}),
        ("POST", f"{one}/test", None),
    ]

"""Who may come in where, what every answer carries, and how errors look."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api import leaving
from custody.api.app import routes_served
from custody.api.auth import Callers
from custody.api.contract.document import openapi
from custody.db import Database
from custody.db.unit import UnitConflict
from custody.kernel.errors import InvalidInput
from tests.integration.api.callers import TOKENS, As, expect_problem
from tests.support.world import BTC, House

WDR, BND, DIGEST = "wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV", "bnd_01ARZ3NDEKTSV4RRFFQ69G5FAV", "0" * 64
EVT = "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"
WHE = "/v1/webhook-endpoints/whe_01ARZ3NDEKTSV4RRFFQ69G5FAV"
EVERYBODY = {"requester", "operator", "cosigner", "reader"}
ROUTES = [
    ("GET", "/v1/keysets", EVERYBODY),
    ("GET", "/v1/trust-root", EVERYBODY),
    ("GET", "/v1/clients/acme/openings", EVERYBODY),
    ("GET", "/v1/clients", EVERYBODY),
    ("POST", "/v1/clients", {"requester"}),
    ("GET", "/v1/clients/acme", EVERYBODY),
    ("POST", "/v1/clients/acme/addresses", {"requester", "operator"}),
    ("GET", "/v1/clients/acme/addresses", EVERYBODY),
    ("POST", "/v1/clients/acme/addresses/bulk", {"requester", "operator"}),
    ("GET", "/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV", EVERYBODY),
    ("GET", "/v1/clients/acme/balances", EVERYBODY),
    ("GET", "/v1/deposits", EVERYBODY),
    ("GET", "/v1/deposits/dep_01ARZ3NDEKTSV4RRFFQ69G5FAV", EVERYBODY),
    ("GET", "/v1/pledges", EVERYBODY),
    ("GET", "/v1/reconciliation", EVERYBODY),
    ("GET", "/v1/queue", EVERYBODY),
    ("POST", "/v1/withdrawals/quote", {"requester", "operator"}),
    ("POST", "/v1/withdrawals/evaluate", {"requester", "operator"}),
    ("GET", "/v1/clients/acme/deposits", EVERYBODY),
    ("GET", "/v1/withdrawals", EVERYBODY),
    ("POST", "/v1/withdrawals", {"requester"}),
    ("GET", f"/v1/withdrawals/{WDR}", EVERYBODY),
    ("POST", f"/v1/withdrawals/{WDR}/cancel", {"requester", "operator"}),
    ("POST", "/v1/respends", {"requester", "operator"}),
    ("GET", "/v1/returns", EVERYBODY),
    ("POST", "/v1/returns", {"requester", "operator"}),
    ("POST", f"/v1/withdrawals/{WDR}/replacements", {"operator"}),
    ("GET", "/v1/intents", EVERYBODY),
    ("POST", "/v1/intents", {"requester", "operator"}),
    ("GET", f"/v1/intents/{DIGEST}", EVERYBODY),
    ("POST", f"/v1/intents/{DIGEST}/approvals", {"operator"}),
    ("GET", "/v1/bundles?cosigner=north", {"cosigner"}),
    ("POST", f"/v1/bundles/{BND}/signatures", {"cosigner"}),
    ("POST", f"/v1/bundles/{BND}/refusals", {"cosigner"}),
    ("GET", "/v1/status", EVERYBODY),
    ("GET", "/v1/assets", EVERYBODY),
    ("GET", "/v1/prices", EVERYBODY),
    ("GET", "/v1/freezes", EVERYBODY),
    ("GET", "/v1/breaks", EVERYBODY),
    ("GET", "/v1/listings", EVERYBODY),
    ("GET", "/v1/rotation", EVERYBODY),
    ("POST", f"/v1/listings/{DIGEST}/confirmation", {"operator"}),
    ("POST", "/v1/statements", {"service"}),
    ("POST", "/v1/status", {"service", "operator"}),
    ("GET", "/v1/announcements", {"service", "cosigner", "operator"}),
    ("GET", "/v1/retractions", {"service", "cosigner", "operator"}),
    ("GET", "/v1/events", EVERYBODY),
    ("GET", f"/v1/events/{EVT}", EVERYBODY),
    ("GET", "/v1/webhook-endpoints", EVERYBODY),
    ("POST", "/v1/webhook-endpoints", {"requester", "operator"}),
    ("GET", WHE, EVERYBODY),
    ("PATCH", WHE, {"requester", "operator"}),
    ("DELETE", WHE, {"requester", "operator"}),
    ("POST", f"{WHE}/disable", {"requester", "operator"}),
    ("POST", f"{WHE}/enable", {"requester", "operator"}),
    ("POST", f"{WHE}/secret", {"requester", "operator"}),
    ("POST", f"{WHE}/resend-failed", {"requester", "operator"}),
    ("POST", f"{WHE}/test", {"requester", "operator"}),
    ("GET", f"{WHE}/deliveries", EVERYBODY),
    ("GET", f"{WHE}/deliveries/{EVT}", EVERYBODY),
    ("POST", f"{WHE}/deliveries/{EVT}/resend", {"requester", "operator"}),
]
STRANGERS = [None, "", "Bearer", "Bearer ", "Bearer nobody's", "Basic abc", TOKENS["exchange"][1], "Bearer \xff\xfe"]


def templates(client: TestClient) -> set[tuple[str, str]]:
    """Every route there is, from the application itself."""
    found = {
        (method, context.path)
        for context in iter_route_contexts(client.app._app.routes)  # the layer around it keeps request ids
        for method in context.methods or ()
    }
    return {(method, path) for method, path in found if path.startswith("/v1")}


def test_the_matrix_below_names_every_route(client: TestClient) -> None:
    assert len(templates(client)) == len(ROUTES)


@pytest.mark.parametrize("name", ["exchange", "alice", "north", "ticker", "auditor"])
def test_opens_to_each_role_exactly_its_routes(house: House, call_as: As, name: str) -> None:
    role = TOKENS[name][0]
    before = house.row_counts()
    for method, path, roles in ROUTES:
        answer = call_as(name).send(method, path, **({"content": b"{}"} if method == "POST" else {}))
        refused = answer.status_code == 403 and answer.json()["code"] == "role-refused"
        allowed = role in roles
        assert refused != allowed, (method, path, role, answer.text)
        assert answer.status_code < 500, answer.text
    assert house.row_counts() == before


@pytest.mark.parametrize("header", STRANGERS)
def test_opens_to_nobody_without_a_token(client: TestClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for method, path, _ in ROUTES:
        answer = client.request(method, path, headers=headers)
        expect_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_says_whether_it_is_up_to_anybody(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_answers_under_the_callers_request_id_or_one_of_its_own(client: TestClient) -> None:
    assert client.get("/healthz", headers={"Request-Id": "my.id-1_2"}).headers["request-id"] == "my.id-1_2"
    for bad in ("", "a" * 65, "a b", "a/b", "<script>", 'x"y'):
        given = client.get("/nowhere", headers={"Request-Id": bad}).headers["request-id"]
        assert given.startswith("req_")
        assert len(given) == 30


def test_has_no_other_routes_and_says_so_in_its_own_words(client: TestClient) -> None:
    for path in ("/", "/docs", "/openapi.json", "/redoc", "/v1", "/v1/clients/", "/v2/clients"):
        expect_problem(client.get(path), 404, "no-such-route")
    answer = client.delete("/v1/clients")
    expect_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"a": 1, "a": 2}', b'{"a": 1.5}', b'{"a": NaN}', b"\xff\xfe", b"[" * 60_000, b"\x00"],
)
def test_refuses_what_is_not_strict_json_and_repeats_nothing_of_it(house: House, call_as: As, content: bytes) -> None:
    before = house.row_counts()
    answer = call_as("exchange").send("POST", "/v1/withdrawals", content=content)
    expect_problem(answer, 422, "invalid-input")
    assert house.row_counts() == before


def test_never_repeats_a_rejected_value(call_as: As) -> None:
    canary = "xprv-canary-7f3a"
    bodies = [{"request": canary, "signature": canary}, {canary: 1}, canary]
    answers = [call_as("exchange").post("/v1/withdrawals", body) for body in bodies[:1] + bodies[2:]]
    answers.append(call_as("auditor").get(f"/v1/withdrawals?state={canary}"))
    answers.append(call_as("auditor").get(f"/v1/intents/{canary}"))
    answers.append(call_as("north").get("/v1/bundles"))
    for answer in answers:
        expect_problem(answer, 422, "invalid-input")
        assert canary not in answer.text


def test_hides_what_went_wrong_inside(call_as: As, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary: the password is swordfish")

    monkeypatch.setattr("custody.clients.queries.page", broken)
    answer = call_as("auditor").get("/v1/clients")
    expect_problem(answer, 500, "internal")
    assert "swordfish" not in answer.text


@pytest.mark.parametrize(("conflicts", "status"), [(2, 200), (3, 409)])
def test_runs_a_unit_again_where_two_met_three_times_at_most(
    call_as: As, monkeypatch: pytest.MonkeyPatch, conflicts: int, status: int
) -> None:
    tried: list[int] = []

    def meeting(_session: object, **_: object) -> list[object]:
        tried.append(1)
        if len(tried) <= conflicts:
            raise UnitConflict("two units met")
        return []

    monkeypatch.setattr("custody.clients.queries.page", meeting)
    answer = call_as("auditor").get("/v1/clients")
    assert (answer.status_code, len(tried)) == (status, 3)
    if status == 409:
        assert expect_problem(answer, 409, "unit-conflict")["retryable"] is True


def test_tells_where_everything_stands_while_the_node_is_silent(call_as: As) -> None:
    found = call_as("auditor").get("/v1/status").json()
    assert (found["node"]["ready"], found["scanned"]) == (False, None)
    assert found["books"]["balanced"] is True
    assert found["audit_head"]["sequence"] > 0


def test_tells_what_is_behind(house: House, call_as: As) -> None:
    """What nobody carries out is told by how long it waits: there is no worker here."""
    house.open_client("acme", branch=0)
    house.credit("acme", BTC)
    house.withdraw(house.withdrawal_request("acme", 10_000))
    with house.db.unit() as unit:
        unit.session.execute(text("UPDATE outbox SET due_at = due_at - interval '2 hours'"))
        unit.session.execute(text("UPDATE outbox SET attempts = 1 WHERE id = (SELECT min(id) FROM outbox)"))
    behind = call_as("auditor").get("/v1/status").json()["behind"]
    work = behind["work"]
    assert work["due"] >= 2
    assert min(work["unpublished_seconds"], work["unhandled_seconds"]) >= 3_600
    assert int(behind["events"]["cursor"]) > 0
    assert behind["webhooks"] == {"waiting": 0, "events_behind": 0, "failing_seconds": 0, "disabled": 0}
    hook = {
        "url": "https://93.184.216.34/hooks",
        "client": None,
        "types": ["withdrawal"],
        "payload": "full",
        "label": "books",
    }
    assert call_as("exchange").post("/v1/webhook-endpoints", hook).status_code == 201
    house.withdraw(house.withdrawal_request("acme", 10_000))
    later = call_as("auditor").get("/v1/status").json()["behind"]
    told = int(later["events"]["cursor"]) - int(behind["events"]["cursor"])
    assert 0 < later["webhooks"]["events_behind"] <= told


def test_answers_by_one_dated_contract_and_refuses_any_other(call_as: As) -> None:
    reader, name = call_as("auditor"), "Custody-Version"
    for headers in ({}, {name: "2026-11-01"}):
        answer = reader.get("/v1/assets", headers=headers)
        assert (answer.status_code, answer.headers[name]) == (200, "2026-11-01")
    for asked in ("2026-11-02", "1", ""):
        refused = reader.get("/v1/assets", headers={name: asked})
        expect_problem(refused, 400, "version-unknown", "custody-version")
        assert refused.headers[name] == "2026-11-01"
    assert name not in reader.get("/healthz").headers


def test_an_operation_on_its_way_out_says_so_in_every_answer(call_as: As, monkeypatch: pytest.MonkeyPatch) -> None:
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)
    gone = leaving.Leaving(since, until, "/docs/api.md")
    monkeypatch.setattr(leaving, "LEAVING", {("GET", "/v1/clients/{client}"): gone})
    exchange = call_as("exchange")
    for path in ("/v1/clients/nobody", "/v1/clients/nobody?limit=x"):
        headers = exchange.get(path).headers
        assert headers["deprecation"] == f"@{int(since.timestamp())}"
        assert headers["sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
        assert headers["link"].startswith('</docs/api.md>; rel="deprecation"')
    assert openapi(routes_served())["paths"]["/v1/clients/{client}"]["get"]["deprecated"] is True
    for staying in ("/v1/clients", "/v1/assets", "/v1/no-such-route"):
        assert not {"deprecation", "sunset"} & set(exchange.get(staying).headers)


def test_nothing_leaves_sooner_than_a_year_after_that_was_said() -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="a year"):
        leaving.Leaving(since, since + timedelta(days=364), "/docs/api.md")


@pytest.mark.parametrize("twice", ["name", "token_sha256"])
def test_refuses_two_callers_with_one_name_or_token(twice: str) -> None:
    rows = [{"name": f"c{n}", "role": "reader", "token_sha256": f"{n}" * 64} for n in (1, 2)]
    rows[1][twice] = rows[0][twice]
    with pytest.raises(InvalidInput, match="share"):
        Callers.parse(json.dumps({"callers": rows}))


def _with_dead_database(house: House) -> object:
    return replace(house.runtime, database=Database("postgresql+psycopg://nobody@127.0.0.1:1/none"))

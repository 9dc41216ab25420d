"""Calls that are signed: let in once, as who signed them, for what they are narrowed to and as often as they may."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from custody.api import entering
from custody.api.signatures import memory
from tests.integration.api.callers import expect_problem
from tests.integration.api.signing import Signer, call_key, row, serving_rows, shared
from tests.support.world import BTC, House


@pytest.fixture(autouse=True)
def _opened(house: House) -> None:
    house.open_client("acme", branch=0)
    house.credit("acme", 1_000_000)


@contextmanager
def signing(house: House, folder: Path, **narrowed: Any) -> Iterator[Signer]:
    with serving_rows(house, folder, row("shop", **narrowed)) as client:
        yield Signer(client, call_key("shop"))


def test_lets_in_who_signs_with_either_kind_of_key(house: House, tmp_path: Path) -> None:
    mac = {"name": "till", "role": "reader", "key": "till-call", "hmac_secret_file": "secret"}
    with serving_rows(house, tmp_path, row("shop"), mac) as client:
        for key in (call_key("shop"), shared("till")):
            assert Signer(client, key).send("GET", "/v1/withdrawals?client=acme").status_code == 200
        asked = house.withdrawal_request("acme", 10_000)
        assert Signer(client, call_key("shop")).send("POST", "/v1/withdrawals", house.body(asked)).status_code == 201
        answer = Signer(client, shared("till")).send("POST", "/v1/withdrawals", house.body(asked))
        expect_problem(answer, 403, "role-refused")


def test_refuses_another_body_path_key_and_a_token_beside_the_signature(house: House, tmp_path: Path) -> None:
    before = house.row_counts()
    body, other = (house.body(house.withdrawal_request("acme", units)) for units in (10_000, 20_000))
    with signing(house, tmp_path) as shop:
        headers = shop.signed("POST", "/v1/withdrawals", json.dumps(body).encode())
        answers = [
            (shop.send("POST", "/v1/withdrawals", other, headers=headers), "call-signature-refused", "content-digest"),
            (shop.send("POST", "/v1/respends", body, headers=headers), "call-signature-refused", "signature"),
            (
                shop.send("POST", "/v1/withdrawals", body, headers=headers | {"Idempotency-Key": "mine"}),
                *("call-signature-refused", "signature-input"),
            ),
            (
                shop.send("POST", "/v1/withdrawals", body, headers=headers | {"Authorization": "Bearer x"}),
                *("unauthenticated", None),
            ),
            (Signer(shop.client, call_key("stranger")).send("GET", "/v1/assets"), "call-signature-refused", "keyid"),
        ]
        late = {"created": int(time.time()) - 200, "expires": int(time.time()) - 100}
        answers.append((shop.send("GET", "/v1/assets", said=late), "call-signature-refused", "expires"))
        forged = shop.signed("GET", "/v1/assets", b"")
        forged["Signature"] = shop.signed("GET", "/v1/assets", b"", nonce="f" * 32)["Signature"]
        answers.append((shop.send("GET", "/v1/assets", headers=forged), "call-signature-refused", "signature"))
        for answer, code, field in answers:
            expect_problem(answer, 401, code, field)
    assert house.row_counts() == before


def test_takes_each_call_once_whether_it_wrote_read_or_was_refused(house: House, tmp_path: Path) -> None:
    body = house.body(house.withdrawal_request("acme", 10_000))
    with signing(house, tmp_path) as shop:
        for method, path, sent, status in (
            ("POST", "/v1/withdrawals", body, 201),
            ("GET", "/v1/withdrawals", None, 200),
            ("POST", "/v1/withdrawals", {"request": 1, "signature": 2}, 422),
            ("POST", "/v1/withdrawals/wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel", None, 404),
        ):
            assert shop.send(method, path, sent).status_code == status
            again = shop.send(method, path, sent, headers=shop.sent)
            assert again.status_code == (422 if status == 422 else 401), again.text
            if status != 422:
                expect_problem(again, 401, "call-replayed", "nonce")
        # An honest second try is another call: it has a nonce of its own.
        assert shop.send("POST", "/v1/withdrawals", body).status_code == 200


def test_of_a_call_sent_many_times_at_once_one_is_let_in(house: House, tmp_path: Path) -> None:
    body = json.dumps(house.body(house.withdrawal_request("acme", 10_000))).encode()
    with signing(house, tmp_path) as shop, ThreadPoolExecutor(8) as pool:
        headers = shop.signed("POST", "/v1/withdrawals", body)
        answers = list(pool.map(lambda _: shop.send("POST", "/v1/withdrawals", body, headers=headers), range(8)))
        assert sorted(answer.status_code for answer in answers) == [201, *[401] * 7]
    assert len(house.withdrawals()) == 1


def test_forgets_nonces_that_are_too_old_to_matter(house: House, tmp_path: Path) -> None:
    with house.db.unit() as unit:
        unit.session.execute(
            text(
                "INSERT INTO call_nonces SELECT 'old', n::text, now() - interval '1 hour' FROM generate_series(1, 25) n"
            )
        )
    with signing(house, tmp_path) as shop:
        for _ in range(3):
            shop.send("POST", "/v1/clients/acme/addresses")
    assert house.row_counts()["call_nonces"] == 3


def test_refuses_a_call_that_was_made_for_another_house(house: House, tmp_path: Path) -> None:
    """Two houses may know the same key: what one was asked is not carried out by the other, whatever a proxy says."""
    before = house.row_counts()
    body = json.dumps(house.body(house.withdrawal_request("acme", 10_000))).encode()
    with signing(house, tmp_path) as shop:
        for authority in ("custody.other.example", "127.0.0.1:8081", "testserver:8080"):
            headers = shop.signed("POST", "/v1/withdrawals", body, authority=authority) | {"Host": authority}
            answer = shop.send("POST", "/v1/withdrawals", body, headers=headers)
            expect_problem(answer, 401, "call-signature-refused", "@authority")
        assert house.row_counts() == before
        for authority in ("localhost:8080", "[::1]:8080"):
            headers = shop.signed("GET", "/v1/assets", b"", authority=authority) | {"Host": authority.upper()}
            assert shop.send("GET", "/v1/assets", headers=headers).status_code == 200


def test_what_was_refused_for_its_pace_or_scope_is_not_carried_out_later(house: House, tmp_path: Path) -> None:
    body = house.body(house.withdrawal_request("acme", 10_000))
    with signing(house, tmp_path, calls_per_minute=1, scopes=["read"]) as shop:
        expect_problem(shop.send("POST", "/v1/withdrawals", body), 403, "scope-refused")
        for_its_scope = shop.sent
        expect_problem(shop.send("POST", "/v1/withdrawals", body), 429, "too-many-calls")
        for_its_pace = shop.sent
        expect_problem(shop.send("GET", "/v1/assets"), 429, "too-many-calls")
        expect_problem(shop.send("GET", "/v1/assets", headers=shop.sent), 401, "call-replayed")
    with signing(house, tmp_path) as shop:
        for headers in (for_its_scope, for_its_pace):
            expect_problem(shop.send("POST", "/v1/withdrawals", body, headers=headers), 401, "call-replayed", "nonce")
    assert house.withdrawals() == []


def test_remembers_so_many_reads_of_a_key_and_takes_no_more(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads are remembered also where they come too fast: otherwise whoever is limited could fill the memory."""
    monkeypatch.setattr(memory, "READS_KEPT", 3)
    kept = "3 reads under this key could still come again"
    with serving_rows(house, tmp_path, row("shop", calls_per_minute=1), row("other")) as client:
        shop, other = (Signer(client, call_key(name)) for name in ("shop", "other"))
        assert shop.send("GET", "/v1/assets").status_code == 200
        told = [expect_problem(shop.send("GET", "/v1/assets"), 429, "too-many-calls") for _ in range(3)]
        assert [each["detail"].startswith(kept) for each in told] == [False, False, True]
        assert other.send("GET", "/v1/assets").status_code == 200
        later = int(time.time()) + 120
        monkeypatch.setattr(entering, "_now", lambda: later)
        answer = shop.send("GET", "/v1/assets", said={"created": later, "expires": later + 60})
        assert not expect_problem(answer, 429, "too-many-calls")["detail"].startswith(kept)


def test_a_call_with_another_body_spends_nothing(house: House, tmp_path: Path) -> None:
    """Otherwise who saw its headers alone could use it up before it arrives."""
    body = json.dumps(house.body(house.withdrawal_request("acme", 10_000))).encode()
    with signing(house, tmp_path) as shop:
        headers = shop.signed("POST", "/v1/withdrawals", body)
        expect_problem(shop.send("POST", "/v1/withdrawals", b"{}", headers=headers), 401, "call-signature-refused")
        assert shop.send("POST", "/v1/withdrawals", body, headers=headers).status_code == 201


def test_is_remembered_by_the_databases_clock_whatever_time_it_is_here(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose clock is ahead forgets nothing for the others; one that is behind takes nothing forgotten."""
    path, hour = "/v1/clients/acme/addresses", 3_600
    with signing(house, tmp_path) as shop:
        assert shop.send("POST", path).status_code == 201
        first = shop.sent
        monkeypatch.setattr(entering, "_now", lambda: int(time.time()) + hour)
        ahead = {"created": int(time.time()) + hour, "expires": int(time.time()) + hour + 60}
        assert shop.send("POST", path, said=ahead).status_code == 201
        monkeypatch.setattr(entering, "_now", lambda: int(time.time()))
        expect_problem(shop.send("POST", path, headers=first), 401, "call-replayed", "nonce")
        monkeypatch.setattr(entering, "_now", lambda: int(time.time()) - hour)
        behind = {"created": int(time.time()) - hour, "expires": int(time.time()) - hour + 60}
        expect_problem(shop.send("POST", path, said=behind), 401, "call-signature-refused", "expires")


def test_costs_one_statement_more_and_no_unit(house: House, tmp_path: Path) -> None:
    counted = []
    with signing(house, tmp_path) as shop:
        event.listen(house.db.engine, "before_cursor_execute", lambda *given: counted.append(given[2].split()[0]))
        event.listen(house.db.engine, "commit", lambda *_: counted.append("COMMIT"))
        token = {"Authorization": "Bearer token-of-the-exchange-000000000001"}
        seen = []
        for send in (
            lambda path, **o: shop.send("POST", path, **o),
            lambda path: shop.send("POST", path, headers=token),
        ):
            counted.clear()
            assert send("/v1/clients/acme/addresses").status_code == 201
            seen.append((len(counted), counted.count("COMMIT")))
        assert seen == [(seen[1][0] + 1, 1), (seen[1][0], 1)]
        counted.clear()
        shop.send("GET", "/v1/prices")
        assert "WITH" not in counted


def test_is_held_to_its_scopes(house: House, tmp_path: Path) -> None:
    withdrawal = house.withdraw(house.withdrawal_request("acme", 10_000))
    with signing(house, tmp_path, scopes=["withdraw:cancel"]) as shop:
        expect_problem(shop.send("GET", "/v1/withdrawals"), 403, "scope-refused")
        body = house.body(house.withdrawal_request("acme", 10_000))
        expect_problem(shop.send("POST", "/v1/withdrawals", body), 403, "scope-refused")
        assert shop.send("POST", f"/v1/withdrawals/{withdrawal.id}/cancel").status_code == 200


def test_no_scope_approves(house: House, tmp_path: Path) -> None:
    every = ["read", "address", "withdraw:request", "withdraw:cancel", "webhook", "report"]
    house.credit("acme", 2 * BTC)
    digest = house.withdraw(house.withdrawal_request("acme", BTC)).digest
    given = house.approval("alice", digest)
    body = {"statement": given.statement.to_json(), "signature": given.signature.to_json()}
    path = f"/v1/intents/{digest}/approvals"
    with serving_rows(
        house, tmp_path, row("alice-api", "operator", scopes=every), row("alice-all", "operator")
    ) as client:
        expect_problem(Signer(client, call_key("alice-api")).send("POST", path, body), 403, "scope-refused")
        # The statement is what approves; a whole operator's credential may hand it in.
        assert Signer(client, call_key("alice-all")).send("POST", path, body).status_code == 201


def test_comes_from_its_networks_alone_and_believes_no_header(house: House, tmp_path: Path) -> None:
    narrowed = row("shop", networks=["10.0.0.0/8"])
    forwarded = {"X-Forwarded-For": "10.1.1.1"}
    for place, status in (("10.1.1.1", 200), ("192.0.2.1", 403)):
        with serving_rows(house, tmp_path, narrowed, client=(place, 1)) as client:
            shop = Signer(client, call_key("shop"))
            headers = shop.signed("GET", "/v1/assets", b"") | forwarded
            answer = shop.send("GET", "/v1/assets", headers=headers)
            assert answer.status_code == status
            if status == 403:
                expect_problem(answer, 403, "network-refused")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("10.1.1.1", 200),
        ("10.1.1.1, 192.0.2.1", 403),
        ("192.0.2.1, 10.1.1.1", 200),
        ("192.0.2.1, 10.1.1.1, 172.16.0.9", 200),
        ("10.1.1.1, nonsense", 403),
        ("", 403),
    ],
)
def test_takes_the_word_of_its_own_proxies(house: House, tmp_path: Path, header: str, status: int) -> None:
    narrowed = row("shop", networks=["10.0.0.0/8"])
    with serving_rows(house, tmp_path, narrowed, client=("172.16.0.1", 1)) as client:
        client.app._app.state.proxies = (ip_network("172.16.0.0/12"),)
        shop = Signer(client, call_key("shop"))
        headers = shop.signed("GET", "/v1/assets", b"") | {"X-Forwarded-For": header}
        assert shop.send("GET", "/v1/assets", headers=headers).status_code == status


def test_is_limited_by_the_minute_but_never_for_a_freeze_or_a_cancel(house: House, tmp_path: Path) -> None:
    withdrawal = house.withdraw(house.withdrawal_request("acme", 10_000))
    with signing(house, tmp_path, calls_per_minute=2) as shop:
        for left in (1, 0):
            answer = shop.send("GET", "/v1/assets")
            assert answer.headers["ratelimit-policy"] == '"credential";q=2;w=60'
            assert answer.headers["ratelimit"].startswith(f'"credential";r={left};')
        refused = shop.send("GET", "/v1/assets")
        assert expect_problem(refused, 429, "too-many-calls")["retryable"] is True
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        expect_problem(shop.send("POST", "/v1/intents", {"request": {"kind": "sweep"}}), 429, "too-many-calls")
        freeze = {"request": {"kind": "freeze"}, "signature": {}}
        expect_problem(shop.send("POST", "/v1/intents", freeze), 422, "invalid-input")
        assert shop.send("POST", f"/v1/withdrawals/{withdrawal.id}/cancel").status_code == 200


def test_a_freeze_and_a_cancel_take_nothing_out_of_the_bucket(house: House, tmp_path: Path) -> None:
    """Otherwise whoever stops much could not read what he stopped."""
    asked = [house.withdraw(house.withdrawal_request("acme", 10_000)) for _ in range(3)]
    freeze = {"request": {"kind": "freeze"}, "signature": {}}
    with signing(house, tmp_path, calls_per_minute=2) as shop:
        for withdrawal in asked:
            answer = shop.send("POST", f"/v1/withdrawals/{withdrawal.id}/cancel")
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
            expect_problem(shop.send("POST", "/v1/intents", freeze), 422, "invalid-input")
        for left in (1, 0):
            assert shop.send("GET", "/v1/assets").headers["ratelimit"].startswith(f'"credential";r={left};')

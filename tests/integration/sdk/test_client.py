"""The client's daily work against a real house: everything it asks is signed twice, and what it is told is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.testclient import TestClient

from custody.chains.ethereum.offline.address import checksum_address
from custody.kernel.errors import InvalidInput
from custody.sdk import (
    Client,
    HouseUnavailable,
    InConflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotThere,
    StillWaiting,
)
from custody.sdk.environment import read_environment
from tests.cosigner.builders import address, person_key
from tests.integration.api.signing import call_key, row, serving_rows
from tests.integration.sdk.client import Between, client_of
from tests.integration.vaults.safe_keysets import ANVIL
from tests.support.servers import Servers
from tests.support.several import TOKEN, Several

LONG_AGO = "2020-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    database = servers.fresh_database()
    house = Several.stand(database, tmp_path_factory.mktemp("house"))
    yield house
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def http(house: Several, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    rows = (row("shop"), row("narrow", scopes=["read"]))
    with serving_rows(house, tmp_path_factory.mktemp("api"), *rows) as client:
        yield client


@pytest.fixture
def joined(house: Several, http: TestClient) -> tuple[Client, Between]:
    return client_of(http, house.ceremony.root.hash)


@pytest.fixture
def client(joined: tuple[Client, Between]) -> Client:
    return joined[0]


def pay(client: Client, amount: str = "0.01", **more: str) -> object:
    return client.withdrawals.create("acme", "BTC", amount, to=address("somebody"), max_fee="0.0002", **more)


def test_pays_once_under_one_key_and_shows_where_it_stands(client: Client) -> None:
    paid = client.withdrawals.create(
        "acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002", idempotency_key="order-1"
    )
    assert (paid.amount.decimal, paid.amount.base_units, paid.asset.code) == ("0.01000000", 1_000_000, "BTC")
    assert (paid.client, paid.destination, paid.status) == ("acme", address("somebody"), "approved")
    # The same order again is the same payment; another order under its key is refused by field.
    again = client.withdrawals.create(
        "acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002", idempotency_key="order-1"
    )
    assert again == paid
    with pytest.raises(InvalidRequest) as refused:
        client.withdrawals.create(
            "acme", "BTC", "0.02", to=address("somebody"), max_fee="0.0002", idempotency_key="order-1"
        )
    assert refused.value.field == "request.amount"
    assert paid.id in [each.id for each in client.withdrawals.list(client="acme")]
    assert client.withdrawals.get(paid.id) == paid
    assert [each.id for each in client.withdrawals.list(status="denied")] == []
    cancelled = client.withdrawals.cancel(paid.id)
    assert (cancelled.status, cancelled.is_final) == ("cancelled", True)
    assert client.withdrawals.wait(paid.id) == cancelled


def test_finds_a_payment_by_what_the_clients_books_call_it(client: Client) -> None:
    order = {"to": address("somebody"), "max_fee": "0.0002", "idempotency_key": "order-r", "reference": "inv 7"}
    paid = client.withdrawals.create("acme", "BTC", "0.01", **order)
    assert (paid.reference, client.withdrawals.create("acme", "BTC", "0.01", **order)) == ("inv 7", paid)
    assert [each.id for each in client.withdrawals.list(client="acme", reference="inv 7")] == [paid.id]
    with pytest.raises(InConflict) as taken:
        client.withdrawals.create("acme", "BTC", "0.01", **order | {"idempotency_key": "order-s"})
    assert (taken.value.code, taken.value.field) == ("reference-taken", "reference")


def test_an_order_is_the_same_payment_when_its_time_is_over(house: Several, http: TestClient) -> None:
    client, between = client_of(http, house.ceremony.root.hash)
    order = {"to": address("somebody"), "max_fee": "0.0002", "idempotency_key": "order-2"}
    paid = client.withdrawals.create("acme", "BTC", "0.01", **order)
    between.tamper = lambda path, found: (
        found | {"withdrawals": [each | {"expires_at": LONG_AGO} for each in found["withdrawals"]]}
        if path == "/v1/withdrawals" and "withdrawals" in found
        else found
    )
    assert client.withdrawals.create("acme", "BTC", "0.01", **order).id == paid.id
    between.tamper = lambda path, found: found | {"withdrawals": []} if "withdrawals" in found else found
    with pytest.raises(InvalidRequest, match="not_after"):
        client.withdrawals.create("acme", "BTC", "0.01", **order)


def test_reads_amounts_by_the_decimals_of_the_proved_trust_root(client: Client) -> None:
    paid = client.withdrawals.create("birch", "TST", "1.5", to=_account(), max_fee="0.01")
    assert (paid.asset.id, paid.amount.base_units) == (TOKEN.id, 1_500_000)
    by_id = client.withdrawals.create("birch", ANVIL.asset.id, "0.000000000000000001", to=_account(), max_fee="0.01")
    assert by_id.amount.base_units == 1
    for amount, asset in (("1.5000001", "TST"), ("1e3", "TST"), ("-1", "TST"), ("1", "DOGE")):
        with pytest.raises(InvalidInput):
            client.withdrawals.create("birch", asset, amount, to=_account(), max_fee="0.01")


def test_opens_a_client_and_reads_what_it_has(client: Client, house: Several) -> None:
    asked = client.clients.open("cedar", chain=house.ceremony.keyset.chain, name="Cedar Ltd")
    assert (asked.client, asked.state) == ("cedar", "pending")
    with pytest.raises(InvalidInput, match="chain"):
        client.clients.open("cedar")
    assert {each.id for each in client.clients.list()} == {"acme", "birch"}
    assert client.clients.get("acme").segregation == "segregated"
    with pytest.raises(NotThere) as missing:
        client.clients.get("nobody")
    assert missing.value.code == "unknown-client"
    balances = {each.asset.code: each for each in client.balances("birch")}
    assert balances["TST"].total.decimal == "2.500000"
    assert list(client.deposits.list("acme")) == []


def test_tells_what_is_refused_by_family_with_the_request_id_in_front(http: TestClient, house: Several) -> None:
    root = house.ceremony.root.hash
    narrow, _ = client_of(http, root, name="narrow")
    with pytest.raises(NotAllowed) as refused:
        pay(narrow)
    assert refused.value.code == "scope-refused"
    assert str(refused.value).startswith("req_")
    assert refused.value.idempotency_key is not None
    assert refused.value.idempotency_key in str(refused.value)
    with pytest.raises(NotAuthenticated) as stranger:
        client_of(http, root, name="stranger")[0].clients.get("acme")
    assert (stranger.value.code, stranger.value.field) == ("call-signature-refused", "keyid")


def test_tries_again_where_that_is_safe_under_the_same_key_and_another_nonce(joined: tuple[Client, Between]) -> None:
    client, between = joined
    client.clients.get("acme")
    client.withdrawals.request("acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002")
    between.sent.clear()
    between.drop = [httpx2.ReadTimeout("silent"), 503]
    pay(client)
    assert len({request.headers["idempotency-key"] for request in between.sent}) == 1
    assert len({request.headers["signature-input"] for request in between.sent}) == 3
    assert between.paused[1] == 7
    between.sent.clear()
    between.drop = [503] * 3
    with pytest.raises(HouseUnavailable) as given_up:
        pay(client)
    assert (len(between.sent), given_up.value.retryable) == (3, True)
    # Silence after a call that hands something out and has no key: nobody knows whether it did.
    between.sent.clear()
    between.drop = [httpx2.ReadTimeout("silent")]
    with pytest.raises(HouseUnavailable, match="does not answer"):
        client.addresses.new("acme")
    assert len(between.sent) == 1
    between.drop = [httpx2.ConnectError("nobody there")]
    assert client.addresses.new("acme").client == "acme"


def test_what_is_not_retryable_is_not_tried_again(joined: tuple[Client, Between]) -> None:
    client, between = joined
    with pytest.raises(NotThere):
        client.withdrawals.get("wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert len(between.sent) == 1
    assert between.paused == []


def test_says_beforehand_what_would_become_of_a_payment(client: Client, house: Several) -> None:
    before = house.row_counts()
    found = client.withdrawals.evaluate("acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002")
    assert (found["status"], found["amount"]["base_units"]) == ("approved", "1000000")
    after = house.row_counts()
    assert after.pop("call_nonces") > before.pop("call_nonces")
    assert after == before


def test_waits_with_an_end(client: Client) -> None:
    paid = client.withdrawals.create("acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002")
    with pytest.raises(StillWaiting, match="is approved after 0 seconds") as still:
        client.withdrawals.wait(paid.id, timeout=0)
    assert still.value.last == client.withdrawals.get(paid.id)
    assert client.withdrawals.wait(paid.id, until="approved").id == paid.id


def test_keeps_a_word_it_does_not_know(joined: tuple[Client, Between]) -> None:
    client, between = joined
    paid = client.withdrawals.create("acme", "BTC", "0.01", to=address("somebody"), max_fee="0.0002")
    between.tamper = lambda path, found: found | {"status": "teleported", "colour": "red"}
    found = client.withdrawals.get(paid.id)
    assert (found.status, found.is_final, found.raw["colour"]) == ("teleported", False, "red")


def test_does_anything_else_by_path(client: Client) -> None:
    answer = client.request("GET", "/v1/assets")
    assert {each["code"] for each in answer.document["assets"]} == {"BTC", "ETH", "TST"}
    with pytest.raises(InvalidRequest):
        client.request("POST", "/v1/withdrawals", json={"request": 1, "signature": 2})


def test_follows_no_page_to_another_host(joined: tuple[Client, Between]) -> None:
    client, between = joined
    between.tamper = lambda path, found: found | {"next": "@elsewhere.example/v1/clients"}
    with pytest.raises(InvalidInput, match="not a path"):
        list(client.clients.list())
    assert [request.url.host for request in between.sent] == ["testserver"]
    assert between.sent[0].headers["custody-version"] == "2026-11-01"


def test_a_debug_log_has_no_signature_and_no_body(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client.clients.get("acme")
    assert "custody:" not in capsys.readouterr().err
    monkeypatch.setenv("CUSTODY_LOG", "debug")
    client.clients.get("acme")
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("custody:"))
    assert "GET /v1/clients/acme 200 req_" in line
    assert line.endswith(" ms")
    monkeypatch.setenv("CUSTODY_LOG", "trace")
    client.clients.get("acme")
    shown = capsys.readouterr().err
    assert '"segregation"' in shown
    assert "custody-v1" not in shown


def test_is_made_from_the_environment_which_names_what_is_missing(house: Several, tmp_path: Path) -> None:
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "call.pem").write_bytes(call_key("shop").key.private_bytes(*pem))
    (tmp_path / "request.pem").write_bytes(person_key("exchange").private_bytes(*pem))
    environment = {
        "CUSTODY_API_URL": "https://custody.example.com/",
        "CUSTODY_API_KEY": "shop-call",
        "CUSTODY_API_KEY_FILE": str(tmp_path / "call.pem"),
        "CUSTODY_TRUST_ROOT": house.ceremony.root.hash,
        "CUSTODY_REQUESTER": "exchange",
        "CUSTODY_REQUEST_KEY": "exchange-1",
        "CUSTODY_REQUEST_KEY_FILE": str(tmp_path / "request.pem"),
    }
    with Client.from_env(environment) as client:
        assert repr(client) == "Client"
    seen = tmp_path / "seen"
    assert read_environment(environment | {"CUSTODY_TRUST_ROOT_SEEN_FILE": str(seen)}).seen_file == seen
    for name in environment:
        if name == "CUSTODY_REQUESTER":
            continue
        with pytest.raises(InvalidInput) as missing:
            Client.from_env({key: value for key, value in environment.items() if key != name})
        assert missing.value.field == name
    (tmp_path / "call.pem").write_bytes(b"-----BEGIN canary")
    for name, value in (
        ("CUSTODY_API_URL", "ftp://x"),
        ("CUSTODY_TRUST_ROOT", "abc"),
        ("CUSTODY_API_KEY", "shop-call"),
    ):
        with pytest.raises(InvalidInput) as wrong:
            Client.from_env(environment | {name: value})
        assert "canary" not in str(wrong.value)


def test_pins_the_file_of_the_ceremony_and_says_where_hash_and_file_differ(house: Several, tmp_path: Path) -> None:
    signed = house.ceremony.signed_root.to_json()
    (tmp_path / "call").write_bytes(b"s" * 32)
    (tmp_path / "root.json").write_text(json.dumps(signed))
    environment = {
        "CUSTODY_API_URL": "https://custody.example.com/",
        "CUSTODY_API_KEY": "shop-call",
        "CUSTODY_API_KEY_FILE": str(tmp_path / "call"),
        "CUSTODY_TRUST_ROOT_FILE": str(tmp_path / "root.json"),
    }
    assert read_environment(environment).root == house.ceremony.root.hash
    assert read_environment(environment | {"CUSTODY_TRUST_ROOT": house.ceremony.root.hash}).root
    with pytest.raises(InvalidInput, match="is not the one of CUSTODY_TRUST_ROOT"):
        read_environment(environment | {"CUSTODY_TRUST_ROOT": "00" * 32})
    (tmp_path / "root.json").write_text(json.dumps(signed | {"signatures": []}))
    with pytest.raises(InvalidInput, match="is not the file of a ceremony"):
        read_environment(environment)


def _account() -> str:
    return checksum_address(bytes(range(20)))

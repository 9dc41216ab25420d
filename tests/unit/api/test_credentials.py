"""The callers' file: what narrows a credential, and one-line errors that name the field. And how often one calls."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from custody.api.auth import Callers
from custody.api.credentials import Caller, Role, Scope, read_credentials
from custody.api.limits import Limits
from custody.kernel.errors import InvalidInput

TOKEN = {"name": "auditor", "role": "reader", "token_sha256": "ab" * 32}
KEY = {"name": "exchange", "role": "requester", "key": "exchange-1", "ed25519": "d75a980182b10ab7" * 4}


def read(tmp_path: Path, *rows: dict[str, Any]) -> list[Caller]:
    return [each.caller for each in read_credentials(json.dumps({"callers": rows}), folder=tmp_path)]


def test_a_file_from_before_there_were_keys_stays_good(tmp_path: Path) -> None:
    caller = read(tmp_path, TOKEN)[0]
    assert caller == Caller("auditor", Role.READER)
    assert caller.has(Scope.READ)
    assert caller.may_see("anybody")
    assert caller.may_call_from("testclient")


def test_reads_everything_that_narrows(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s" * 32 + b"\n")
    caller = read(
        tmp_path,
        {
            "name": "acme",
            "role": "requester",
            "key": "acme-1",
            "hmac_secret_file": "secret",
            "scopes": ["read", "withdraw:cancel"],
            "clients": ["acme"],
            "networks": ["10.0.0.0/8", "2001:db8::/32"],
            "calls_per_minute": 60,
        },
    )[0]
    assert [scope for scope in Scope if caller.has(scope)] == [Scope.READ, Scope.WITHDRAW_CANCEL]
    assert not caller.has(None)
    assert (caller.may_see("acme"), caller.may_see("bolt"), caller.may_see(None)) == (True, False, False)
    places = ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7", "11.0.0.1", "", "nowhere")
    assert [caller.may_call_from(place) for place in places] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token_sha256": "ab" * 32}, "callers"),
        ({"ed25519": None}, "callers.ed25519"),
        ({"ed25519": "ab"}, "callers.ed25519"),
        ({"key": "a key"}, "callers.key"),
        ({"scopes": ["approve"]}, "callers.scopes"),
        ({"scopes": "read"}, "callers.scopes"),
        ({"role": "reader", "scopes": ["withdraw:request"]}, "callers.scopes"),
        ({"role": "operator", "clients": ["acme"]}, "callers.clients"),
        ({"role": "cosigner", "clients": ["acme"]}, "callers.clients"),
        ({"clients": [1]}, "callers.clients"),
        ({"networks": ["10.0.0.1/8"]}, "callers.networks"),
        ({"networks": ["everywhere"]}, "callers.networks"),
        ({"calls_per_minute": 0}, "callers.calls_per_minute"),
        ({"calls_per_minute": "60"}, "callers.calls_per_minute"),
        ({"colour": "red"}, "callers.colour"),
    ],
)
def test_names_the_field_that_is_wrong(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, KEY | change)
    assert refused.value.field == f"CUSTODY_API_TOKENS_FILE.{field}"


def test_a_credential_is_one_thing_and_a_key_has_a_name(tmp_path: Path) -> None:
    for row in ({"name": "x", "role": "reader"}, {**TOKEN, "key": "x"}, {k: v for k, v in KEY.items() if k != "key"}):
        with pytest.raises(InvalidInput):
            read(tmp_path, row)
    with pytest.raises(InvalidInput, match="share the name of a key"):
        read(tmp_path, KEY, KEY | {"name": "another"})


def test_refuses_a_short_or_missing_secret_and_shows_none(tmp_path: Path) -> None:
    row = {"name": "x", "role": "requester", "key": "x", "hmac_secret_file": "secret"}
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(tmp_path, row)
    (tmp_path / "secret").write_bytes(b"canary" + b"\n" * 40)
    with pytest.raises(InvalidInput, match="too short") as refused:
        read(tmp_path, row)
    assert "canary" not in str(refused.value)
    (tmp_path / "secret").write_bytes(b"canary" * 8)
    credentials = read_credentials(json.dumps({"callers": [row]}), folder=tmp_path)
    assert "canary" not in repr(credentials) + repr(credentials[0].verifier)


def test_a_requester_signs_where_money_is_real(tmp_path: Path) -> None:
    path = tmp_path / "callers.json"
    path.write_text(json.dumps({"callers": [TOKEN, KEY]}))
    Callers.load(path, mainnet=True)
    path.write_text(
        json.dumps({"callers": [TOKEN, TOKEN | {"name": "exchange", "role": "requester", "token_sha256": "cd" * 32}]})
    )
    Callers.load(path)
    with pytest.raises(InvalidInput, match="exchange asks for payments with a bearer token beside a mainnet"):
        Callers.load(path, mainnet=True)


def test_reads_the_file_again_when_it_changes_and_keeps_the_old_one_when_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "callers.json"
    path.write_text(json.dumps({"callers": [TOKEN]}))
    callers = Callers.load(path)
    secret = "another token"
    row = {"name": "later", "role": "reader", "token_sha256": hashlib.sha256(secret.encode()).hexdigest()}
    path.write_text(json.dumps({"callers": [TOKEN, row]}))
    assert callers.identify(f"Bearer {secret}").name == "later"
    path.write_text("{")
    assert callers.identify(f"Bearer {secret}").name == "later"


def test_limits_by_the_minute_and_says_when_the_next_call_is_taken() -> None:
    clock = [100.0]
    limits, caller = Limits(clock=lambda: clock[0]), Caller("acme", Role.REQUESTER, calls_per_minute=6)
    taken = [limits.take(caller) for _ in range(7)]
    assert [each is not None and each.retry_after for each in taken] == [0] * 6 + [10]
    assert taken[0] is not None
    assert taken[0].headers() == {"RateLimit-Policy": '"credential";q=6;w=60', "RateLimit": '"credential";r=5;t=10'}
    clock[0] += 10
    again = [limits.take(caller) for _ in range(2)]
    assert [each is not None and each.retry_after for each in again] == [0, 10]
    assert limits.take(Caller("other", Role.REQUESTER)) is None

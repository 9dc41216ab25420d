"""Texts that want to be read as something else, at every door that takes a text which a person reads later."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from custody.cli.exits import INVALID, run
from custody.cli.main import app
from custody.cli.tables import printable
from custody.evidence.requests import KINDS, spelling_of
from custody.kernel.errors import InvalidInput
from custody.kernel.lettering import told
from tests.cosigner.builders import BTC, DEMO_POLICY, address
from tests.integration.api.callers import Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.support import passkeys
from tests.support.console import Visitor
from tests.support.governing import file, freeze, listing
from tests.support.lettering import REFUSED, SHOWN
from tests.support.oracle import plays
from tests.support.passkeys import Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House

HOOK = {"url": "https://93.184.216.34/hooks", "client": None, "types": [], "payload": "full", "label": "books"}
MONEY = re.compile(r'class="(?:amount|address)[^"]*">.*?</span>')


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database)
    house.open_client("acme", branch=1)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    with serving(house, tmp_path) as client:
        yield client


def text_fields(kind: str) -> list[str]:
    """What takes words of a language, and is no name, address or number."""
    found = []
    for name, each in spelling_of(kind).items():
        try:
            each.read("Zürich, 注文", field=name)
        except InvalidInput:
            continue
        found.append(name)
    return found


def test_no_kind_of_request_takes_one_in_any_field() -> None:
    every = {(kind, name) for kind in KINDS for name in text_fields(kind)}
    assert {("withdrawal", "purpose"), ("client_opening", "name"), ("destination_listing", "label")} <= every
    assert len(every) >= len(KINDS)
    for kind, name in sorted(every):
        for text in (*REFUSED.values(), "x" * 2_001):
            with pytest.raises(InvalidInput) as refused:
                spelling_of(kind)[name].read(text, field=f"request.{name}")
            assert refused.value.field == f"request.{name}"
            assert text not in str(refused.value)


def sent_to_the_api(house: House, text: str) -> list[tuple[str, Any, str]]:
    """Path, body and the field that is named."""
    return [
        ("/v1/withdrawals", house.body(house.withdrawal_request("acme", BTC // 100, purpose=text)), "request.purpose"),
        ("/v1/clients", house.body(house.opening_request("birch", branch=9, name=text)), "request.name"),
        ("/v1/intents", house.body(freeze(house.db, "client", "acme", purpose=text)), "request.purpose"),
        ("/v1/intents", house.body(listing(house.db, "acme", address("x"), label=text)), "request.label"),
        ("/v1/webhook-endpoints", HOOK | {"label": text}, "label"),
        ("/v1/webhook-endpoints/whk_none/disable", {"reason": text}, "reason"),
    ]


def sent_to_the_console(text: str, digest: str) -> list[tuple[str, dict[str, str], str]]:
    """Path, form and the field that is named."""
    stop = {"scope": "client", "subject": "acme", "purpose": text}
    place = {"client": "acme", "chain": "", "destination": "", "label": text, "action": "list", "purpose": "cold"}
    policy = DEMO_POLICY.replace("- permit: ", f'- permit: "{text}" #', 1)
    return [
        (f"/console/intents/{digest}/statement", {"verdict": "reject", "reason": text}, "reason"),
        ("/console/requests/freeze", stop, "purpose"),
        ("/console/requests/destination_listing", place, "label"),
        ("/console/requests/policy_change", {"document": policy, "purpose": "as agreed"}, "policy"),
    ]


@plays("P-114")
def test_p114_no_door_takes_a_text_that_reads_as_something_else(house: House, client: TestClient) -> None:
    exchange, alice = Caller(client, "exchange"), Visitor(client, "alice", Passkey("alice")).sign_in()
    digest = file(house.db, listing(house.db, "acme", address("cold"))).digest
    hook = exchange.post("/v1/webhook-endpoints", HOOK).json()["id"]
    before = house.row_counts()
    for number, (what, text) in enumerate(REFUSED.items()):
        doors = sent_to_the_api(house, text)
        for path, body, field in doors if number % 6 == 0 else doors[:1]:
            answer = exchange.post(path.replace("whk_none", hook), body)
            expect_problem(answer, 422, "invalid-input", field)
            assert text not in answer.text, what
    for what, text in list(REFUSED.items())[::6]:
        for path, form, field in sent_to_the_console(text, digest):
            answer = alice.post(path, form=form)
            assert answer.status_code == 422, (what, path)
            assert field in answer.text
    assert house.row_counts() == before
    house.expect_whole()


def test_somebodys_language_is_marked_and_changes_nothing_that_is_said_of_the_money(
    house: House, client: TestClient
) -> None:
    exchange, alice = Caller(client, "exchange"), Visitor(client, "alice", Passkey("alice")).sign_in()
    house.credit("acme", 10 * BTC)
    asked = house.withdrawal_request("acme", BTC // 2, purpose="plain")
    plain = house.withdraw(asked).digest
    page = alice.get(f"/console/intents/{plain}").text
    words = exchange.get(f"/v1/intents/{plain}").json()["words"]
    for number, (text, shown) in enumerate(SHOWN.items()):
        odd = house.withdraw(replace(asked, purpose=text, idempotency_key=f"odd-{number}")).digest
        found = alice.get(f"/console/intents/{odd}").text
        assert html.escape(shown) in found
        assert MONEY.findall(found)[:4] == MONEY.findall(page)[:4]
        said = exchange.get(f"/v1/intents/{odd}").json()["words"]
        assert said[:2] == words[:2]
        assert said[2] == words[2].replace("purpose: plain", f"purpose: {shown}")
        assert printable(text) == shown
    form = alice.post("/console/requests/freeze", form={"scope": "client", "subject": "", "purpose": "Кракен"}).text
    assert 'value="Кракен"' in form, "what is edited stays as it was typed"


@pytest.mark.parametrize("what", ["bidi override", "one Cyrillic letter", "escape"])
def test_the_command_line_names_the_option(capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str) -> None:
    document = tmp_path / "policy.yaml"
    document.write_text(DEMO_POLICY.replace("- permit: ", f'- permit: "{REFUSED[what]}" #', 1))
    assert run(app, ["policy", "check", str(document)]) == INVALID
    said = capsys.readouterr().err
    assert "policy: line " in said
    assert REFUSED[what] not in said
    assert told(said) == said

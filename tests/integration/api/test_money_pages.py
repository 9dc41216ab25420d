"""The console's pages of money and machinery: whole, light, as cheap in a crowd, and made of text and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import QueuePool
from starlette.responses import Response

from custody.api.console.frame import SCRIPTS
from custody.api.console.pages import queue
from tests.cosigner.builders import REGTEST
from tests.integration.api.conftest import serving
from tests.integration.movements.counting import recorded
from tests.support import crowd, passkeys
from tests.support.console import Visitor
from tests.support.passkeys import Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House

MOST_BYTES: Final = 60_000
HOSTILE: Final = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt;&#x27; {{7*7}} ${7*7} <!--",
    "\u202eevil\u2066<a href=//x>",
)


def visitor(house: House, folder: Path) -> Iterator[Visitor]:
    """Alice, signed in."""
    folder.mkdir(exist_ok=True)
    with serving(house, folder) as client:
        yield Visitor(client, "alice", Passkey("alice")).sign_in()


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database)
    yield house
    house.close()


@pytest.fixture
def alice(house: House, tmp_path: Path) -> Iterator[Visitor]:
    yield from visitor(house, tmp_path)


def paths(filled: crowd.Crowd, house: House) -> dict[str, str]:
    """Every page of the queue, money and machinery, of things that any crowded house has."""
    with superuser(house) as connection:
        found = connection.execute("SELECT min(id) FROM addresses WHERE client_id = 'template'").fetchone()
        deposit = connection.execute("SELECT min(id) FROM deposits").fetchone()
    assert found is not None and deposit is not None
    return {
        **{f"queue, {tab}": f"/console?tab={tab}" for tab in queue.TABS},
        "intent": f"/console/intents/{filled.digests[-1]}",
        "clients": "/console/clients",
        "client": f"/console/clients/{filled.clients[0]}",
        "addresses": "/console/clients/template/addresses",
        "address": f"/console/addresses/{found[0]}",
        "vaults": "/console/vaults",
        "vault": "/console/vaults/kst_demo/1000",
        "books": "/console/books",
        "account": f"/console/books?account=held+{filled.clients[0]}+{quote(REGTEST.asset.id, safe='')}",
        "entry": "/console/books/2",
        "deposits": "/console/deposits",
        "deposit": f"/console/deposits/{deposit[0]}",
        "withdrawals": "/console/withdrawals",
        "reconciliation": "/console/reconciliation",
        "breaks": "/console/breaks",
        "break": f"/console/breaks/{filled.breaks[0]}",
        "stuck": "/console/stuck",
        "health": "/console/health",
        "audit": "/console/audit",
        "audit by event": "/console/audit?by=event&wanted=intent.pending",
    }


def superuser(house: House) -> psycopg.Connection:
    """Whoever owns the server, whom no trigger stops."""
    connection = psycopg.connect(house.database.superuser_url.replace("+psycopg", ""), autocommit=True)
    connection.execute("SET session_replication_role = replica")
    return connection


def test_pages_are_whole_and_light_and_a_crowd_costs_no_more_statements(
    postgres: Callable[[], FreshDatabase], tmp_path: Path
) -> None:
    asked: list[dict[str, int]] = []
    for number, waiting, late, runs in ((3, 60, 30, 2), (300, 500, 80, 300)):
        house = passkeys.found(postgres())
        sizes = {"clients": number, "waiting": waiting, "stuck": late, "runs": runs, "breaks": min(number, 60)}
        filled = crowd.fill(house, **sizes, agreed=waiting // 4)
        told = {}
        for alice in visitor(house, tmp_path / str(number)):
            files = sum(sent(alice.get(f"/console/static/{name}")) for name in (*SCRIPTS, "console.css", "icon.svg"))
            for name, path in paths(filled, house).items():
                whole(alice, path)
                with recorded(house.db) as statements:
                    size = sent(alice.get(path))
                told[name] = len(statements)
                assert size + files <= MOST_BYTES, f"{name}: {size} and {files} bytes"
        asked.append(told)
        house.close()
    assert asked[0] == asked[1]


def sent(answer: Any) -> int:
    """The bytes that went over the wire, to a browser that takes them compressed."""
    assert answer.headers.get("content-encoding") == "gzip" or len(answer.content) < 1_000
    return int(answer.headers["content-length"])


def whole(alice: Visitor, path: str) -> str:
    """The page at ``path``: answered, one heading, tables with captions, nothing inline, nothing of strangers."""
    answer = alice.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    text: str = answer.text
    assert text.count("<h1>") == 1
    assert len(re.findall(r"<table[ >]", text)) == text.count("<caption>")
    assert re.search(r"<script[^>]*>[^<]|<style|\son\w+=|\sstyle=|javascript:", text) is None
    assert re.search(r"(src|href|action)=\"(?!/|#|\?)", text) is None
    assert re.search(r"\b(please|oops|successfully)\b", text, re.IGNORECASE) is None
    return text


class Tags(HTMLParser):
    """The tags and attributes of a page, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, tuple[str, ...]]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.add((tag, tuple(sorted(name for name, _ in attrs))))


def tags(text: str) -> set[tuple[str, tuple[str, ...]]]:
    found = Tags()
    found.feed(text)
    return found.seen


def test_nothing_a_row_says_becomes_markup(house: House, alice: Visitor) -> None:
    filled = crowd.fill(house, clients=3, waiting=6, stuck=2, runs=2, breaks=2)
    every = paths(filled, house)
    del every["account"]
    before = {name: tags(whole(alice, path)) for name, path in every.items()}
    for hostile in HOSTILE:
        with superuser(house) as connection:
            for statement in _EVERYWHERE:
                connection.execute(statement, {"text": hostile, "json": json.dumps({hostile: hostile})})
        for name, path in every.items():
            text = alice.get(path).text
            assert tags(text) <= before[name] | _MAY_COME, f"{name}: {tags(text) - before[name]}"
            assert hostile not in text or hostile.startswith("javascript"), name
            assert 'href="javascript' not in text
    for query in HOSTILE:
        for path in ("/console/clients?search=", "/console/audit?by=actor&wanted=", "/console/books?subject="):
            text = alice.get(path + quote(query)).text
            assert query not in text or query.startswith("javascript"), path


_MAY_COME: Final = {
    *(("time", ("datetime",)), ("p", ("class", "role")), ("h2", ()), ("section", ("class",))),
    # What was given up stands among what is stuck: "message waiting" and its number.
    ("span", ()),
    # A client who is not active is given no address: the button is closed, with the reason beside it.
    *(("button", ("aria-describedby", "disabled", "type")), ("span", ("class", "id"))),
}
_EVERYWHERE: Final = (
    "UPDATE clients SET name = id || %(text)s, status_reason = %(text)s, status = 'frozen'",
    "UPDATE vaults SET frozen_reason = %(text)s WHERE frozen_at IS NOT NULL",
    "UPDATE breaks SET detail = %(text)s",
    "UPDATE deposits SET reason = %(text)s",
    "UPDATE withdrawals SET waiting_for = %(text)s",
    "UPDATE journal_entries SET subject = %(text)s, actor = %(text)s WHERE id > 1",
    "UPDATE audit_events SET actor = %(text)s, subject = %(text)s, event = %(text)s, facts = %(json)s",
    "UPDATE outbox SET failed = %(text)s, attempts = 99",
)


def test_a_break_leads_to_where_it_is_settled(house: House, alice: Visitor) -> None:
    filled = crowd.fill(house, clients=2, runs=2, breaks=1)
    text = whole(alice, f"/console/breaks/{filled.breaks[0]}")
    (way,) = re.findall(r'action="(/console/requests/break_resolution[^"]*)"', text)
    assert alice.get(f"{way}?subject={filled.breaks[0]}").status_code == 200 and f'value="{filled.breaks[0]}"' in text
    assert "Nothing leaves this vault" in text and "what lifts it" in text


def test_the_log_is_walked_at_a_press_and_the_first_bad_record_named(house: House, alice: Visitor) -> None:
    crowd.fill(house, clients=1, waiting=3)
    fine = alice.post("/console/audit/verify", form={})
    assert fine.status_code == 200 and "are linked and unaltered" in fine.text
    lines = [json.loads(line) for line in alice.get("/console/audit/export").text.splitlines()]
    assert [each["sequence"] for each in lines] == list(range(1, len(lines) + 1))
    with superuser(house) as connection:
        connection.execute("UPDATE audit_events SET actor = 'mallory' WHERE sequence = 4")
    assert "the first bad record is 4" in alice.post("/console/audit/verify", form={}).text


def test_who_reads_the_log_slowly_holds_no_connection(
    house: House, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd.fill(house, clients=1, waiting=3)
    caught: list[Iterator[bytes]] = []

    def catch(pieces: Iterator[bytes], **_more: Any) -> Response:
        caught.append(pieces)
        return Response()

    monkeypatch.setattr("custody.api.console.routes.machinery.StreamingResponse", catch)
    monkeypatch.setattr("custody.views.auditing.EXPORTED_AT_ONCE", 2)
    alice.get("/console/audit/export")
    numbers = []
    for piece in caught[0]:
        assert cast("QueuePool", house.db.engine.pool).checkedout() == 0
        numbers += [json.loads(line)["sequence"] for line in piece.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 4


def test_an_address_that_does_not_derive_is_not_handed_out(house: House, alice: Visitor) -> None:
    crowd.fill(house, clients=1)
    with superuser(house) as connection:
        rows: list[Any] = connection.execute(
            "SELECT id, address, client_id FROM addresses WHERE state = 'issued'"
        ).fetchall()
    told = {client: (alice.get(f"/console/addresses/{number}"), address) for number, address, client in rows}
    codes = {client: alice.get(f"/console/addresses/{number}/qr") for number, _, client in rows}
    assert {client: answer.status_code for client, answer in codes.items()} == {"template": 200, "crowd-000000": 409}
    assert "<svg" not in codes["crowd-000000"].text
    fine, false = told["template"], told["crowd-000000"]
    assert fine[0].status_code == 200 and "derived twice" in fine[0].text and "<svg viewBox" in fine[0].text
    assert false[0].status_code == 409 and "Do not hand out" in false[0].text
    assert false[1] not in re.sub(r"<[^>]*>", "", false[0].text)
    assert alice.get("/console/addresses/999999").status_code == 404
    assert alice.get("/console/addresses/abc").status_code == 404


def test_an_empty_house_says_what_comes_next(house: House, alice: Visitor) -> None:
    for path, words in (
        ("/console/clients", "No clients yet"),
        ("/console/vaults", "No vault yet"),
        ("/console/books", "Nothing was booked yet"),
        ("/console/reconciliation", "No break is open"),
        ("/console/stuck", "Nothing is stuck"),
        ("/console/health", "no block was read yet"),
    ):
        assert words in whole(alice, path), path
    for path, status in (
        ("/console/clients?after=nonsense", 422),
        ("/console/books?account=nonsense", 422),
        ("/console/clients/nobody", 404),
        ("/console/vaults/kst_demo/99", 404),
        ("/console/breaks/brk_00000000000000000000000000", 404),
    ):
        assert alice.get(path).status_code == status, path

"""Every list leads to its last row: page by page, each row once, in order, and with the filters it began with."""

from __future__ import annotations

import html
import re

import psycopg

from tests.cosigner.builders import BTC
from tests.support import crowd
from tests.support.console import Visitor
from tests.support.world import House

ROWS = 15


def pages(alice: Visitor, path: str) -> list[list[str]]:
    """What heads each row of the last table, page after page, from ``path`` on by what each page calls its next.

    Of a row that leads somewhere it is where that is, of any other its words.
    """
    found: list[list[str]] = []
    following: str | None = path
    while following:
        answer = alice.get(following)
        assert answer.status_code == 200, f"{following}: {answer.text[:300]}"
        body = answer.text.rpartition("<tbody")[2].partition("</tbody>")[0]
        heads = re.findall(r'<th[^>]*scope="row"[^>]*>(.*?)</th>', body)
        found.append([html.unescape(re.sub(r'^<a href="([^"]+)".*|<[^>]*>', r"\1", each)) for each in heads])
        onward = re.search(r'<a href="([^"]+)">Next page</a>', answer.text)
        following = html.unescape(onward[1]) if onward else None
        assert len(found) < 20
    return found


def expect_all(alice: Visitor, path: str, wanted: list[str]) -> None:
    found = pages(alice, path)
    assert [each for one in found for each in one] == wanted, path
    assert [len(each) for each in found[:-1]] == [ROWS] * (len(found) - 1), path


def superuser(house: House) -> psycopg.Connection:
    connection = psycopg.connect(house.database.superuser_url.replace("+psycopg", ""), autocommit=True)
    connection.execute("SET session_replication_role = replica")
    return connection


def test_every_list_leads_to_its_last_row(house: House, alice: Visitor) -> None:
    filled = crowd.fill(house, clients=20, waiting=50, runs=2, breaks=20)
    house.stock(house.vaults["acme"], 40)
    given = [house.address("acme").id for _ in range(17)]
    with superuser(house) as connection:
        settled = list(filled.breaks[:16])
        for number, name in enumerate(settled):
            connection.execute(
                "INSERT INTO break_resolutions VALUES (%s, %s, 'explained', 'seen', now() + %s * interval '1 second')",
                (name, f"{number:064x}", number),
            )
        deposits, mine, theirs = (
            [row[0] for row in connection.execute(query)]
            for query in (
                "SELECT id FROM deposits ORDER BY id DESC",
                "SELECT digest FROM withdrawals ORDER BY id DESC",
                f"SELECT digest FROM withdrawals WHERE client_id = '{filled.clients[0]}' ORDER BY id DESC",
            )
        )
        acme = [
            row[0] for row in connection.execute("SELECT id FROM addresses WHERE client_id = 'acme' ORDER BY 1 DESC")
        ]
    assert set(given) <= set(acme)
    intents = [f"/console/intents/{each}" for each in mine]
    for path, wanted in (
        ("/console/deposits", [f"/console/deposits/{each}" for each in deposits]),
        ("/console/withdrawals", intents),
        ("/console/withdrawals?state=pending_approval", intents),
        ("/console/withdrawals?state=completed", []),
        (f"/console/withdrawals?client={filled.clients[0]}", [f"/console/intents/{each}" for each in theirs]),
        ("/console/clients/acme/addresses", [f"/console/addresses/{each}" for each in acme]),
        ("/console/breaks?state=settled", [f"/console/breaks/{each}" for each in reversed(settled)]),
        ("/console/breaks", [f"/console/breaks/{each}" for each in filled.breaks[16:]]),
    ):
        expect_all(alice, path, wanted)


def test_a_name_keeps_its_mark_and_a_time_its_unit(house: House, alice: Visitor) -> None:
    """In the queue, whose columns are narrow: neither is read without the other."""
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    house.approve(asked.digest, "bob")
    row = alice.get("/console").text.partition(f'id="row-{asked.digest[:16]}"')[2].partition("</tr>")[0]
    assert "bob\u00a0✓" in row
    kept = re.findall(r'<span class="one"[^>]*>([^<]+)</span>', row)
    assert [re.sub(r"\d+", "N", each) for each in kept] == ["N s", "N h left"]


def test_what_is_stuck_says_what_its_client_calls_it(house: House, alice: Visitor) -> None:
    filled = crowd.fill(house, clients=2, waiting=3, stuck=2)
    with superuser(house) as connection:
        connection.execute("UPDATE withdrawals SET reference = 'invoice <4711>' WHERE id = %s", (filled.waiting[0],))
    shown = alice.get("/console/stuck").text
    called = shown.partition(f'href="/console/withdrawals/{filled.waiting[0]}"')[2].partition("</th>")[0]
    assert "invoice &lt;4711&gt;" in called and shown.count("invoice") == 1


def test_what_was_frozen_listed_and_pushed_before_is_listed_to_the_end(house: House, alice: Visitor) -> None:
    with superuser(house) as connection:
        connection.execute(_FROZEN)
        connection.execute(_LISTED)
        connection.execute(_HOOKED)
        connection.execute(_PUSHED)
    past = [f"client c{number}" for number in range(40, 0, -1)]
    expect_all(alice, "/console/freezes", past)
    expect_all(alice, "/console/destinations?client=acme", [f"label {number:02}" for number in range(40, 0, -1)])
    hook = "/console/webhooks/whe_1"
    expect_all(alice, hook, [f"{hook}?event=evt_{number}" for number in range(40, 0, -1)])
    shown = alice.get("/console/freezes").text
    assert "Nothing is frozen." in shown and "books and the chain differ" in shown


_FROZEN = """
    INSERT INTO stops (scope, subject, cause, reason, digest, since, lifted_at, lifted_by)
    SELECT 'client', 'c' || n, 'break', 'why', NULL, now(), now(), lpad(n::text, 64, '0') FROM generate_series(1, 40) n
"""
# Two at each moment: a page that ends between them leads to the second.
_LISTED = """
    INSERT INTO listings (digest, client_id, chain, destination, locator, label, listed_at, counts_from)
    SELECT lpad(n::text, 64, '0'), 'acme', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', 'to ' || n, n::text::bytea,
      'label ' || lpad(n::text, 2, '0'), now() + (n / 2) * interval '1 second', now() FROM generate_series(1, 40) n
"""
_HOOKED = """
    INSERT INTO webhook_endpoints (id, url, types, payload, label, state, secret, position, created_at, created_by)
    VALUES ('whe_1', 'https://example.com/', '[]', 'full', '', 'active', '\\x00', 0, now(), 'test')
"""
_PUSHED = """
    INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, attempts,
      due_at, created_at)
    SELECT 'whe_1', n, 'evt_' || n, 'deposit', 'deposit.seen', 'dep', 'waiting', false, 0, now(), now()
    FROM generate_series(1, 40) n
"""


def test_a_list_knows_its_own_states_and_cursors_and_a_deposit_says_what_it_means(house: House, alice: Visitor) -> None:
    crowd.fill(house, clients=ROWS + 1)
    listed = alice.get("/console/deposits").text
    onward = re.search(r'after=([^"&]+)"', listed)
    assert onward
    for path, status in (
        ("/console/deposits?state=completed", 422),
        ("/console/withdrawals?state=credited", 422),
        ("/console/breaks?state=any", 422),
        (f"/console/withdrawals?after={onward[1]}", 422),
        (f"/console/deposits?client=acme&after={onward[1]}", 422),
        ("/console/clients/acme/addresses?after=nonsense", 422),
        ("/console/clients/nobody/addresses", 404),
        ("/console/deposits/dep_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 404),
    ):
        assert alice.get(path).status_code == status, path
    path = re.findall(r'href="(/console/deposits/[^"]+)"', listed)[0]
    name = path.rpartition("/")[2]
    with superuser(house) as connection:
        connection.execute(
            "INSERT INTO deposit_transitions VALUES (%s, 1, 'new', 'confirming', 'mined', 'regtest', now())", (name,)
        )
    shown = alice.get(path).text
    assert "The money is the client&#x27;s, and can be paid out." in shown and "confirming</td>" in shown
    for word in ("/console/addresses/", "/console/books?subject=", "/console/clients/crowd-"):
        assert word in shown
    with superuser(house) as connection:
        connection.execute("UPDATE deposits SET unbacked = true WHERE id = %s", (name,))
    assert "the chain took the money back" in alice.get(path).text

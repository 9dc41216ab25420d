"""Every list leads to its last row: page by page, each row once, in order, and with the filters it began with."""

from __future__ import annotations

import html
import re

import psycopg

from tests.support import crowd
from tests.support.console import Visitor
from tests.support.world import House

ROWS = 15


def pages(alice: Visitor, path: str, row: str) -> list[list[str]]:
    """What the links to rows lead to, page after page, from ``path`` on by what each page calls its next."""
    found: list[list[str]] = []
    following: str | None = path
    while following:
        answer = alice.get(following)
        assert answer.status_code == 200, f"{following}: {answer.text[:300]}"
        body = answer.text.partition("<tbody")[2].partition("</tbody>")[0]
        found.append(list(dict.fromkeys(re.findall(rf'<th[^>]*scope="row"[^>]*>\s*<a href="({row})"', body))))
        onward = re.search(r'<a href="([^"]+)">Next page</a>', answer.text)
        following = html.unescape(onward[1]) if onward else None
        assert len(found) < 20
    return found


def flat(found: list[list[str]]) -> list[str]:
    return [each for one in found for each in one]


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
    intents = "/console/intents/"
    for path, row, wanted in (
        ("/console/deposits", '/console/deposits/[^"]+', [f"/console/deposits/{each}" for each in deposits]),
        ("/console/withdrawals", f'{intents}[^"]+', [f"{intents}{each}" for each in mine]),
        (
            f"/console/withdrawals?client={filled.clients[0]}",
            f'{intents}[^"]+',
            [f"{intents}{each}" for each in theirs],
        ),
        ("/console/withdrawals?state=pending_approval", f'{intents}[^"]+', [f"{intents}{each}" for each in mine]),
        ("/console/withdrawals?state=completed", f'{intents}[^"]+', []),
        (
            "/console/clients/acme/addresses",
            "/console/addresses/\\d+",
            [f"/console/addresses/{each}" for each in acme],
        ),
        (
            "/console/breaks?state=settled",
            '/console/breaks/[^"]+',
            [f"/console/breaks/{each}" for each in reversed(settled)],
        ),
        ("/console/breaks", '/console/breaks/[^"]+', [f"/console/breaks/{each}" for each in filled.breaks[16:]]),
    ):
        found = pages(alice, path, row)
        assert flat(found) == wanted, path
        assert all(len(each) == ROWS for each in found[:-1]), path
        assert len(found) > 1 or len(wanted) <= ROWS, path


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

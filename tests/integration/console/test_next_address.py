"""The next address of a client: given out by a passkey and nothing less, once, and to whoever may be given one."""

from __future__ import annotations

from sqlalchemy import text

from tests.integration.api.callers import expect_problem
from tests.support.console import Question, Visitor, question_on
from tests.support.world import House

FORM = "/console/clients/acme/addresses"


def given(house: House) -> int:
    with house.db.unit() as unit:
        query = "SELECT count(*) FROM addresses WHERE client_id = 'acme' AND NOT change"
        return int(unit.session.execute(text(query)).scalar_one())


def step(visitor: Visitor) -> Question:
    answer = visitor.post(FORM, form={"chain": ""})
    assert answer.status_code == 200, answer.text
    return question_on(answer.text)


def test_the_next_address_takes_a_passkey_and_is_given_once(house: House, alice: Visitor) -> None:
    before, asked = given(house), step(alice)
    assert "No money moves" in asked.text and given(house) == before
    forged = alice.answer(asked, flags=0x01)
    assert forged.status_code == 403 and given(house) == before
    answer = alice.answer(asked)
    assert answer.status_code == 201 and given(house) == before + 1
    assert alice.answer(asked).status_code in (403, 409) and given(house) == before + 1
    path = answer.json()["next"]
    shown = alice.get(path).text
    assert "Derived twice at" in shown and "The descriptor it is found again by" in shown
    picture = alice.get(f"{path}/qr")
    assert picture.headers["content-type"] == "image/svg+xml" and picture.content.startswith(b"<?xml")
    assert "attachment" in picture.headers["content-disposition"] and b"<title>" in picture.content
    with house.db.unit() as unit:
        actor = unit.session.execute(text("SELECT actor FROM audit_events ORDER BY sequence DESC LIMIT 1")).scalar_one()
    assert actor == "alice"


def test_none_is_given_to_who_is_not_active_nor_while_a_restoration_runs(house: House, alice: Visitor) -> None:
    assert "Give out the next address" in alice.get("/console/clients/acme").text
    asked = step(alice)
    with house.db.unit() as unit:
        unit.session.execute(text("UPDATE clients SET status = 'frozen', status_reason = 'a test'"))
    shown = alice.get("/console/clients/acme").text
    assert "The client is not active: it is given no address." in shown
    before = given(house)
    expect_problem(alice.answer(asked), 403, "client-not-active")
    # A restored database may have given it out before: none is, until the chain was read again.
    with house.db.unit() as unit:
        unit.session.execute(text("UPDATE clients SET status = 'active', status_reason = NULL"))
        unit.session.execute(
            text("INSERT INTO restorations (reason, noticed_at, tips, goals) VALUES ('a test', now(), '{}', '[]')")
        )
    expect_problem(alice.answer(asked), 503, "restoring")
    assert given(house) == before


def test_the_way_to_a_freeze_names_the_client(house: House, alice: Visitor) -> None:
    assert "/console/requests/freeze?scope=client&amp;subject=acme" in alice.get("/console/clients/acme").text
    form = alice.get("/console/requests/freeze?scope=client&subject=acme").text
    assert 'value="acme"' in form and '<option value="client" selected="selected">' in form
    assert house.row_counts()["stops"] == 0

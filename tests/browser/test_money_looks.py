"""The pages of money and machinery, looked at in both themes and widths, empty and crowded."""

from __future__ import annotations

from sqlalchemy import text

from tests.browser.conftest import Stage
from tests.browser.looking import look, look_at
from tests.support import crowd

EMPTY = ("reconciliation", "stuck", "health")


def test_the_pages_of_money_are_fit_to_be_seen(stage: Stage) -> None:
    alice = stage.person("alice")
    for name in EMPTY:
        look(alice, f"/console/{name}", f"{name}-empty")
    given = stage.house.address("acme")
    filled = crowd.fill(stage.house, clients=40, waiting=60, stuck=18, runs=400, breaks=2)
    with stage.house.db.unit() as unit:
        false = unit.session.execute(text("SELECT id FROM addresses WHERE client_id = 'crowd-000003'")).scalar_one()
        arrived = unit.session.execute(text("SELECT min(id) FROM deposits")).scalar_one()
    for path, name in (
        ("clients", "clients"),
        (f"clients/{filled.clients[0]}", "client"),
        ("clients/acme", "client-plain"),
        ("clients/acme/addresses", "addresses"),
        (f"addresses/{given.id}", "address"),
        (f"addresses/{false}", "address-refused"),
        ("vaults", "vaults"),
        ("vaults/kst_demo/1000", "vault"),
        ("books", "books"),
        ("books/2", "entry"),
        ("deposits", "deposits"),
        (f"deposits/{arrived}", "deposit"),
        ("withdrawals", "withdrawals"),
        ("reconciliation", "reconciliation"),
        ("breaks", "breaks"),
        (f"breaks/{filled.breaks[0]}", "break"),
        ("stuck", "stuck"),
        ("health", "health"),
        ("audit", "audit"),
    ):
        look(alice, f"/console/{path}", name)
    alice.open("/console/audit")
    alice.page.get_by_role("button", name="Walk the whole chain").click()
    alice.page.wait_for_selector("#proof")
    assert "linked and unaltered" in alice.page.inner_text("#proof")
    look_at(alice, "audit-walked")
    assert alice.said == ["Failed to load resource: the server responded with a status of 409 (Conflict)"]

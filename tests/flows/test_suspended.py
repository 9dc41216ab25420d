"""Of an asset in doubt nothing is paid; its withdrawals say what they wait for."""

from __future__ import annotations

from sqlalchemy import text

from tests.support.road import Road, btc
from tests.support.world import REGTEST


def test_no_withdrawal_of_a_suspended_asset_is_composed(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    with road.db.unit() as unit:
        unit.session.execute(
            text("INSERT INTO suspended_assets (chain, asset, reason, since) VALUES (:chain, :asset, 'lied', :now)"),
            {"chain": REGTEST.chain, "asset": REGTEST.asset.id, "now": unit.now},
        )
    asked = road.ask("acme", btc("0.02"))
    road.settle()
    waiting = road.see(asked)
    assert waiting.state == "approved"
    assert waiting.waiting_for is not None
    assert "suspended" in waiting.waiting_for
    assert road.attempts(asked) == []
    road.cancel(asked.id)
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()

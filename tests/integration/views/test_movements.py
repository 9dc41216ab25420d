"""A state that few are in is found among very many, and costs what is shown of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import text

from custody.views import movements
from tests.integration.views.test_lookalikes import plan_of
from tests.support.rows import pay, write
from tests.support.servers import FreshDatabase
from tests.support.world import House

MANY: Final = 20_000
_CREDITED: Final = """
INSERT INTO deposits (id, chain, txid, position, vault_id, client_id, address_id, asset, units, coinbase, state, step,
  occurrence, required_depth, height, block_hash, entry_id, unbacked, first_seen_at, updated_at, booked_at)
SELECT 'dep_' || lpad(n::text, 26, '0'), %(chain)s, md5(n::text), 0, 'kst_demo/1', 'acme', 1, %(asset)s, 1, false,
  'credited', 3, 1, 1, 1, md5('block'), n, false, now(), now(), now() FROM generate_series(1, %(number)s) AS n
"""


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    house.open_client("acme", branch=1)
    write(house, _CREDITED, number=MANY)
    pay(house, "acme", "somewhere", number=MANY)
    write(house, "ANALYZE")
    yield house
    house.close()


def test_a_rare_state_is_read_by_an_index(house: House) -> None:
    for what, rare in (("deposits", "orphaned"), ("withdrawals", "failed")):
        for chosen in ({"state": rare}, {"state": rare, "client": "acme"}):
            where = " AND ".join(movements._CONDITIONS[name] for name in chosen)
            statement = text(f"{movements._READ[what]} WHERE {where} ORDER BY d.id DESC LIMIT :limit")
            with house.db.unit() as unit:
                (top, *_) = plan_of(unit.session, statement, {**chosen, "limit": 21})
            assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= 10, (what, chosen)

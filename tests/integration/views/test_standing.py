"""One withdrawal with everything around it costs the same however often it was attempted."""

from __future__ import annotations

from typing import Any, Final

from custody.trust.operations import in_force
from custody.views.standing import whole_withdrawal
from custody.withdrawals import queries as withdrawals
from tests.cosigner.builders import BTC
from tests.integration.movements.counting import statements_of
from tests.support.rows import write
from tests.support.servers import FreshDatabase
from tests.support.world import House

_ATTEMPTS: Final = """
INSERT INTO attempts (id, withdrawal_id, sequence, chain, vault_id, inputs, unsigned, txid, fee_units, weight, state,
  composed_at)
SELECT 'att_' || n, %(withdrawal)s, n, %(chain)s, 'kst_demo/1', '[]', '', 'tx' || n, 1000, 100, 'replaced', now()
FROM generate_series(%(first)s::integer, %(last)s::integer) AS n
"""
_CARRIED: Final = """
WITH carried AS (
  INSERT INTO carriages (id, chain, account, number, state, step, occurrence, txid, height, fee_units, built_at,
    state_since)
  SELECT 'car_' || n, %(chain)s, '0x', n, state, 1, 1, 'in' || height, height, height, now(), now()
  FROM (VALUES (1, 'confirmed', 7), (2, 'confirmed', 7), (3, 'confirmed', 7), (4, 'sent', NULL)) AS c (n, state, height)
)
INSERT INTO carriage_shares (carriage_id, spend, weight, fee_units, billed_units)
VALUES ('car_1', 'tx1', 1, 30, 20), ('car_2', 'tx1', 1, 3, 2), ('car_3', 'tx3', 1, 500, 0), ('car_4', 'tx2', 1, 9, 9)
"""


def test_attempts_and_what_carrying_each_cost_are_read_at_once(database: FreshDatabase) -> None:
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    write(house, _CARRIED)

    def read() -> list[dict[str, Any]]:
        with house.db.unit() as unit:
            row = withdrawals.get(unit.session, withdrawal=asked.id)
            shown = whole_withdrawal(unit.session, row, root=in_force(unit.session).root)
        return list(shown["attempts"])

    read()
    costs = []
    for first, last in ((1, 1), (2, 5)):
        write(house, _ATTEMPTS, withdrawal=asked.id, first=first, last=last)
        costs.append(len(statements_of(house.db, read)))
    assert costs[0] == costs[1]
    gas = [None if each["gas"] is None else each["gas"]["base_units"] for each in read()]
    assert gas == ["33", None, "500", None, None]
    bearers = [each["gas_borne_by"] for each in read() if each["gas"] is not None]
    assert [{who: part["base_units"] for who, part in each.items()} for each in bearers] == [
        {"client": "22", "house": "11"},
        {"client": "0", "house": "500"},
    ]
    house.close()

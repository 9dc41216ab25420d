"""What a crowded house is filled with can be read as if operations had written it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from custody.addresses import queries as addresses
from custody.approvals import queries as intents
from custody.audit import queries as audit
from custody.evidence.check import check_request
from custody.ledger import invariants
from custody.ledger import queries as ledger
from custody.trust import operations as trust
from custody.views.standing import whole_intent
from custody.withdrawals import queries as withdrawals
from tests.cosigner.builders import BTC
from tests.support import crowd
from tests.support.servers import FreshDatabase
from tests.support.world import House


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    yield house
    house.close()


def test_a_crowd_is_read_as_what_operations_wrote(house: House) -> None:
    filled = crowd.fill(house, clients=7, waiting=30, stuck=2, runs=48, breaks=2, agreed=3)
    with house.db.unit() as unit:
        session, in_force = unit.session, trust.in_force(unit.session)
        assert invariants.check(session) == []
        assert audit.first_bad_record(session) is None
        assert [each.digest for each in intents.waiting(session)][: len(filled.digests)] == list(filled.digests)
        for place, digest in enumerate(filled.digests):
            filed = intents.get(session, digest=digest)
            check_request(filed.intent.request, filed.request_signature, root=in_force.root, now=unit.now)
            shown = whole_intent(session, filed, root=in_force.root, now=unit.now)
            assert shown["tally"]["approved"] == (["alice"] if place % 10 == 0 else [])
        (own,) = addresses.of_client(session, client=filled.clients[3], seal_key=house.runtime.seal_key)
        assert own.vault == "kst_demo/1003"
        (balance,) = ledger.balances(session, client=filled.clients[0])
        assert (balance.held, balance.total) == (5 * (BTC // 10 + 20_000), 5 * BTC)
        late = [withdrawals.get(session, withdrawal=each).state_since for each in filled.waiting]
        assert late == sorted(late) and (unit.now - late[1]).days == 1 and (unit.now - late[2]).days == 0
        frozen = session.execute(text("SELECT count(*) FROM vaults WHERE frozen_cause = 'break'")).scalar_one()
        assert frozen == len(filled.breaks) == 2

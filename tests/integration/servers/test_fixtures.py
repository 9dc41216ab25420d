"""The fixtures give each test its own clean parts."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text

from demo.servers import Bitcoind, Broker
from tests.support.servers import FreshDatabase


def test_each_database_is_migrated_empty_and_its_own(postgres: Callable[[], FreshDatabase]) -> None:
    first, second = postgres(), postgres()
    with first.db.unit() as unit:
        unit.session.execute(
            text(
                "INSERT INTO outbox (topic, payload, correlation_id, created_at, due_at) "
                "VALUES ('t', '{}', 'c', now(), now())"
            )
        )
    with first.db.unit() as unit:
        assert unit.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 1
    with second.db.unit() as unit:
        assert unit.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 0


def test_the_broker_comes_empty(broker: Broker) -> None:
    assert broker.is_ready()


def test_the_chain_comes_with_a_funded_faucet(chain: Bitcoind) -> None:
    address = chain.wallet("elsewhere").new_address()
    txid = chain.send(address, 150_000, fee_rate_sat_vb=2)
    block = chain.rpc("getblock", chain.mine()[0])
    assert txid in block["tx"]


def test_further_nodes_have_chains_of_their_own(chain: Bitcoind, node_factory: Callable[..., Bitcoind]) -> None:
    assert chain.rpc("getblockcount") > 100
    assert node_factory().rpc("getblockcount") == 0


def test_randomness_repeats_with_the_seed(seed: int) -> None:
    assert 0 <= seed < 2**64

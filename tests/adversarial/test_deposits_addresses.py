"""P-082, P-022: addresses that were tampered with, and addresses nobody's database remembers."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from custody.addresses import operations, queries
from custody.addresses.export import VaultExport, export
from custody.addresses.operations import AddressTampered
from custody.audit import queries as audit
from custody.chains.addressing import Series
from custody.chains.bitcoin.offline.expression import parse_vault_descriptor
from custody.db import Database
from custody.kernel.errors import Broken
from custody.vaults.queries import KeysetTampered
from demo.servers import Bitcoind
from tests.chains.bitcoin.sources import Source
from tests.integration.deposits.world import ASSET, SEAL_KEY, World, as_superuser
from tests.integration.vaults.keysets import REGTEST, make_keyset
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase


@pytest.fixture
def world(database: FreshDatabase, chain: Bitcoind) -> World:
    return World(database.db, chain)


def expect_alarm(db: Database, error: Broken) -> None:
    with db.unit() as unit:
        operations.record_tampering(unit.session, error=error, actor="api", now=unit.now)
    with db.unit() as unit:
        assert [alarm.kind for alarm in audit.alarms(unit.session)] == [error.code]


def thief_of(world: World, index: int = 0) -> tuple[str, str]:
    stolen = make_keyset().descriptor(1).derive(change=False, index=index)
    return stolen.address, stolen.script_pubkey.hex()


def put_back(world: World, database: FreshDatabase) -> None:
    """The first address and the keyset as they were: but for the alarm, the attack left nothing."""
    mine, keyset = world.keys.descriptor(1).derive(change=False, index=0), world.keys.keyset
    consents = json.dumps([item.to_json() for item in world.keys.consents])
    as_superuser(
        database,
        f"UPDATE addresses SET address = '{mine.address}', locator = '\\x{mine.script_pubkey.hex()}' "
        "WHERE NOT change AND index = 0",
        f"UPDATE keysets SET document = '{json.dumps(keyset.to_json())}', consents = '{consents}', "
        f"descriptor_hash = '{keyset.descriptor_hash}'",
    )


@plays("P-082")
@pytest.mark.parametrize("column", ["address", "script", "both"])
def test_p082_an_address_tampered_in_stock_is_not_shown(world: World, database: FreshDatabase, column: str) -> None:
    vault = world.open("acme", branch=1)
    address, script = thief_of(world)
    changes = {"address": f"address = '{address}'", "script": f"locator = '\\x{script}'"}
    changes["both"] = f"{changes['address']}, {changes['script']}"
    as_superuser(database, f"UPDATE addresses SET {changes[column]} WHERE NOT change AND index = 0")
    with pytest.raises(AddressTampered) as refusal:
        world.address("acme", vault)
    assert address not in str(refusal.value)
    with world.db.unit() as unit:
        assert queries.of_client(unit.session, client="acme", seal_key=SEAL_KEY) == []
    expect_alarm(world.db, refusal.value)
    put_back(world, database)
    world.expect_whole()


@plays("P-082")
def test_p082_an_address_tampered_after_it_was_issued_is_not_shown(world: World, database: FreshDatabase) -> None:
    vault = world.open("acme", branch=1)
    world.address("acme", vault)
    address, script = thief_of(world)
    as_superuser(
        database,
        f"UPDATE addresses SET address = '{address}', locator = '\\x{script}' WHERE client_id = 'acme'",
    )
    with pytest.raises(AddressTampered) as refusal, world.db.unit() as unit:
        queries.of_client(unit.session, client="acme", seal_key=SEAL_KEY)
    expect_alarm(world.db, refusal.value)
    put_back(world, database)
    world.expect_whole()


@plays("P-082")
def test_p082_a_tampered_xpub_no_longer_matches_what_was_signed(world: World, database: FreshDatabase) -> None:
    vault = world.open("acme", branch=1)
    mine, stranger = world.keys.keyset.cosigners[0], make_keyset().keyset.cosigners[0]
    as_superuser(
        database,
        f"UPDATE keysets SET document = replace(document::text, '{mine.account_key}', '{stranger.account_key}')::jsonb",
    )
    with pytest.raises(KeysetTampered) as refusal:
        world.address("acme", vault)
    with pytest.raises(KeysetTampered):
        world.stock(vault, 20)
    expect_alarm(world.db, refusal.value)
    put_back(world, database)
    world.expect_whole()


@plays("P-082")
def test_p082_a_whole_keyset_with_its_own_consents_is_not_what_was_sealed(
    world: World, database: FreshDatabase
) -> None:
    vault = world.open("acme", branch=1)
    theirs = make_keyset(world.keys.keyset.id)
    document = json.dumps(theirs.keyset.to_json())
    consents = json.dumps([item.to_json() for item in theirs.consents])
    as_superuser(
        database,
        f"UPDATE keysets SET document = '{document}', consents = '{consents}', "
        f"descriptor_hash = '{theirs.keyset.descriptor_hash}'",
    )
    with pytest.raises(AddressTampered, match="another address") as refusal:
        world.address("acme", vault)
    with pytest.raises(AddressTampered):
        world.stock(vault, 20)
    expect_alarm(world.db, refusal.value)
    put_back(world, database)
    world.expect_whole()


@plays("P-022")
def test_p022_the_last_of_five_thousand_addresses_is_found_live_and_from_the_export_alone(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.stock(vault, 5_000, change=False)
    with world.db.unit() as unit:
        unit.session.execute(
            text(
                "UPDATE addresses SET state = 'issued', client_id = 'acme', issued_at = now() "
                "WHERE NOT change AND index < 4999"
            )
        )
    last = world.address("acme", vault)
    assert last.index == 4_999
    txid = world.node.send(last.address, 800_000)
    world.mine()
    assert world.available("acme") == 800_000
    with world.db.unit() as unit:
        exported = [item.to_json() for item in export(unit.session)]
    world.expect_whole()

    restored = VaultExport.parse(exported[0])
    source = Source(restored.descriptor, restored.receive, restored.change)
    assert (restored.highest_receive, restored.highest_change) == (4_999, None)
    (coin,) = world.reader.holdings_of([Series(source, 4_999)], assets=[ASSET]).holdings
    assert (coin.txid, coin.units) == (txid, 800_000)
    script = parse_vault_descriptor(restored.descriptor, network=REGTEST).derive(change=False, index=4_999)
    assert script.script_pubkey == coin.locator
    assert coin.position is not None
    outside = world.node.wallet("elsewhere").new_address()
    raw = world.spend([(txid, coin.position, coin.units, last)], {outside: 799_000})
    assert world.node.rpc("testmempoolaccept", [raw])[0]["allowed"]

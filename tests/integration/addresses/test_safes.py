"""Clients' addresses on Ethereum through the rooms: stocked, handed out, and deployed where they were said."""

from __future__ import annotations

import pytest

from custody.addresses import operations, queries
from custody.addresses.export import VaultExport, export
from custody.addresses.operations import StockEmpty
from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.addressing import SafeSource
from custody.chains.ethereum.offline.deployments import FALLBACK_HANDLER, PROXY_CODE_HASH
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.port import AddressesNotServed
from custody.db import Database
from custody.evidence.keysets import ProofRefused
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries
from custody.vaults.queries import KeysetTampered
from demo.evm.contracts import PROXY_FACTORY, SAFE_L2
from demo.servers import Anvil
from tests.chains.ethereum.conftest import adapter_for
from tests.integration.deposits.world import as_superuser
from tests.integration.vaults.safe_keysets import ANVIL, SafeKeyset, at_chain, make_safe_keyset, open_clients
from tests.support.evm import placed
from tests.support.servers import FreshDatabase

KEY = bytes(32)
PLACES = {"acme": ("segregated", 1), "birch": ("omnibus", 0), "cedar": ("omnibus", 0)}


@pytest.fixture
def keys(database: FreshDatabase) -> SafeKeyset:
    made = make_safe_keyset()
    open_clients(database.db, made.keyset, made.consents, PLACES)
    return made


def vault_of(keys: SafeKeyset, client: str) -> str:
    return f"{keys.keyset.id}/{PLACES[client][1]}"


def hand_out(db: Database, keys: SafeKeyset, client: str) -> str:
    with db.unit() as unit:
        found = operations.allocate(
            unit.session,
            vault=vault_of(keys, client),
            client=client,
            seal_key=KEY,
            low_mark=1,
            actor="test",
            now=unit.now,
        )
    assert (found.client, found.index, found.change) == (client, 0, False)
    assert found.locator == bytes.fromhex(found.address[2:])
    return found.address


def test_each_client_has_the_safe_that_the_factory_makes(
    anvil: Anvil, database: FreshDatabase, keys: SafeKeyset
) -> None:
    from safe_eth.eth import EthereumClient
    from safe_eth.safe import ProxyFactory
    from safe_eth.safe import Safe as TheirSafe

    node = adapter_for(anvil)
    for vault, added in ((vault_of(keys, "acme"), 1), (vault_of(keys, "birch"), 2)):
        assert fill_stock(database.db, node, vault=vault, target=50, seal_key=KEY) == added
        assert fill_stock(database.db, node, vault=vault, target=50, seal_key=KEY) == 0
    given = {client: hand_out(database.db, keys, client) for client in PLACES}
    assert len(set(given.values())) == 3

    client_of_node = EthereumClient(anvil.url)
    factory = ProxyFactory(PROXY_FACTORY.address, client_of_node, version="1.4.1")
    for client, address in given.items():
        with database.db.unit() as unit:
            vault = vault_queries.get(unit.session, vault=vault_of(keys, client))
            source = vault_queries.source_of(unit.session, vault=vault)
        assert isinstance(source, SafeSource)
        nonce = source.salt_nonce(client=client, change=False, index=0)
        owners = sorted((each.key.address for each in keys.cosigners), key=lambda owner: int(owner, 16))
        nobody = "0x" + "00" * 20
        initializer = placed(anvil, SAFE_L2).calldata(
            "setup", owners, 2, nobody, b"", FALLBACK_HANDLER.address, nobody, 0, nobody
        )
        assert factory.calculate_proxy_address(SAFE_L2.address, initializer, nonce) == address
        receipt = placed(anvil, PROXY_FACTORY).transact("createProxyWithNonce", SAFE_L2.address, initializer, nonce)
        (made,) = placed(anvil, PROXY_FACTORY).logs(receipt, "ProxyCreation")
        assert made["proxy"].lower() == address.lower()
        assert keccak(bytes.fromhex(anvil.rpc("eth_getCode", address, "latest")[2:])) == PROXY_CODE_HASH
    found = TheirSafe(given["birch"], client_of_node).retrieve_all_info()
    assert (found.threshold, set(found.owners)) == (2, {each.key.address for each in keys.cosigners})


def test_no_address_is_stocked_before_every_contract_stands_there(
    anvil: Anvil, database: FreshDatabase, keys: SafeKeyset
) -> None:
    node, vault = adapter_for(anvil), vault_of(keys, "acme")
    code = anvil.rpc("eth_getCode", FALLBACK_HANDLER.address, "latest")
    for wrong in ("0x", "0x00"):
        anvil.rpc("anvil_setCode", FALLBACK_HANDLER.address, wrong)
        anvil.mine()
        with pytest.raises(AddressesNotServed, match="CompatibilityFallbackHandler"):
            fill_stock(database.db, node, vault=vault, target=5, seal_key=KEY)
        with pytest.raises(StockEmpty):
            hand_out(database.db, keys, "acme")
    anvil.rpc("anvil_setCode", FALLBACK_HANDLER.address, code)
    anvil.mine()
    assert fill_stock(database.db, node, vault=vault, target=5, seal_key=KEY) == 1
    assert hand_out(database.db, keys, "acme")


def test_is_exported_as_text_that_gives_the_address_again(
    anvil: Anvil, database: FreshDatabase, keys: SafeKeyset
) -> None:
    fill_stock(database.db, adapter_for(anvil), vault=vault_of(keys, "birch"), target=1, seal_key=KEY)
    hand_out(database.db, keys, "birch")
    with database.db.unit() as unit:
        exported = export(unit.session)
        assert queries.stock_level(unit.session, vault=vault_of(keys, "birch"), change=False, kept_for="birch") == 0
    found = {item.vault: item for item in exported}
    pool = found[vault_of(keys, "birch")]
    assert pool.to_json().keys() == {"vault", "chain", "clients", "descriptor", "highest_of"}
    assert (pool.chain, dict(pool.highest_of)) == (ANVIL.chain, {"birch": 0})
    assert pool.descriptor.startswith(f"{keys.keyset.descriptor}@{ANVIL.chain}/{keys.keyset.id}#")
    assert all(VaultExport.parse(item.to_json()) == item for item in exported)


def test_a_keyset_is_what_its_cosigners_signed_for_this_chain(database: FreshDatabase, keys: SafeKeyset) -> None:
    elsewhere = at_chain(keys, "eip155:1")
    with pytest.raises(ProofRefused), database.db.unit() as unit:
        vaults.register_keyset(
            unit.session, keyset=elsewhere.keyset, consents=keys.consents, actor="test", now=unit.now
        )
    stranger = make_safe_keyset().cosigners[0].key.text
    as_superuser(
        database,
        f"UPDATE keysets SET document = jsonb_set(document, '{{cosigners,0,account_key}}', '\"{stranger}\"')",
    )
    with pytest.raises(KeysetTampered, match="address is not its point's"), database.db.unit() as unit:
        vault_queries.source_of(unit.session, vault=vault_queries.get(unit.session, vault=vault_of(keys, "acme")))

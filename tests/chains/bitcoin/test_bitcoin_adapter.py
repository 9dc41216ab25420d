"""The Bitcoin adapter on a real node."""

from __future__ import annotations

import pytest

from custody.chains.addressing import Series
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.transaction import txid_of
from custody.chains.port import BroadcastResult, NodeNotReady, NodeUnavailable, TransactionNotFound, WrongNetwork
from custody.chains.registry import ADAPTERS, NodeAddress, open_chain
from custody.kernel.errors import InvalidInput
from demo.bitcoind import FAUCET
from tests.chains.bitcoin.conftest import ASSET, BitcoinDriver, adapter_for
from tests.chains.bitcoin.sources import Source
from tests.chains.conformance import NOBODY, UNITS, ChainConformance

XPUBS = (
    "tpubDFH9dgzveyD8zTbPUFuLrGmCydNvxehyNdUXKJAQN8x4aZ4j6UZqGfnqFrD4NqyaTVGKbvEW54tsvPTK2UoSbCC1PJY8iCNiwTL3RWZEheQ",
    "tpubDDAfvogaaAxaFJ6c15ht7Tq6ZmiqFYfrSmZsHu7tHXBgnjMZSHAeHSwhvjARNA6Qybon4ksPksjRbPDVp7yXA1KjTjSd5x18KHqbppnXP1s",
)


class TestBitcoinConformance(ChainConformance):
    """The chain-neutral suite on regtest."""

    @pytest.fixture
    def driver(self, driver: BitcoinDriver) -> BitcoinDriver:
        return driver


def descriptor(text: str, driver: BitcoinDriver) -> str:
    return f"{text}#{driver.bitcoind.rpc('getdescriptorinfo', text)['checksum']}"


def test_both_scans_agree(driver):
    keys = ",".join(f"{xpub}/<0;1>/*" for xpub in XPUBS)
    text = descriptor(f"wsh(sortedmulti(2,{keys}))", driver)
    receive, change = driver.bitcoind.rpc("getdescriptorinfo", text)["multipath_expansion"]
    addresses = [
        address for single in (receive, change) for address in driver.bitcoind.rpc("deriveaddresses", single, [0, 9])
    ]
    scripts = [bytes.fromhex(driver.bitcoind.rpc("validateaddress", address)["scriptPubKey"]) for address in addresses]
    for script in (scripts[3], scripts[9], scripts[14]):
        driver.pay(script, 70_000)
    driver.confirm()
    source = Source(text, receive, change)
    ranged = driver.node.holdings_of([Series(source, 9), Series(source, 9, change=True)], assets=[ASSET])
    assert ranged == driver.node.holdings(scripts, assets=[ASSET])
    assert {coin.locator for coin in ranged.holdings} == {scripts[3], scripts[9], scripts[14]}
    assert (
        driver.node.holdings_of([Series(source, 9), Series(source, 9, change=True)], assets=["another"]).holdings == ()
    )
    assert scripts[9] not in {
        coin.locator
        for coin in driver.node.holdings_of(
            [Series(source, 8), Series(source, 9, change=True)], assets=[ASSET]
        ).holdings
    }


def test_a_scan_in_parts_is_the_same_as_one_in_one(driver, monkeypatch):
    scripts = [driver.new_locator() for _ in range(5)]
    for script in scripts:
        driver.pay(script, 70_000)
    driver.confirm()
    whole = driver.node.holdings(scripts, assets=[ASSET])
    monkeypatch.setattr("custody.chains.bitcoin.adapter.SCRIPTS_PER_SCAN", 2)
    assert driver.node.holdings(scripts, assets=[ASSET]) == whole
    assert len(whole.holdings) == 5


def test_a_coinbase_is_flagged_in_a_snapshot(driver):
    address = driver.bitcoind.wallet(FAUCET).new_address()
    driver.bitcoind.mine(1, address=address)
    script = bytes.fromhex(driver.bitcoind.rpc("validateaddress", address)["scriptPubKey"])
    (coin,) = driver.node.holdings([script], assets=[ASSET]).holdings
    assert coin.coinbase
    assert coin.height == driver.node.status().height


def test_amounts_are_exact_to_the_satoshi(driver):
    for units in (1_000, 2_099_999_9, 100_000_001, 123_456_789):
        script = driver.new_locator()
        driver.pay(script, units)
        assert [
            output.units
            for transaction in driver.node.mempool(limit=10_000, known=set())
            for output in transaction.credits
            if output.locator == script
        ] == [units]


def test_refuses_a_node_of_another_network(driver):
    for name in ("mainnet", "testnet", "signet"):
        stranger = adapter_for(driver.bitcoind.url, name=name)
        assert not stranger.status().genesis_ok
        with pytest.raises(WrongNetwork):
            stranger.require_ready()


def test_refuses_a_node_in_its_initial_download(node_factory):
    node = adapter_for(node_factory().url)
    assert not node.status().synced
    with pytest.raises(NodeNotReady):
        node.require_ready()


def test_refuses_a_node_behind_its_own_headers(driver, node_factory):
    other = node_factory()
    follower = adapter_for(other.url)
    for height in range(1, driver.node.status().height + 1):
        other.rpc("submitblock", driver.bitcoind.rpc("getblock", driver.node.block_hash(height), 0))
    assert follower.require_ready().hash == driver.node.status().hash
    (block_hash,) = driver.bitcoind.mine(1)
    other.rpc("submitheader", driver.bitcoind.rpc("getblockheader", block_hash, False))
    assert follower.status().headers == follower.status().height + 1
    with pytest.raises(NodeNotReady):
        follower.require_ready()
    other.rpc("submitblock", driver.bitcoind.rpc("getblock", block_hash, 0))
    assert follower.require_ready().hash == block_hash


def test_a_node_that_is_down_is_unavailable_and_a_send_to_it_unknown(driver, node_factory):
    other = node_factory()
    node, raw = adapter_for(other.url), driver.signed()
    other.stop()
    for ask in (
        node.status,
        node.require_ready,
        lambda: node.block_hash(0),
        lambda: node.mempool(limit=1, known=set()),
        lambda: node.in_mempool(["11" * 32]),
        lambda: node.holdings([b"\x51"], assets=[ASSET]),
        lambda: node.raw_transaction("11" * 32),
        lambda: node.fee_rate_sat_kvb(target_blocks=6),
    ):
        with pytest.raises(NodeUnavailable):
            ask()
    assert node.broadcast(raw).result is BroadcastResult.UNKNOWN


def test_p034_a_node_that_accepts_and_never_answers_leaves_one_transaction(driver, forgetful):
    raw = driver.signed()
    deaf = adapter_for(driver.bitcoind.url.replace(str(driver.bitcoind.port), str(forgetful.port)), timeout_seconds=0.5)
    forgetful.swallow = b"sendrawtransaction"
    assert deaf.broadcast(raw).result is BroadcastResult.UNKNOWN
    assert forgetful.swallowed.is_set()
    assert driver.node.in_mempool([txid_of(raw)]) == {txid_of(raw)}
    forgetful.swallow = None
    before = driver.node.mempool(limit=10_000, known=set())
    assert deaf.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN
    assert driver.node.mempool(limit=10_000, known=set()) == before


def test_p034_a_node_that_accepts_never_answers_and_mines_is_recognised(driver, forgetful):
    raw = driver.signed()
    forgetful.swallow = b"sendrawtransaction"
    deaf = adapter_for(driver.bitcoind.url.replace(str(driver.bitcoind.port), str(forgetful.port)), timeout_seconds=0.5)
    assert deaf.broadcast(raw).result is BroadcastResult.UNKNOWN
    driver.confirm()
    forgetful.swallow = None
    assert deaf.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN


def test_bytes_that_are_no_transaction_for_the_node_are_rejected(driver):
    raw = driver.signed()
    for broken in (raw[:-5] + b"\x01" + raw[-4:], raw[:-1], b""):
        assert driver.node.broadcast(broken).result is BroadcastResult.REJECTED


def rival_of(raw: bytes, driver: BitcoinDriver, **terms) -> bytes:
    spent = driver.bitcoind.rpc("decoderawtransaction", raw.hex())["vin"]
    return driver.signed(inputs=[(each["txid"], each["vout"]) for each in spent], **terms)


def test_a_replacement_that_pays_too_little_is_rejected_with_the_nodes_reason(driver):
    raw = driver.signed()
    rival = rival_of(raw, driver, sat=40_000)
    assert driver.node.broadcast(raw).held
    outcome = driver.node.broadcast(rival)
    assert (outcome.result, outcome.held) == (BroadcastResult.REJECTED, False)
    assert "insufficient fee" in outcome.reason


def test_a_rival_of_a_confirmed_transaction_is_unknown_until_the_chain_is_asked(driver):
    raw = driver.signed()
    rival = rival_of(raw, driver, sat=40_000, fee_rate=20)
    assert driver.node.broadcast(raw).held
    driver.confirm()
    assert driver.node.broadcast(rival).result is BroadcastResult.UNKNOWN


def test_a_snapshot_stays_at_its_block_when_a_reorganisation_takes_coins_away(driver):
    script = driver.new_locator()
    driver.pay(script, 60_000)
    driver.confirm()
    before = driver.node.holdings([script], assets=[ASSET])
    driver.reorganise(2)
    after = driver.node.holdings([script], assets=[ASSET])
    assert driver.node.block_hash(before.height) != before.hash
    assert driver.node.block_hash(after.height) == after.hash
    assert (len(before.holdings), len(after.holdings)) == (1, 0)


def test_a_raw_transaction_is_found_in_the_mempool_and_in_its_block(driver):
    txid = driver.pay(driver.new_locator(), UNITS)
    waiting = driver.node.raw_transaction(txid)
    driver.confirm()
    assert driver.node.raw_transaction(txid, driver.node.status().hash) == waiting


def test_refuses_a_transaction_nobody_made(driver):
    with pytest.raises(TransactionNotFound):
        driver.node.raw_transaction(NOBODY)
    with pytest.raises(TransactionNotFound):
        driver.node.raw_transaction(NOBODY, driver.node.status().hash)


def test_refuses_a_source_of_another_chain(driver):
    with pytest.raises(InvalidInput):
        driver.node.holdings_of([Series(Source("0xAccount", "", ""), 0)], assets=[ASSET])


def test_a_young_chain_has_no_estimate(node_factory):
    assert adapter_for(node_factory().url).fee_rate_sat_kvb(target_blocks=6) is None


def test_the_registry_opens_every_network_and_nothing_else(driver):
    for name in ("mainnet", "testnet", "signet", "regtest"):
        node = open_chain(network(name).chain, NodeAddress(driver.bitcoind.url))
        assert node.chain == network(name).chain
    assert len([chain for chain in ADAPTERS if chain.startswith("bip122:")]) == 4
    with pytest.raises(InvalidInput):
        open_chain("bip122:" + "0" * 32, NodeAddress(driver.bitcoind.url))


def test_the_address_of_a_node_is_not_shown(driver):
    password = driver.bitcoind.url.split(":")[2].split("@")[0]
    assert password not in repr(NodeAddress(driver.bitcoind.url))

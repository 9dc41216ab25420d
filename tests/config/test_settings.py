"""The settings of a house with several chains: which may stand side by side, and what each needs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from config.chains import BITCOIN_NETWORKS, ETHEREUM_NETWORKS, TEST_NETWORKS, ConfigError
from config.settings import Settings, load
from custody.bootstrap import assemble, read_settings
from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.ethereum.offline import network as ethereum
from custody.chains.registry import NAMES
from custody.kernel.errors import InvalidInput, Unavailable

KEY = "11" * 32
HOUSE = {
    "CUSTODY_CHAINS": "regtest,anvil",
    "CUSTODY_DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1:1/d",
    "CUSTODY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
    "CUSTODY_ANVIL_RPC_URL": "http://127.0.0.1:2",
    "CUSTODY_SEAL_KEY": "5e" * 32,
}


def settings(**changes: str | None) -> Settings:
    found = HOUSE | {f"CUSTODY_{name}": value for name, value in changes.items() if value is not None}
    return read_settings({name: value for name, value in found.items() if changes.get(name[8:], "") is not None})


def refused(**changes: str | None) -> str:
    with pytest.raises(ConfigError) as error:
        settings(**changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_networks_are_the_ones_that_chains_know() -> None:
    assert {*BITCOIN_NETWORKS, *ETHEREUM_NETWORKS} == {*NAMES}
    tests = [each.name for each in bitcoin.NETWORKS if each.coin_type]
    assert {*TEST_NETWORKS} == {*tests, *(each.name for each in ethereum.NETWORKS if each.test)}


def test_each_chain_has_its_own_node() -> None:
    first, second = settings(START_HEIGHT="7", ANVIL_START_HEIGHT="9", ANVIL_PAYER_KEY=KEY).chains
    assert (first.network, first.start_height, first.payer_key) == ("regtest", 7, None)
    assert (second.network, second.start_height, second.payer_key) == ("anvil", 9, bytes.fromhex(KEY))
    assert (first.doorbell_url, second.doorbell_url) == ("", "http://127.0.0.1:2")
    assert settings(ANVIL_DOORBELL_URL="none").chains[1].doorbell_url == ""


def test_one_chain_may_be_named_as_before() -> None:
    assert settings(CHAINS=None, NETWORK="regtest").networks == ("regtest",)
    assert settings(CHAINS="anvil", BITCOIN_RPC_URL=None).networks == ("anvil",)


def test_a_house_has_its_own_names_and_loopbacks() -> None:
    own = ("127.0.0.1:8443", "localhost:8443", "[::1]:8443")
    assert settings(API_PORT="8443").api_names == own
    named = settings(API_PORT="8443", API_NAMES="custody.example.com, custody.internal:9443")
    assert named.api_names == ("custody.example.com", "custody.internal:9443", *own)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "payer").write_text(KEY + "\n")
    (tmp_path / "url").write_text("https://node.example/v3/s3cret\n")
    found = settings(
        ANVIL_RPC_URL=None, ANVIL_RPC_URL_FILE=str(tmp_path / "url"), ANVIL_PAYER_KEY_FILE=str(tmp_path / "payer")
    )
    assert found.chains[1].rpc_url == "https://node.example/v3/s3cret"
    assert found.chains[1].payer_key == bytes.fromhex(KEY)
    assert "s3cret" not in repr(found) + repr(found.chains)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"CHAINS": None}, "CUSTODY_CHAINS: missing"),
        ({"NETWORK": "regtest"}, "CUSTODY_NETWORK: set beside CUSTODY_CHAINS"),
        ({"CHAINS": "regtest,"}, "CUSTODY_CHAINS: no such network"),
        ({"CHAINS": "regtest,moon"}, "CUSTODY_CHAINS: no such network"),
        ({"CHAINS": "regtest,regtest"}, "CUSTODY_CHAINS: a network is named twice"),
        ({"CHAINS": "testnet,signet"}, "CUSTODY_CHAINS: testnet and signet side by side"),
        ({"CHAINS": "mainnet,anvil"}, "CUSTODY_CHAINS: mainnet beside anvil"),
        ({"CHAINS": "regtest,ethereum"}, "CUSTODY_CHAINS: ethereum beside regtest"),
        ({"CHAINS": "zksync-era"}, "CUSTODY_CHAINS: zkSync Era is not served: it derives CREATE2"),
        ({"CHAINS": "eip155:324"}, "CUSTODY_CHAINS: zkSync Era is not served: it derives CREATE2"),
        ({"CHAINS": "celo"}, "CUSTODY_CHAINS: Celo is not served"),
        ({"CHAINS": "base"}, "CUSTODY_CHAINS_FILE: has no block for base"),
        ({"ANVIL_RPC_URL": None}, "CUSTODY_ANVIL_RPC_URL: missing"),
        ({"ANVIL_RPC_URL": "ws://127.0.0.1:2"}, "CUSTODY_ANVIL_RPC_URL: not an address"),
        ({"ANVIL_RPC_URL": "http://a b"}, "CUSTODY_ANVIL_RPC_URL: not an address"),
        ({"ANVIL_RPC_URL": "http://127.0.0.1:99999"}, "CUSTODY_ANVIL_RPC_URL: not an address"),
        ({"ANVIL_SECOND_RPC_URL": "http://127.0.0.1:2"}, "CUSTODY_ANVIL_SECOND_RPC_URL: the same as the first"),
        ({"ANVIL_DOORBELL_URL": "maybe"}, "CUSTODY_ANVIL_DOORBELL_URL: not an address"),
        ({"ANVIL_START_HEIGHT": "-1"}, "CUSTODY_ANVIL_START_HEIGHT: not a whole number"),
        ({"ANVIL_PAYER_KEY": "11"}, "CUSTODY_ANVIL_PAYER_KEY: not a key"),
        ({"BITCOIN_RPC_URL": "http://127.0.0.1:1"}, "CUSTODY_BITCOIN_RPC_URL: has no password"),
        ({"API_NAMES": "https://custody.example.com"}, "CUSTODY_API_NAMES: not names of hosts"),
        ({"API_NAMES": "Custody.example.com"}, "CUSTODY_API_NAMES: not names of hosts"),
        ({"API_NAMES": "*"}, "CUSTODY_API_NAMES: not names of hosts"),
        ({"READ_OUT_FROM": "0.5BTC"}, "CUSTODY_READ_OUT_FROM: not a list of sizes; accepted is"),
        ({"READ_OUT_FROM": "1 BTC, 2 BTC"}, "CUSTODY_READ_OUT_FROM: not a list of sizes; accepted is"),
        ({"READ_OUT_FROM": "-1 BTC"}, "CUSTODY_READ_OUT_FROM: not a list of sizes; accepted is"),
    ],
)
def test_refuses_what_cannot_be_in_one_line_that_names_the_setting(changes: dict[str, str | None], said: str) -> None:
    assert refused(**changes).startswith(said)


def test_sizes_from_which_an_address_is_read_out_are_whole_units_by_code() -> None:
    assert settings(READ_OUT_FROM="0.5 BTC, 10 ETH").read_out == {"BTC": Decimal("0.5"), "ETH": Decimal(10)}
    assert settings().read_out == {}


@pytest.mark.parametrize("sizes", ["0.5 btc", "1 BTC, 10 EHT"])
def test_a_size_of_what_is_no_asset_here_is_refused(sizes: str) -> None:
    with pytest.raises(ConfigError, match=r"READ_OUT_FROM: no asset here is called (btc|EHT); accepted are BTC"):
        assemble(settings(READ_OUT_FROM=sizes))


def test_no_clock_is_moved_where_money_is() -> None:
    assert settings(CLOCK_OFFSET_SECONDS="5").clock_offset.total_seconds() == 5
    real = {"ETHEREUM_RPC_URL": "http://127.0.0.1:2", "CLOCK_OFFSET_SECONDS": "5"}
    for chains in ("mainnet", "ethereum", "mainnet,ethereum"):
        assert refused(CHAINS=chains, **real).startswith("CUSTODY_CLOCK_OFFSET_SECONDS: refused")


def test_no_node_is_told_to_mine_where_it_is_not_ones_own() -> None:
    assert settings(API_SANDBOX="on").api_sandbox and not settings().api_sandbox
    elsewhere = {"SEPOLIA_RPC_URL": "http://127.0.0.1:2", "API_SANDBOX": "on"}
    for chains in ("mainnet", "signet", "regtest,sepolia"):
        assert refused(CHAINS=chains, **elsewhere).startswith("CUSTODY_API_SANDBOX: accepted is off beside ")


def test_the_runtime_serves_every_chain_named() -> None:
    house = assemble(settings(ANVIL_PAYER_KEY=KEY))
    assert [served.name for served in house.chains.values()] == ["regtest", "anvil"]
    anvil = house.of("eip155:31337")
    assert anvil.chain == anvil.node.chain == "eip155:31337"
    assert (anvil.compare_every, anvil.deposit_rules.finality, anvil.spend_rules.finality) == (5, "depth", "depth")
    assert anvil.carrier is not None
    assert [served.client_bears_fees for served in house.chains.values()] == [True, False]
    assert KEY not in repr(anvil.carrier) + repr(anvil.carrier.key)
    assert house.chosen("anvil") is house.chosen("eip155:31337") is anvil
    assert house.terms.keys() == house.deadlines.keys() == house.chains.keys()
    with pytest.raises(Unavailable):
        house.of("eip155:1")
    with pytest.raises(InvalidInput, match="missing where several chains are served; accepted is regtest, anvil"):
        assert house.only
    with pytest.raises(InvalidInput, match="not a chain this house serves"):
        house.chosen("ethereum")


def test_a_client_bears_the_gas_that_its_house_bills(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2].joinpath("config", "chains.toml").read_text()
    table = tmp_path / "chains.toml"
    table.write_text(shipped.replace("billed = false", "billed = true"))
    billed = assemble(settings(CHAINS_FILE=str(table)))
    assert billed.of("eip155:31337").client_bears_fees
    assert billed.of("eip155:31337").carrier is None, "as in a process that has not the payer's key"


def test_what_is_final_is_what_the_configuration_says() -> None:
    house = assemble(settings(CHAINS="mainnet,ethereum", ETHEREUM_RPC_URL="http://127.0.0.1:2"))
    ether, coins = house.of("eip155:1"), house.chosen("mainnet")
    assert (ether.deposit_rules.finality, ether.spend_rules.finality) == ("finalized", "finalized")
    assert (coins.deposit_rules.finality, coins.spend_rules.finality) == ("depth", "depth")


def test_a_payer_has_a_key() -> None:
    with pytest.raises(ValueError, match="not a private key"):
        assemble(settings(ANVIL_PAYER_KEY="00" * 32))
    assert load(HOUSE).networks == ("regtest", "anvil")

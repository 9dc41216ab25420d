"""chains.toml and its loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.chains import BITCOIN_NETWORKS, ConfigError, EthereumConfig, load_chains

SHIPPED = Path(__file__).parents[2].joinpath("config", "chains.toml").read_text()


def test_the_shipped_table_has_every_network():
    assert set(load_chains(SHIPPED)) == {*BITCOIN_NETWORKS, "ethereum", "sepolia", "hoodi", "anvil"}


@pytest.mark.parametrize(
    ("amount_sat", "depth"), [(1, 2), (9_999_999, 2), (10_000_000, 3), (999_999_999, 3), (1_000_000_000, 6)]
)
def test_a_larger_deposit_waits_for_more_confirmations(amount_sat, depth):
    assert load_chains(SHIPPED)["mainnet"].required_depth(amount_sat) == depth


def test_ether_says_how_it_is_final_and_what_carrying_costs() -> None:
    ether = load_chains(SHIPPED)["ethereum"]
    assert isinstance(ether, EthereumConfig)
    assert (ether.finality, ether.required_depth(10**18 - 1), ether.required_depth(10**20)) == ("finalized", 12, 64)
    assert ether.compare_every == 50, "blocks in ten minutes"
    assert load_chains(SHIPPED)["mainnet"].finality == "depth"
    assert ether.fee.bump_bps >= 1_000
    assert ether.caps.rate_wei_gas >= ether.fee.cap_wei_gas


def test_a_coinbase_waits_for_maturity():
    assert load_chains(SHIPPED)["regtest"].required_depth(1, coinbase=True) == 100


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("[mainnet]", "[mainnet", "chains"),
        ("[mainnet.fee]", "[[mainnet.fee]]", "mainnet.fee"),
        ("dust_sat = 1_000 ", "dust_sat = 1000.0 ", "mainnet.dust_sat"),
        ("dust_sat = 1_000 ", "dust_sat = true ", "mainnet.dust_sat"),
        ("dust_sat = 1_000 ", "dust_sat = -1 ", "mainnet.dust_sat"),
        ("dust_sat = 1_000 ", 'dust_sat = "1000" ', "mainnet.dust_sat"),
        ("dust_sat = 1_000 ", "dust_sats = 1000 ", "mainnet.dust_sat"),
        ("coinbase_maturity = 100\n", "coinbase_maturity = 1\n", "mainnet.coinbase_maturity"),
        ("coinbase_maturity = 100\n", "coinbase_maturity = 100\nspare = 1\n", "mainnet.spare"),
        ("confirmations = 2\n", "confirmations = 0\n", "mainnet.tier[0].confirmations"),
        ("confirmations = 3\n", "confirmations = 1\n", "mainnet.tier[1].confirmations"),
        ("below_sat = 1_000_000_000", "below_sat = 10_000_000", "mainnet.tier[1].below_sat"),
        ("confirmations = 6\n", "confirmations = 6\nbelow_sat = 5_000_000_000\n", "mainnet.tier[2].below_sat"),
        ("fallback_sat_kvb = 10_000", "fallback_sat_kvb = 1", "mainnet.fee.fallback_sat_kvb"),
        ("cap_sat_kvb = 300_000 ", "cap_sat_kvb = nan ", "mainnet.fee.cap_sat_kvb"),
        ("rate_sat_kvb = 500_000", "rate_sat_kvb = 300_000", "mainnet.caps.rate_sat_kvb"),
        ("share_bps = 1_000", "share_bps = 10_001", "mainnet.caps.share_bps"),
        ("signed = 600\n", "", "mainnet.deadlines.signed"),
        ("[regtest]", "[litecoin]", "litecoin"),
        ("dust_wei = 10_000_000_000_000 ", "dust_sat = 10 ", "ethereum.dust_wei"),
        ('finality = "finalized"', 'finality = "soon"', "ethereum.finality"),
        ("compare_seconds = 600 ", "compare_seconds = 0 ", "ethereum.compare_seconds"),
        ("below_wei = 100_000_000_000_000_000_000", "below_wei = 1", "ethereum.tier[1].below_wei"),
        ("bump_bps = 1_250", "bump_bps = 999", "ethereum.fee.bump_bps"),
        (
            "base_fee_multiplier_bps = 20_000",
            "base_fee_multiplier_bps = 10_000",
            "ethereum.fee.base_fee_multiplier_bps",
        ),
        ("tip_cap_wei_gas = 5_000_000_000", "tip_cap_wei_gas = 400_000_000_000", "ethereum.fee.tip_cap_wei_gas"),
        ("most_gas = 8_000_000", "most_gas = 30_000_000", "ethereum.fee.most_gas"),
        ("rate_wei_gas = 300_000_000_000", "rate_wei_gas = 1", "ethereum.caps.rate_wei_gas"),
    ],
)
def test_refuses_garbage_in_one_line_that_names_the_field(before, after, field):
    assert before in SHIPPED
    text = SHIPPED.replace(before, after, 1)
    if field == "litecoin":
        text = text.replace("regtest.", "litecoin.")
    with pytest.raises(ConfigError) as refused:
        load_chains(text)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "\n" not in str(refused.value)


def test_refuses_an_empty_table():
    with pytest.raises(ConfigError):
        load_chains("")

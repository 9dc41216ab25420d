"""The allow-list of assets, and what counts of it beside a trust root."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config.assets import load_assets
from config.chains import ConfigError
from custody.bootstrap import Runtime, _serve_all, assemble
from custody.chains.ethereum.offline.address import parse_address
from custody.kernel.money import Asset
from tests.config.test_settings import settings

SHIPPED = (Path(__file__).parents[2] / "config/assets.toml").read_text()
TOKEN = f"eip155:31337/erc20:{parse_address('0x' + '5b' * 20)}"
OTHER = f"eip155:31337/erc20:{parse_address('0x' + '6b' * 20)}"
LISTED = f"""
[[asset]]
id = "{TOKEN}"
code = "TST"
decimals = 6
dust_units = 10
tier = [{{ below_units = 100, confirmations = 2 }}, {{ confirmations = 6 }}]
"""
REGISTERED = Asset(TOKEN, "TST", 6, "eip155:31337")


def test_the_shipped_list_names_contracts_by_their_checksum() -> None:
    shipped = load_assets(SHIPPED)
    assert {each.code: each.decimals for each in shipped.values()} == {"USDC": 6, "USDT": 6, "DAI": 18}
    for asset_id in shipped:
        contract = asset_id.rpartition(":")[2]
        assert parse_address(contract) == contract


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("[[asset]]", "[asset]", "asset"),
        ("[[asset]]", "[[assets]]", "assets"),
        (TOKEN, "TST", "asset[0].id"),
        ("decimals = 6", "decimals = 78", "asset[0].decimals"),
        ("decimals = 6", 'decimals = "6"', "asset[0].decimals"),
        ("decimals = 6\n", "", "asset[0].decimals"),
        ("dust_units = 10", "dust_units = 1.5", "asset[0].dust_units"),
        ('code = "TST"', 'code = ""', "asset[0].code"),
        ("below_units = 100,", "below_sat = 100,", "asset[0].tier[0].below_units"),
        ("decimals = 6", "decimals = 6\nfee_on_transfer = 1", "asset[0].fee_on_transfer"),
        ("decimals = 6", "decimals = 6\nsymbol = 1", "asset[0].symbol"),
    ],
)
def test_refuses_garbage_in_one_line_that_names_the_field(before: str, after: str, field: str) -> None:
    assert before in LISTED
    with pytest.raises(ConfigError) as refused:
        load_assets(LISTED.replace(before, after, 1))
    assert refused.value.field == field


@pytest.mark.parametrize(("change", "field"), [(str.lower, "asset[1].id"), (lambda text: text, "asset[1].id")])
def test_lists_a_contract_once_however_it_is_written(change, field) -> None:
    with pytest.raises(ConfigError, match="listed twice") as refused:
        load_assets(LISTED + LISTED.replace(TOKEN, change(TOKEN)).replace("TST", "TS2"))
    assert refused.value.field == field


def house(tmp_path: Path, text: str = LISTED) -> Runtime:
    path = tmp_path / "assets.toml"
    path.write_text(text)
    return assemble(settings(ASSETS_FILE=str(path)))


def served(here: Runtime, *registered: Asset) -> frozenset[str]:
    return _serve_all(here.settings, registered)["eip155:31337"].assets


def test_an_asset_counts_where_the_trust_root_registers_it_too(tmp_path: Path) -> None:
    here = house(tmp_path)
    native = here.of("eip155:31337").addressing.native
    assert here.registered is None
    assert here.of("eip155:31337").assets == served(here) == served(here, native) == {native.id}
    assert served(here, native, REGISTERED, Asset("eip155:1/erc20:0x1", "ELSE", 1, "eip155:1")) == {native.id, TOKEN}
    rules = _serve_all(here.settings, [REGISTERED])["eip155:31337"].deposit_rules.of(TOKEN)
    assert (rules.dust_units, rules.required_depth(units=99, coinbase=False)) == (10, 2)
    assert rules.required_depth(units=100, coinbase=False) == 6


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        (replace(REGISTERED, id=OTHER), f"has no rules for {OTHER}, which the trust root registers as TST"),
        (replace(REGISTERED, id=TOKEN.lower()), f"{TOKEN} is written {TOKEN.lower()} in the trust root"),
        (replace(REGISTERED, decimals=18), "TST with 18 decimals in the trust root, TST with 6 here"),
        (replace(REGISTERED, code="USDC"), "USDC with 6 decimals in the trust root, TST with 6 here"),
        (
            Asset("eip155:31337/slip44:60", "ETH", 8, "eip155:31337"),
            "ETH with 8 decimals in the trust root, ETH with 18",
        ),
        (Asset("eip155:31337/erc721:0x1", "NFT", 0, "eip155:31337"), "eip155:31337/erc721:0x1: "),
    ],
)
def test_what_is_registered_and_not_listed_as_that_stops_a_process(
    tmp_path: Path, registered: Asset, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        served(house(tmp_path), registered)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)

"""Networks: by name and CAIP-2 id, and those refused by name."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.network import NETWORKS, network, network_of
from custody.kernel.errors import InvalidInput


def test_knows_each_network_by_its_name_and_its_ids():
    for known in NETWORKS:
        assert network(known.name) == network(known.chain) == network_of(known.chain_id) == known
        assert known.asset.chain == known.chain == f"eip155:{known.chain_id}"
    assert len({known.chain_id for known in NETWORKS}) == len({known.name for known in NETWORKS}) == len(NETWORKS)


def test_names_the_native_coin():
    assert (network("ethereum").asset.id, network("ethereum").asset.decimals) == ("eip155:1/slip44:60", 18)
    assert {network(name).chain_id for name in ("sepolia", "holesky", "hoodi", "anvil")} == {
        11155111,
        17000,
        560048,
        31337,
    }


@pytest.mark.parametrize("chain_id", [324, 300, 232, 2741, 388, 50104])
def test_refuses_chains_that_derive_addresses_otherwise_by_name(chain_id):
    with pytest.raises(InvalidInput, match=r"network: .+ is not served: it derives CREATE2 addresses by a formula"):
        network(f"eip155:{chain_id}")
    with pytest.raises(InvalidInput, match="zkSync"):
        network_of(chain_id)


def test_refuses_a_chain_whose_coin_is_a_token_as_well():
    with pytest.raises(InvalidInput, match="Celo is not served: it has a native coin that is a token"):
        network("eip155:42220")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eip155:",
        "eip155:01",
        "eip155:-1",
        "eip155:5",
        "EIP155:1",
        "1",
        "regtest",
        "eip155:1 ",
        "eip155:" + "9" * 40,
    ],
)
def test_refuses_every_other_text(text):
    with pytest.raises(InvalidInput, match="no such network; accepted is ethereum"):
        network(text)


@pytest.mark.parametrize("chain_id", [0, -1, 5, True, 1.0, "1"])
def test_refuses_every_other_number(chain_id):
    with pytest.raises(InvalidInput, match="no such network"):
        network_of(chain_id)

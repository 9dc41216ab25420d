"""Networks by name and by CAIP-2 id."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.network import NETWORKS, network
from custody.kernel.errors import InvalidInput


def test_names_the_main_chain_as_caip2_does():
    # CAIP-4: bip122 namespace, first 32 hex digits of the genesis hash
    assert network("mainnet").chain == "bip122:000000000019d6689c085ae165831e93"
    assert network("testnet").chain == "bip122:000000000933ea01ad0ee984209779ba"
    assert network("signet").chain == "bip122:00000008819873e925422c1ff0f99f7c"
    assert network("regtest").chain == "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"


@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.name)
def test_finds_a_network_by_name_and_by_chain(net):
    assert network(net.name) is net
    assert network(net.chain) is net
    assert net.asset.id == f"{net.chain}/slip44:0"
    assert (net.asset.code, net.asset.decimals) == ("BTC", 8)


@pytest.mark.parametrize("text", ["", "main", "Mainnet", "bip122:", "eip155:1", "testnet4"])
def test_refuses_an_unknown_network(text):
    with pytest.raises(InvalidInput) as caught:
        network(text)
    assert caught.value.field == "network"

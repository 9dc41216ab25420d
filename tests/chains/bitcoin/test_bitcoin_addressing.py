"""Bitcoin's addressing: the shared promises, and what is its own."""

from __future__ import annotations

import pytest

from custody.chains.addressing import DerivationMismatch, Derived, confirm
from custody.chains.bitcoin.addressing import MAX_SAT, BitcoinAddressing, DescriptorSource, descriptor_of
from custody.chains.bitcoin.offline.descriptor import open_descriptor
from custody.chains.registry import chain_named
from custody.evidence.keysets import Keyset, KeysetCosigner
from custody.kernel.errors import Broken, InvalidInput
from tests.chains.addressing_conformance import AddressingConformance
from tests.chains.bitcoin.offline.builders import COSIGNERS, KEYS, MAINNET, REGTEST, vault

P2WPKH = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


class TestBitcoinAddressing(AddressingConformance):
    @pytest.fixture
    def where(self) -> BitcoinAddressing:
        return BitcoinAddressing(REGTEST)

    @pytest.fixture
    def keyset(self) -> Keyset:
        members = zip(COSIGNERS, KEYS, strict=True)
        return Keyset(
            id="kst-main",
            chain=REGTEST.chain,
            threshold=2,
            cosigners=tuple(KeysetCosigner(one.name, key.text, key.public_key.hex()) for one, key in members),
            descriptor=open_descriptor(threshold=2, keys=KEYS),
        )

    @pytest.fixture
    def outside(self) -> str:
        return P2WPKH

    def test_is_a_branch_of_the_keyset(self, where, keyset):
        source = where.source(keyset, branch=7)
        assert source.descriptor == descriptor_of(keyset, 7) == vault(branch=7)

    def test_takes_no_less_than_the_network_relays(self, where):
        assert where.read_destination(P2WPKH, field="to").least_units == 294
        assert where.most_units(where.native.id) == MAX_SAT == 2_100_000_000_000_000


def shown(source: DescriptorSource, *, change: bool) -> Derived:
    return source.derive(client=None, change=change, index=0)


def test_shows_no_address_on_which_two_derivations_differ():
    ours, other = DescriptorSource(vault(branch=7)), DescriptorSource(vault(branch=8))
    derived = shown(ours, change=False)
    confirm(derived, ours, client=None, change=False)
    with pytest.raises(DerivationMismatch) as caught:
        confirm(derived, other, client=None, change=False)
    assert isinstance(caught.value, Broken)
    with pytest.raises(DerivationMismatch):
        confirm(shown(ours, change=True), DescriptorSource(vault(threshold=3)), client=None, change=True)


def test_is_found_by_the_networks_name_and_by_the_chains_id():
    assert chain_named("regtest") == chain_named(REGTEST.chain) == REGTEST.chain
    assert chain_named("mainnet") == MAINNET.chain
    with pytest.raises(InvalidInput, match="no such network; accepted is mainnet, testnet"):
        chain_named("elsewhere")

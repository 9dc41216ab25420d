"""Ethereum's addressing: the shared promises, and what is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import coincurve
import pytest

from custody.chains.addressing import KeysetRefused
from custody.chains.bitcoin.offline.network import NETWORKS as BITCOIN
from custody.chains.ethereum import second_address as second
from custody.chains.ethereum.addressing import MAX_TOKEN_UNITS, MAX_WEI, EthereumAddressing
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY, SAFE_L2
from custody.chains.ethereum.offline.descriptor import VaultText
from custody.chains.ethereum.offline.network import NETWORKS, network
from custody.chains.ethereum.offline.proxy import salt_nonce
from custody.chains.registry import NAMES, addressing, chain_named
from custody.evidence.keysets import Keyset, KeysetCosigner
from custody.kernel.errors import InvalidInput
from tests.chains.addressing_conformance import AddressingConformance
from tests.chains.ethereum.offline.builders import ANVIL, OWNERS, PAYEE, SAFE, SETUP, TOKEN, secret
from tests.chains.ethereum.offline.test_proxy import by_safe_eth_py

NAMED = ("ann", "ben", "cem")
WHERE = EthereumAddressing(ANVIL)
KEYSET = Keyset(
    id="k1",
    chain=ANVIL.chain,
    threshold=2,
    cosigners=tuple(
        KeysetCosigner(
            name,
            f"[d34db33f/44h/60h/0h/0/0]{owner}",
            coincurve.PrivateKey(secret(name)).public_key.format().hex(),
        )
        for name, owner in zip(NAMED, OWNERS, strict=True)
    ),
    descriptor=f"safe(1.4.1,2,[{','.join(SETUP.owners)}])",
)


class TestEthereumAddressing(AddressingConformance):
    @pytest.fixture
    def where(self) -> EthereumAddressing:
        return WHERE

    @pytest.fixture
    def keyset(self) -> Keyset:
        return KEYSET

    @pytest.fixture
    def outside(self) -> str:
        return PAYEE


def with_account(place: int, change: Callable[[KeysetCosigner], KeysetCosigner]) -> Keyset:
    members = list(KEYSET.cosigners)
    members[place] = change(members[place])
    return replace(KEYSET, cosigners=tuple(members))


def test_an_address_is_the_safe_that_safe_eth_py_predicts():
    source = WHERE.source(KEYSET, branch=3)
    assert source.derive(client="acme", change=False, index=0).address == SAFE
    for client, index in (("acme", 1), ("cli_birch", 0), ("house/cedar", 7)):
        nonce = salt_nonce(keyset="k1", client=client, index=index, network=ANVIL)
        found = source.derive(client=client, change=False, index=index)
        assert found.address == by_safe_eth_py(SETUP, nonce)
        assert found.locator == bytes.fromhex(found.address[2:])
        assert second.second_salt_nonce(keyset="k1", client=client, index=index, chain=ANVIL.chain) == nonce


def test_the_branch_changes_no_address_and_chain_and_keyset_do():
    def first(keyset: Keyset, branch: int = 0) -> str:
        source = addressing(keyset.chain).source(keyset, branch=branch)
        return source.derive(client="acme", change=False, index=0).address

    assert first(KEYSET) == first(KEYSET, 9)
    assert len({first(replace(KEYSET, chain=each.chain)) for each in NETWORKS}) == len(NETWORKS)
    assert first(replace(KEYSET, id="k2")) != first(KEYSET)
    for branch in (-1, 2**31, True):
        with pytest.raises(InvalidInput, match="branch"):
            WHERE.source(KEYSET, branch=branch)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client": None}, "client"),
        ({"client": "a b"}, "client"),
        ({"client": ""}, "client"),
        ({"change": True}, "change"),
        ({"index": -1}, "index"),
        ({"index": True}, "index"),
    ],
)
def test_neither_computation_makes_an_address_of_something_else(change, field):
    source = WHERE.source(KEYSET, branch=0)
    for derive in (source.derive, source.derive_again):
        with pytest.raises(InvalidInput) as caught:
            derive(**{"client": "acme", "change": False, "index": 0, **change})
        assert caught.value.field == field


def test_the_second_computation_shares_neither_salt_nor_hash(monkeypatch: pytest.MonkeyPatch):
    source = WHERE.source(KEYSET, branch=0)
    expected = source.derive(client="acme", change=False, index=0).address
    monkeypatch.setattr("custody.chains.ethereum.addressing.salt_nonce", lambda **_: 7)
    monkeypatch.setattr("custody.chains.ethereum.offline.proxy.keccak", lambda _: bytes(32))
    assert source.derive(client="acme", change=False, index=0).address != expected
    assert source.derive_again(client="acme", change=False, index=0) == expected


@pytest.mark.parametrize(
    ("keyset", "refusal", "said"),
    [
        (
            with_account(0, lambda one: replace(one, public_key="02" + "00" * 32)),
            KeysetRefused,
            "cosigner ann's address",
        ),
        (with_account(0, lambda one: replace(one, public_key="ff" * 33)), KeysetRefused, "cosigner ann's address"),
        (with_account(1, lambda one: KEYSET.cosigners[0]), KeysetRefused, "two cosigners share one address"),
        (
            with_account(2, lambda one: replace(one, account_key=one.account_key.lower())),
            InvalidInput,
            r"keyset\.cosigners\.cem: without its EIP-55 checksum",
        ),
        (
            with_account(2, lambda one: replace(one, account_key=f"[d34db33f/44h/60h/0h/0/0]{SAFE_L2.address}")),
            InvalidInput,
            "a contract that can sign nothing",
        ),
        (
            with_account(2, lambda one: replace(one, account_key=f"[d34db33f/44h/60h/0h/0/0]0x{secret('cem').hex()}")),
            InvalidInput,
            "may be a private key",
        ),
        (replace(KEYSET, threshold=3), KeysetRefused, "the descriptor is not"),
        (replace(KEYSET, threshold=4), InvalidInput, "accepted is 1 to 3"),
        (replace(KEYSET, cosigners=KEYSET.cosigners[:2]), KeysetRefused, "the descriptor is not"),
        (replace(KEYSET, descriptor=KEYSET.descriptor.lower()), KeysetRefused, "the descriptor is not"),
        (
            replace(KEYSET, descriptor=KEYSET.descriptor.replace("1.4.1", "1.3.0")),
            KeysetRefused,
            "the descriptor is not",
        ),
        (replace(KEYSET, chain="eip155:1"), InvalidInput, "a keyset of another chain; accepted is eip155:31337"),
    ],
)
def test_refuses_a_keyset_that_does_not_prove_itself(keyset, refusal, said):
    with pytest.raises(refusal, match=said) as caught:
        WHERE.check_keyset(keyset)
    assert secret("cem").hex() not in str(caught.value)


def test_the_order_of_cosigners_changes_nothing():
    other = replace(KEYSET, cosigners=KEYSET.cosigners[::-1])
    WHERE.check_keyset(other)
    sources = [WHERE.source(keyset, branch=0) for keyset in (KEYSET, other)]
    assert len({source.derive(client="acme", change=False, index=0) for source in sources}) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PAYEE.swapcase().replace("0X", "0x"), "wrong EIP-55 checksum"),
        ("0x" + PAYEE[2:].upper(), "wrong EIP-55 checksum"),
        ("0x" + "00" * 20, "the zero address"),
        ("0x" + "00" * 18 + "dead", "a reserved address"),
        ("0x" + "00" * 19 + "09", "a reserved address"),
        (PAYEE[2:], "without 0x"),
        (PAYEE[:-1], "39 hex digits"),
        (f" {PAYEE}", "a blank"),
        ("vitalik.eth", "a name"),
        (f"eip155:1:{PAYEE}", "a chain's prefix"),
        ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "an address of Bitcoin"),
        ("XE7338O073KYGTWWZN0F2WZ0R8PX5ZPPZS", "ICAP"),
        (f"0x{secret('ann').hex()}", "must not be here"),
        (MULTI_SEND_CALL_ONLY.address, r"MultiSendCallOnly 1\.4\.1, a contract that gives nothing back"),
        (SAFE_L2.address.lower(), r"SafeL2 1\.4\.1"),
        (b"\x01" * 20, "not a string"),
    ],
)
def test_refuses_a_destination_by_name(text, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        WHERE.read_destination(text, field="request.destination")
    assert caught.value.field == "request.destination"
    assert secret("ann").hex() not in str(caught.value)


def test_writes_a_destination_in_one_way():
    found = WHERE.read_destination(PAYEE.lower(), field="to")
    assert (found.address, found.locator, found.least_units) == (PAYEE, bytes.fromhex(PAYEE[2:]), 1)


def test_knows_how_much_there_can_be():
    assert WHERE.most_units(ANVIL.asset.id) == MAX_WEI == 2**128 - 1
    assert WHERE.most_units(f"{ANVIL.chain}/erc20:{TOKEN}") == MAX_TOKEN_UNITS == 2**256 - 1
    for asset in (
        network("ethereum").asset.id,
        f"eip155:1/erc20:{TOKEN}",
        f"{ANVIL.chain}7/erc20:{TOKEN}",
        f"{ANVIL.chain}/erc721:{TOKEN}",
        f"{ANVIL.chain}/erc20:{TOKEN[:-1]}",
        f"{ANVIL.chain}/erc20:{'0x' + '00' * 20}",
        "",
    ):
        with pytest.raises(InvalidInput, match="asset"):
            WHERE.most_units(asset)


def test_takes_no_export_of_another_chain_and_no_halves():
    text = WHERE.source(KEYSET, branch=0).text
    elsewhere = addressing("eip155:1").source(replace(KEYSET, chain="eip155:1"), branch=0).text
    assert VaultText.parse(text).keyset == "k1"
    WHERE.check_texts(text, receive="", change="", field="export")
    for given, said in (
        ({"text": text.split("#")[0]}, r"export\.descriptor: has no checksum"),
        ({"text": elsewhere}, r"export\.descriptor: of another chain; accepted is eip155:31337"),
        ({"receive": text}, r"export\.receive: there is no such text"),
        ({"change": text}, r"export\.change: there is no such text"),
    ):  # fmt: skip
        texts = {"text": text, "receive": "", "change": "", **given}
        with pytest.raises(InvalidInput, match=said):
            WHERE.check_texts(texts.pop("text"), **texts, field="export")


def test_every_network_is_served_under_a_name_of_its_own():
    for each in NETWORKS:
        assert chain_named(each.name) == chain_named(each.chain) == each.chain
        found = addressing(each.chain)
        assert (found.name, found.native, found.personal, found.makes_change) == (each.name, each.asset, True, False)
    assert len(NAMES) == len(NETWORKS) + len(BITCOIN)
    assert chain_named("ethereum") == "eip155:1"
    with pytest.raises(InvalidInput, match="no adapter serves this chain"):
        addressing("eip155:324")

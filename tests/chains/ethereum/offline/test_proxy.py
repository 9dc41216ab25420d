"""Safes before they exist: the address against two other implementations, and everything it binds."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_eth.eth.contracts import get_proxy_factory_V1_4_1_contract, get_safe_V1_4_1_contract
from safe_eth.eth.utils import mk_contract_address_2
from web3 import Web3

from custody.chains.ethereum import second_address as second
from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.deployments import FALLBACK_HANDLER, PROXY_FACTORY, SAFE, SAFE_L2
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import NETWORKS, network
from custody.chains.ethereum.offline.proxy import (
    MAX_OWNERS,
    ProxyCode,
    Safes,
    SafeSetup,
    create2_address,
    decode_create,
    salt_nonce,
)
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import (
    ANVIL,
    OWNERS,
    SAFES,
    SALT,
    SETUP,
    address,
    addresses,
)
from tests.chains.ethereum.offline.builders import (
    SAFE as ADDRESS,
)

CREATION = bytes.fromhex(
    json.loads((files("safe_eth.eth.contracts") / "abis" / "Proxy_V1_4_1.json").read_text())["bytecode"][2:]
)
CONTRACT = get_safe_V1_4_1_contract(Web3(), SAFE_L2.address)
FACTORY = get_proxy_factory_V1_4_1_contract(Web3(), PROXY_FACTORY.address)
salts = st.integers(min_value=0, max_value=2**256 - 1)


def by_safe_eth_py(setup: SafeSetup, nonce: int) -> str:
    arguments = [list(setup.owners), setup.threshold, ZERO, b"", setup.fallback_handler, ZERO, 0, ZERO]
    initializer = bytes.fromhex(CONTRACT.encode_abi("setup", args=arguments)[2:])
    salt = keccak(keccak(initializer) + nonce.to_bytes(32, "big"))
    code = CREATION + int(SAFE_L2.address, 16).to_bytes(32, "big")
    return mk_contract_address_2(PROXY_FACTORY.address, salt, code)


@settings(max_examples=40, deadline=None)
@given(st.lists(addresses, min_size=1, max_size=7, unique=True), salts, st.data())
def test_predicts_what_safe_eth_py_and_the_second_computation_predict(owners, nonce, data):
    setup = SafeSetup.of(owners, data.draw(st.integers(1, len(owners))))
    safes = Safes(setup)
    assert safes.address(nonce) == by_safe_eth_py(setup, nonce) == second.confirmed_address(safes, nonce)
    assert safes.address(nonce) == create2_address(PROXY_FACTORY.address, safes.salt(nonce), safes.code.init_code_hash)


def test_the_order_in_which_owners_are_named_changes_nothing():
    assert Safes(SafeSetup.of(reversed(OWNERS), 2)).address(SALT) == ADDRESS
    assert Safes(SafeSetup.of([owner.lower() for owner in OWNERS], 2)).address(SALT) == ADDRESS


@pytest.mark.parametrize(
    "other",
    [
        Safes(SafeSetup.of(OWNERS, 3)),
        Safes(SafeSetup.of(OWNERS[:2], 2)),
        Safes(SafeSetup.of((*OWNERS[:2], address("mallory")), 2)),
        Safes(SafeSetup.of(OWNERS, 2, fallback_handler=address("handler"))),
        Safes(SETUP, ProxyCode.pinned(SAFE)),
        Safes(SETUP, ProxyCode(address("factory"), SAFE_L2.address, SAFES.code.init_code_hash)),
        Safes(SETUP, ProxyCode(PROXY_FACTORY.address, SAFE_L2.address, keccak(b"other code"))),
    ],
    ids=["threshold", "fewer owners", "another owner", "handler", "singleton", "factory", "proxy code"],
)
def test_each_part_of_the_setup_changes_the_address(other):
    assert other.address(SALT) != ADDRESS


def test_refuses_when_two_computations_differ(monkeypatch):
    monkeypatch.setattr(second, "second_address", lambda *_: address("somewhere else"))
    with pytest.raises(second.AddressMismatch, match="two computations of a Safe's address differ"):
        second.confirmed_address(SAFES, SALT)


@pytest.mark.parametrize(
    ("owners", "threshold", "field", "reason"),
    [
        ((), 1, "owners", "0 owners"),
        ((OWNERS[0], OWNERS[0].lower()), 1, "owners", "the same owner twice"),
        ((OWNERS[0], ZERO), 1, "owners", "the zero address"),
        ((OWNERS[0], "0x" + "00" * 19 + "01"), 1, "owners", "a reserved address"),
        ((OWNERS[0], "0x1234"), 1, "owners", "4 hex digits"),
        (OWNERS, 0, "threshold", "accepted is 1 to 3"),
        (OWNERS, 4, "threshold", "accepted is 1 to 3"),
        (OWNERS, True, "threshold", "accepted is 1 to 3"),
        ([address(str(number)) for number in range(MAX_OWNERS + 1)], 2, "owners", "51 owners"),
    ],
)
def test_refuses_a_setup_that_is_none(owners, threshold, field, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        SafeSetup.of(owners, threshold)
    assert caught.value.field == field


def test_a_setup_made_by_hand_has_its_owners_in_order():
    for owners in (tuple(reversed(SETUP.owners)), tuple(owner.lower() for owner in SETUP.owners)):
        with pytest.raises(InvalidInput, match="ascending"):
            SafeSetup(owners, 2)


def test_refuses_a_singleton_that_is_not_pinned():
    with pytest.raises(InvalidInput, match=r"singleton: CompatibilityFallbackHandler 1\.4\.1 is no singleton of ours"):
        ProxyCode.pinned(FALLBACK_HANDLER)


@pytest.mark.parametrize("nonce", [-1, 2**256])
def test_refuses_a_salt_nonce_out_of_range(nonce):
    with pytest.raises((OverflowError, ValueError)):
        SAFES.address(nonce)


def test_the_salt_nonce_is_the_documented_hash():
    # printf 'custody/safe-salt/v1\0{"chain":"eip155:31337","client":"acme","index":0,"keyset":"k1"}' | sha256sum
    assert SALT == 0x0AD2C34A3EEC3A713B7DA64EDDBC2E1696B3C79082C420790FD73CC82D92BF30


def test_every_part_of_the_salt_nonce_counts():
    base = {"keyset": "k1", "client": "acme", "index": 0, "network": ANVIL}
    others = [
        {**base, "keyset": "k2"}, {**base, "client": "acme0"}, {**base, "index": 1},
        *({**base, "network": known} for known in NETWORKS if known != ANVIL),
    ]  # fmt: skip
    found = [salt_nonce(**parts) for parts in (base, *others)]
    assert len(set(found)) == len(found)
    assert all(0 <= nonce < 2**256 for nonce in found)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"keyset": ""}, "keyset"),
        ({"client": "a b"}, "client"),
        ({"client": "a" * 129}, "client"),
        ({"client": "é"}, "client"),
        ({"index": -1}, "index"),
        ({"index": 2**31}, "index"),
        ({"index": True}, "index"),
    ],
)
def test_refuses_a_salt_nonce_of_something_else(change, field):
    with pytest.raises(InvalidInput) as caught:
        salt_nonce(**{"keyset": "k1", "client": "acme", "index": 0, "network": network("anvil"), **change})
    assert caught.value.field == field


@given(salts)
def test_writes_the_factory_call_that_web3_writes_and_reads_it_back(nonce):
    calldata = SAFES.create_calldata(nonce)
    assert "0x" + calldata.hex() == FACTORY.encode_abi(
        "createProxyWithNonce", args=[SAFE_L2.address, SAFES.initializer, nonce]
    )
    found = decode_create(calldata)
    assert (found.singleton, found.setup, found.salt_nonce) == (SAFE_L2.address, SETUP, nonce)


def _setup_call(**change: object) -> bytes:
    values = {
        "owners": list(SETUP.owners), "threshold": 2, "to": ZERO, "data": b"", "handler": FALLBACK_HANDLER.address,
        "token": ZERO, "payment": 0, "receiver": ZERO, **change,
    }  # fmt: skip
    initializer = CONTRACT.encode_abi("setup", args=list(values.values()))
    return bytes.fromhex(FACTORY.encode_abi("createProxyWithNonce", args=[SAFE_L2.address, initializer, 7])[2:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": address("module setup")}, "delegates to another contract"),
        ({"data": b"\x01"}, "delegates to another contract"),
        ({"token": address("token")}, "pays somebody"),
        ({"payment": 1}, "pays somebody"),
        ({"receiver": address("mallory")}, "pays somebody"),
        ({"owners": list(reversed(SETUP.owners))}, "ascending"),
        ({"owners": [SETUP.owners[0]] * 2}, "the same owner twice"),
        ({"threshold": 4}, "accepted is 1 to 3"),
        ({"handler": ZERO}, "the zero address"),
    ],
)
def test_refuses_a_deployment_that_sets_up_something_else(change, reason):
    assert decode_create(_setup_call()).setup == SETUP
    with pytest.raises(InvalidInput, match=reason):
        decode_create(_setup_call(**change))


def test_refuses_another_call_and_bytes_behind():
    for calldata in (b"", SAFES.initializer, SAFES.create_calldata(1) + b"\0", SAFES.create_calldata(1)[:-1]):
        with pytest.raises(InvalidInput, match="not a canonical createProxyWithNonce"):
            decode_create(calldata)

"""Pinned contracts: what safe-eth-py carries hashes to what is pinned here."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from safe_eth.eth.contracts import get_multicall_v3_contract
from safe_eth.safe.safe_deployments import default_safe_deployments
from web3 import Web3

from custody.chains.ethereum.offline.address import address_bytes, checksum_address
from custody.chains.ethereum.offline.deployments import (
    CREATE2_DEPLOYER,
    FALLBACK_HANDLER,
    MULTI_SEND,
    MULTI_SEND_CALL_ONLY,
    MULTICALL3,
    NEEDED,
    PINNED,
    PROXY_CODE_HASH,
    PROXY_CREATION_CODE_HASH,
    PROXY_FACTORY,
    PROXY_INIT_CODE_HASHES,
    SAFE,
    SAFE_L2,
    SAFE_SINGLETON_FACTORY,
    check_code,
    known_name,
    pinned,
)
from custody.chains.ethereum.offline.keccak import keccak
from custody.kernel.errors import InvalidInput

ABIS = files("safe_eth.eth.contracts") / "abis"
# github.com/Arachnid/deterministic-deployment-proxy, README: the runtime code, 69 bytes
DEPLOYER_CODE = (
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b"
    "8082525050506014600cf3"
)


def _artifact(name: str, part: str) -> bytes:
    return bytes.fromhex(json.loads((ABIS / f"{name}.json").read_text())[part][2:])


@pytest.mark.parametrize(
    ("contract", "artifact"),
    [
        (SAFE_L2, "Safe_V1_4_1"),
        (PROXY_FACTORY, "ProxyFactory_V1_4_1"),
        (FALLBACK_HANDLER, "CompatibilityFallbackHandler_V1_4_1"),
        (MULTI_SEND_CALL_ONLY, "MultiSendCallOnly_V1_4_1"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_pins_the_code_that_safe_eth_py_deploys(contract, artifact):
    assert keccak(_artifact(artifact, "deployedBytecode")) == contract.code_hash
    assert contract in NEEDED


@pytest.mark.parametrize("contract", [c for c in PINNED if c.version == "1.4.1"], ids=lambda contract: contract.name)
def test_pins_the_address_that_safe_eth_py_lists_first(contract):
    assert default_safe_deployments["1.4.1"][contract.name][0] == contract.address


def test_pins_multicall3_by_the_code_behind_its_constructor():
    code = bytes(get_multicall_v3_contract(Web3()).bytecode)
    assert keccak(code[32:]) == MULTICALL3.code_hash


def test_pins_the_deployer_twice_with_the_same_code():
    assert keccak(bytes.fromhex(DEPLOYER_CODE)) == CREATE2_DEPLOYER.code_hash
    assert CREATE2_DEPLOYER.code_hash == SAFE_SINGLETON_FACTORY.code_hash


def test_the_init_code_hash_is_that_of_the_creation_code_and_the_singleton():
    creation = _artifact("Proxy_V1_4_1", "bytecode")
    assert keccak(creation) == PROXY_CREATION_CODE_HASH
    assert keccak(_artifact("Proxy_V1_4_1", "deployedBytecode")) == PROXY_CODE_HASH
    for singleton in (SAFE_L2, SAFE):
        assert (
            keccak(creation + bytes(12) + address_bytes(singleton.address)) == PROXY_INIT_CODE_HASHES[singleton.address]
        )


def test_every_pinned_address_is_checksummed_and_stands_once():
    assert len({contract.address for contract in PINNED}) == len(PINNED)
    for contract in PINNED:
        assert checksum_address(contract.raw) == contract.address
        assert pinned(contract.address) is contract
        assert len(contract.code_hash) == 32


def test_names_what_it_refuses():
    assert known_name(MULTI_SEND.address) == "MultiSend 1.4.1"
    assert known_name("0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761") == "MultiSend 1.3.0"
    assert known_name("0x" + "00" * 20) is None


def test_refuses_other_code_and_no_code():
    check_code(SAFE_L2, SAFE_L2.code_hash)
    with pytest.raises(InvalidInput, match=r"network: other code than SafeL2 1\.4\.1 stands at its address"):
        check_code(SAFE_L2, SAFE.code_hash)
    with pytest.raises(InvalidInput, match=r"SafeL2 1\.4\.1 is not deployed"):
        check_code(SAFE_L2, None)

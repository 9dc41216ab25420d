"""Counterfactual Safes: the address before the contract, some of them deployed on chain since."""

from __future__ import annotations

import json

import pytest

from custody.chains.ethereum.offline.deployments import (
    FALLBACK_HANDLER,
    PROXY_CREATION_CODE_HASH,
    PROXY_FACTORY,
    SAFE,
    SAFE_L2,
)
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import network_of
from custody.chains.ethereum.offline.proxy import ProxyCode, Safes, SafeSetup
from custody.chains.ethereum.second_address import confirmed_address
from custody.kernel.errors import InvalidInput
from tests.support.vectors import directory, rows

CODES = rows("safe_counterfactual", "proxy_creation_code")
PREDICTED = rows("safe_counterfactual", "predict_address")
ZKSYNC = rows("safe_counterfactual", "zksync_address")


def creation_code(version: str) -> bytes:
    """The proxy's creation code of a release, from the same file."""
    for row in json.loads((directory() / "safe_counterfactual.json").read_text()):
        if row["kind"] == "proxy_creation_code" and row["input"]["version"] == version:
            return bytes.fromhex(row["expected"]["proxy_creation_code"][2:])
    raise LookupError(version)


def safes(given) -> Safes:
    """The Safes a row speaks of."""
    setup = SafeSetup.of(given["owners"], given["threshold"], fallback_handler=given["fallback_handler"])
    code = ProxyCode.from_creation_code(
        factory=given["factory"], singleton=given["singleton"], creation_code=creation_code(given["version"])
    )
    return Safes(setup, code)


@pytest.mark.parametrize("row", CODES)
def test_knows_the_creation_code_by_its_hash(row):
    code = bytes.fromhex(row["expected"]["proxy_creation_code"][2:])
    assert (len(code), "0x" + keccak(code).hex()) == (row["expected"]["length"], row["expected"]["keccak256"])
    assert (keccak(code) == PROXY_CREATION_CODE_HASH) == (row["input"]["version"] == "1.4.1")


@pytest.mark.parametrize("contract", [SAFE_L2, SAFE], ids=lambda contract: contract.name)
def test_the_pinned_init_code_hash_is_that_of_the_creation_code_and_the_singleton(contract):
    assert ProxyCode.pinned(contract) == ProxyCode.from_creation_code(
        factory=PROXY_FACTORY.address, singleton=contract.address, creation_code=creation_code("1.4.1")
    )


@pytest.mark.parametrize("row", PREDICTED)
def test_predicts_initializer_salt_and_address(row):
    given, expected = row["input"], row["expected"]
    found, nonce = safes(given), int(given["salt_nonce"])
    assert network_of(given["chain_id"]).chain_id == given["chain_id"]
    assert "0x" + found.initializer.hex() == expected["initializer"]
    assert "0x" + found.salt(nonce).hex() == expected["salt"]
    assert found.address(nonce) == confirmed_address(found, nonce) == expected["address"]


def test_one_of_them_stands_on_the_pinned_contracts():
    given = next(row.values[0] for row in PREDICTED if row.values[0]["input"]["version"] == "1.4.1")["input"]
    assert given["fallback_handler"] == FALLBACK_HANDLER.address
    assert safes(given).code == ProxyCode.pinned(SAFE)


@pytest.mark.parametrize("row", ZKSYNC)
def test_refuses_zksync_by_name_because_its_formula_is_another(row):
    with pytest.raises(InvalidInput, match="zkSync Era is not served: it derives CREATE2 addresses by a formula"):
        network_of(row["input"]["chain_id"])


@pytest.mark.parametrize("row", ZKSYNC[:1])
def test_the_usual_formula_would_be_wrong_there(row):
    wrong = safes(row["input"]).address(int(row["input"]["salt_nonce"]))
    assert wrong == row["expected"]["evm_create2_address_is_wrong"] != row["expected"]["address"]

"""SafeTx: hashed as safe-eth-py and eth_account do, written in one form of JSON, every field bound by the hash."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_eth.eth import EthereumClient
from safe_eth.safe import SafeTx as TheirSafeTx

from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.eip712 import typed_data_digest
from custody.chains.ethereum.offline.network import NETWORKS, network
from custody.chains.ethereum.offline.safe_tx import SafeTx, safe_tx_hash, typed_data
from custody.chains.ethereum.offline.signer import signature_over
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import ANVIL, PAYEE, SAFE, TOKEN, address, addresses, pay, secret

numbers = st.integers(0, 2**256 - 1)
safe_txs = st.builds(
    SafeTx, to=addresses, value=numbers, data=st.binary(max_size=100), operation=st.sampled_from((0, 1)),
    safe_tx_gas=numbers, base_gas=numbers, gas_price=numbers, gas_token=addresses, refund_receiver=addresses,
    nonce=numbers,
)  # fmt: skip
NOWHERE = EthereumClient("http://127.0.0.1:1")
# pcaversaccio/safe-tx-hashes-util, README: 0.1 ether on Sepolia, nonce 4
WORKED = SafeTx(to="0x255C3912f91eF11bFDadd405F13144a823Da8cc5", value=10**17, data=b"", nonce=4)
WORKED_SAFE = "0x657ff0D4eC65D82b2bC1247b0a558bcd2f80A0f1"
WORKED_HASH = "cb8bbe7bf8f8a1f3f57658e450d07d4422356ac042d96a87ba425b19e67a78a1"


def test_hashes_the_worked_example():
    assert safe_tx_hash(WORKED, network=network("sepolia"), safe=WORKED_SAFE).hex() == WORKED_HASH


@settings(max_examples=60, deadline=None)
@given(safe_txs, addresses, st.sampled_from(NETWORKS))
def test_hashes_as_safe_eth_py_and_the_typed_data_do(tx, safe, net):
    digest = safe_tx_hash(tx, network=net, safe=safe)
    theirs = TheirSafeTx(
        NOWHERE, safe, tx.to, tx.value, tx.data, tx.operation, tx.safe_tx_gas, tx.base_gas, tx.gas_price,
        tx.gas_token, tx.refund_receiver, safe_nonce=tx.nonce, safe_version="1.4.1", chain_id=net.chain_id,
    )  # fmt: skip
    assert digest == bytes(theirs.safe_tx_hash)
    assert digest == typed_data_digest(typed_data(tx, network=net, safe=safe))


@settings(max_examples=20, deadline=None)
@given(safe_txs)
def test_any_wallet_signs_the_same_from_the_typed_data(tx):
    account = Account.from_key(secret("ann"))
    data = json.loads(json.dumps(typed_data(tx, network=ANVIL, safe=SAFE)))
    wallets = bytes(account.sign_message(encode_typed_data(full_message=data)).signature)
    assert signature_over(safe_tx_hash(tx, network=ANVIL, safe=SAFE), secret("ann")) == wallets


@given(safe_txs)
def test_reads_the_json_it_writes(tx):
    assert SafeTx.from_json(json.loads(json.dumps(tx.to_json()))) == tx


CHANGED = {
    "to": TOKEN, "value": 2, "data": b"\x01", "operation": 1, "safe_tx_gas": 1, "base_gas": 1, "gas_price": 1,
    "gas_token": TOKEN, "refund_receiver": PAYEE, "nonce": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(SafeTx)])
def test_every_field_changes_the_hash(name):
    tx = pay(wei=1)
    changed = replace(tx, **{name: CHANGED[name]})
    assert safe_tx_hash(changed, network=ANVIL, safe=SAFE) != safe_tx_hash(tx, network=ANVIL, safe=SAFE)


def test_the_hash_is_bound_to_the_chain_and_the_safe():
    hashes = {safe_tx_hash(pay(), network=net, safe=safe) for net in NETWORKS for safe in (SAFE, PAYEE)}
    assert len(hashes) == 2 * len(NETWORKS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": PAYEE.lower()}, "to"),
        ({"to": "0x12"}, "to"),
        ({"value": -1}, "value"),
        ({"value": 2**256}, "value"),
        ({"value": True}, "value"),
        ({"data": "0x"}, "data"),
        ({"data": bytes(131_073)}, "data"),
        ({"operation": 2}, "operation"),
        ({"operation": True}, "operation"),
        ({"gas_token": ""}, "gasToken"),
        ({"refund_receiver": ZERO[2:]}, "refundReceiver"),
        ({"nonce": -1}, "nonce"),
        ({"safe_tx_gas": 1.0}, "safeTxGas"),
    ],
)
def test_refuses_fields_that_are_none(change, field):
    with pytest.raises(InvalidInput) as caught:
        SafeTx(**{"to": PAYEE, "value": 1, "data": b"", "nonce": 0, **change})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"value": 1}, "value"),
        ({"value": "01"}, "value"),
        ({"value": "0x1"}, "value"),
        ({"value": "+1"}, "value"),
        ({"nonce": "9" * 79}, "nonce"),
        ({"data": "0xAB"}, "data"),
        ({"data": "ab"}, "data"),
        ({"data": "0xabc"}, "data"),
        ({"data": None}, "data"),
        ({"to": PAYEE.lower()}, "to"),
        ({"operation": "0"}, "operation"),
        ({"more": "0"}, "safe_tx"),
    ],
)
def test_reads_no_second_form_of_the_json(change, field):
    with pytest.raises(InvalidInput) as caught:
        SafeTx.from_json({**pay(wei=1).to_json(), **change})
    assert caught.value.field == field


@pytest.mark.parametrize("value", [None, [], "{}", {}, {"to": PAYEE}])
def test_reads_nothing_but_the_ten_fields(value):
    with pytest.raises(InvalidInput, match="safe_tx: accepted are exactly to, value, data, operation, safeTxGas"):
        SafeTx.from_json(value)


def test_a_safe_is_named_with_its_checksum():
    with pytest.raises(InvalidInput, match="safe: "):
        typed_data(pay(), network=ANVIL, safe=address("x").lower())

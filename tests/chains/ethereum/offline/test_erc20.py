"""A token's transfer: what web3 writes, and no other byte string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safe_eth.eth.contracts import get_erc20_contract
from web3 import Web3

from custody.chains.ethereum.offline.erc20 import TransferCall, decode_transfer, encode_balance_of, encode_transfer
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import PAYEE, TOKEN, addresses
from tests.chains.ethereum.offline.mutations import read_all

CONTRACT = get_erc20_contract(Web3(), TOKEN)


@given(addresses, st.integers(0, 2**256 - 1))
def test_writes_what_web3_writes_and_reads_it_back(recipient, units):
    data = encode_transfer(recipient, units)
    assert "0x" + data.hex() == CONTRACT.encode_abi("transfer", args=[recipient, units])
    assert decode_transfer(data) == TransferCall(recipient, units)
    assert "0x" + encode_balance_of(recipient).hex() == CONTRACT.encode_abi("balanceOf", args=[recipient])


def test_another_byte_is_another_transfer_or_none():
    refused, read = read_all(decode_transfer, encode_transfer(PAYEE, 5_000_000))
    assert refused > 300
    assert read > 400


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "another call"),
        (bytes.fromhex("095ea7b3") + encode_transfer(PAYEE, 1)[4:], "another call"),
        (encode_transfer(PAYEE, 1)[:-1], "ends too early"),
        (encode_transfer(PAYEE, 1) + b"\0", "left over"),
        (encode_transfer(PAYEE, 1)[:15] + b"\x01" + encode_transfer(PAYEE, 1)[16:], "in front that are not zero"),
    ],
)
def test_refuses_what_is_no_transfer(data, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        decode_transfer(data, field="calls[3]")
    assert caught.value.field == "calls[3]"


@pytest.mark.parametrize("units", [-1, 2**256, True])
def test_writes_no_amount_that_is_none(units):
    with pytest.raises(InvalidInput, match="units: not an unsigned number"):
        encode_transfer(PAYEE, units)

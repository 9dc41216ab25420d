"""Raw transactions: what eth_account signs is read; every second form of one is refused."""

from __future__ import annotations

import time

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.ethereum.offline import rlp
from custody.chains.ethereum.offline.ecdsa import ORDER
from custody.chains.ethereum.offline.transaction import MAX_NONCE, decode_transaction
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import PAYEE, addresses, secret
from tests.chains.ethereum.offline.mutations import mutations

KEY = secret("relayer")
RELAYER = Account.from_key(KEY).address
# EIP-155, "Example"
EIP_155 = (
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567"
    "866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)
amounts = st.integers(0, 2**128)


def _sign(**fields: object) -> bytes:
    base = {"to": PAYEE, "value": 1, "nonce": 0, "gas": 21_000, "chainId": 31337}
    return bytes(Account.sign_transaction({**base, **fields}, KEY).raw_transaction)


def test_reads_the_standards_example():
    found = decode_transaction(bytes.fromhex(EIP_155))
    assert (found.sender, found.chain_id, found.nonce) == ("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F", 1, 9)
    assert (found.value, found.max_fee_per_gas, found.gas_limit) == (10**18, 20 * 10**9, 21_000)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from((0, 1, 2)), addresses, amounts, st.integers(0, MAX_NONCE), st.binary(max_size=80),
    st.integers(1, 2**32), amounts,
)  # fmt: skip
def test_reads_what_eth_account_signs(kind, to, value, nonce, data, chain_id, fee):
    fields = {"to": to, "value": value, "nonce": nonce, "data": data, "chainId": chain_id, "gas": 90_000}
    access = [{"address": PAYEE, "storageKeys": ["0x" + "11" * 32]}]
    if kind == 2:
        fields |= {"maxFeePerGas": fee + 7, "maxPriorityFeePerGas": 7, "accessList": access}
    else:
        fields |= {"gasPrice": fee} | ({"accessList": access} if kind == 1 else {})
    signed = Account.sign_transaction(fields, KEY)
    found = decode_transaction(bytes(signed.raw_transaction))
    assert (found.kind, found.sender, found.hash) == (kind, RELAYER, bytes(signed.hash))
    assert (found.to, found.value, found.nonce, found.data) == (to, value, nonce, data)
    assert (found.chain_id, found.gas_limit) == (chain_id, 90_000)
    fees = (fee + 7, 7) if kind == 2 else (fee, fee)
    assert (found.max_fee_per_gas, found.max_priority_fee_per_gas) == fees


def test_reads_a_contract_creation_and_one_without_a_chain():
    assert decode_transaction(_sign(to=b"", data=b"\x60\x00", gasPrice=1)).to is None
    fields = {"to": PAYEE, "value": 1, "nonce": 0, "gas": 21_000, "gasPrice": 1}
    assert decode_transaction(bytes(Account.sign_transaction(fields, KEY).raw_transaction)).chain_id is None


@pytest.mark.parametrize("kind", [0, 2])
def test_a_changed_byte_is_never_this_senders_transaction(kind):
    fees = {"gasPrice": 10**9} if kind == 0 else {"maxFeePerGas": 10**9, "maxPriorityFeePerGas": 1}
    raw = _sign(**fees)
    for changed in mutations(raw):
        try:
            found = decode_transaction(changed)
        except InvalidInput:
            continue
        assert found.sender != RELAYER


def _typed(items: list[object]) -> bytes:
    return b"\x02" + rlp.encode(items)


def _items() -> list[object]:
    found = rlp.decode(_sign(maxFeePerGas=10**9, maxPriorityFeePerGas=1)[1:])
    assert isinstance(found, list)
    return found


def _with(place: int, item: object) -> bytes:
    items = _items()
    items[place] = item
    return _typed(items)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no bytes"),
        (b"\x03" + b"\xc0", r"a blob transaction \(EIP-4844\)"),
        (b"\x04" + b"\xc0", r"sets code \(EIP-7702\)"),
        (b"\x7f\xc0", "unknown type 127"),
        (b"\x02\xc0", "not a list of 12 fields"),
        (b"\xc0", "not a list of 9 fields"),
        (_typed(_items()) + b"\0", "left over"),
        (_typed(_items())[:-1], "ends too early"),
        (_with(1, b"\x00"), "shortest form"),
        (_with(1, b"\xff" * 8), "EIP-2681"),
        (_with(1, b"\x01" * 9), "at most 64 bits"),
        (_with(2, b"\xff" * 5), "priority fee above"),
        (_with(5, b"\x11" * 19), "no address"),
        (_with(5, []), "no address"),
        (_with(7, []), "a list where bytes belong"),
        (_with(8, b""), "access list"),
        (_with(8, [[b"\x11" * 19, []]]), "access list"),
        (_with(8, [[b"\x11" * 20, [b"\x11" * 31]]]), "access list"),
        (_with(9, b"\x02"), "no key made"),
        (_with(11, (ORDER - 1).to_bytes(32, "big")), "upper half"),
        (_with(10, b""), "no key made"),
        (bytes.fromhex(EIP_155.replace("8025a0", "801da0")), "v is 29"),
        (bytes(131_073), "longer than"),
    ],
)
def test_refuses_every_other_form(raw, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        decode_transaction(raw, field="raw")
    assert caught.value.field == "raw"


@given(st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_rlp_reads_what_it_writes(item):
    assert rlp.decode(rlp.encode(item)) == item


@pytest.mark.parametrize("raw", ["8100", "817f", "b800", "b83700", "b9003800", "f800", "f83700", "c2810a", "83", "c1"])
def test_rlp_reads_no_second_form(raw):
    with pytest.raises(rlp.MalformedRlp):
        rlp.decode(bytes.fromhex(raw))


@given(st.binary(max_size=60))
def test_rlp_has_one_form_of_everything(raw):
    try:
        item = rlp.decode(raw)
    except rlp.MalformedRlp:
        return
    assert rlp.encode(item) == raw


def test_hostile_nesting_and_length_cost_nothing():
    began = time.monotonic()
    for raw in (b"\xc1" * 100_000 + b"\xc0", b"\xfa\x01\x00\x00" + b"\xc0" * 65_536, rlp.encode([b"\x01"] * 100_000)):
        with pytest.raises(InvalidInput):
            decode_transaction(raw)
    assert time.monotonic() - began < 3

"""Typed data: the standard's own example, the same digests as eth_account, and what is refused instead of guessed."""

from __future__ import annotations

from copy import deepcopy

import pytest
from eth_account.messages import encode_defunct, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.ethereum.offline.eip712 import encode_type, message_digest, typed_data_digest
from custody.chains.ethereum.offline.keccak import keccak
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import addresses

# EIP-712, assets/eip-712/Example.js
MAIL = {
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "domain": {
        "name": "Ether Mail", "version": "1", "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}  # fmt: skip
DOMAIN = [{"name": "chainId", "type": "uint256"}]


def _one(kind: str, value: object) -> dict[str, object]:
    types = {"EIP712Domain": DOMAIN, "One": [{"name": "it", "type": kind}]}
    return {"types": types, "primaryType": "One", "domain": {"chainId": 1}, "message": {"it": value}}


def _theirs(data: dict[str, object]) -> bytes:
    signable = encode_typed_data(full_message=data)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def test_hashes_the_standards_example():
    assert typed_data_digest(MAIL).hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    assert encode_type("Mail", MAIL["types"]) == (
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )


@given(
    st.one_of(
        st.tuples(st.just("uint8"), st.integers(0, 255)),
        st.tuples(st.just("int16"), st.integers(-(2**15), 2**15 - 1)),
        st.tuples(st.just("uint256"), st.integers(0, 2**256 - 1)),
        st.tuples(st.just("int256"), st.integers(-(2**255), 2**255 - 1)),
        st.tuples(st.just("bool"), st.booleans()),
        st.tuples(st.just("bytes4"), st.binary(min_size=4, max_size=4)),
        st.tuples(st.just("bytes32"), st.binary(min_size=32, max_size=32)),
        st.tuples(st.just("bytes"), st.binary(max_size=70)),
        st.tuples(st.just("string"), st.text(max_size=30)),
        st.tuples(st.just("address"), addresses),
        st.tuples(st.just("address[]"), st.lists(addresses, max_size=3)),
        st.tuples(st.just("uint8[2][]"), st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), max_size=3)),
    )
)
def test_hashes_as_eth_account_does(typed):
    assert typed_data_digest(_one(*typed)) == _theirs(_one(*typed))


@given(st.binary(max_size=300))
def test_hashes_messages_as_eth_account_does(message):
    signable = encode_defunct(message)
    assert message_digest(message) == keccak(b"\x19" + signable.version + signable.header + signable.body)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("uint8", 256, "within 8 bits"),
        ("uint8", -1, "within 8 bits"),
        ("int8", 128, "within 8 bits"),
        ("uint8", 1.0, "not an integer"),
        ("uint8", True, "not an integer"),
        ("uint8", "0x01", "not an integer"),
        ("uint8", None, "not an integer"),
        ("uint7", 1, "no such type"),
        ("uint264", 1, "no such type"),
        ("bytes33", "0x" + "00" * 33, "no such type"),
        ("bytes4", "0x0102", "not 4 bytes"),
        ("bytes", "0102", "not bytes in hex"),
        ("bytes", "0x123", "not bytes in hex"),
        ("bool", 1, "not true or false"),
        ("string", b"x", "not a string"),
        ("string", "\ud800", "not valid Unicode"),
        ("address", "0x12", "2 hex digits"),
        ("address[]", "0x12", "not a list"),
        ("uint8[2]", [1], "not a list of 2"),
        ("Missing", {}, "no such type"),
        ("One", {"it": None}, "not the fields of One"),
    ],
)
def test_refuses_a_value_that_is_none(kind, value, reason):
    with pytest.raises(InvalidInput, match=reason):
        typed_data_digest(_one(kind, value))


@pytest.mark.parametrize("change", ["missing", "more", "domain", "twice", "untyped", "nothing"])
def test_refuses_what_is_not_declared(change):
    data = deepcopy(MAIL)
    if change == "missing":
        del data["message"]["contents"]
    elif change == "more":
        data["message"]["bcc"] = "x"
    elif change == "domain":
        data["domain"]["salt"] = "0x"
    elif change == "twice":
        data["types"]["Person"].append({"name": "name", "type": "string"})
    elif change == "untyped":
        data["types"]["Person"] = [{"name": "name"}]
    else:
        data = {}
    with pytest.raises(InvalidInput):
        typed_data_digest(data)


def test_a_type_that_holds_itself_ends():
    types = {"EIP712Domain": DOMAIN, "Node": [{"name": "next", "type": "Node[]"}]}
    value: dict[str, object] = {"next": []}
    for _ in range(4):
        value = {"next": [value]}
    data = {"types": types, "primaryType": "Node", "domain": {"chainId": 1}, "message": value}
    assert typed_data_digest(data) == _theirs(data)
    for _ in range(40):
        value = {"next": [value]}
    with pytest.raises(InvalidInput, match="nested more than"):
        typed_data_digest({**data, "message": value})

"""SafeTx: what owners of a Safe sign (Safe 1.3.0 and later), its hash, and the same as typed data for any wallet.

The hash is keccak of ``19 01``, the domain separator (chain id and the Safe's address) and the struct's hash
(EIP-712). So a signature holds on one chain, for one Safe, for one nonce. ``value`` is wei.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from custody.chains.ethereum.offline.abi import MAX_DATA_BYTES, MAX_UINT, address_word, uint_word
from custody.chains.ethereum.offline.address import ZERO, address_bytes, expect_checksummed
from custody.chains.ethereum.offline.eip712 import DOMAIN, typed_digest
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import Network
from custody.kernel.errors import InvalidInput

DOMAIN_TYPE: Final = "EIP712Domain(uint256 chainId,address verifyingContract)"
SAFE_TX_TYPE: Final = (
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    "address gasToken,address refundReceiver,uint256 nonce)"
)
DOMAIN_TYPE_HASH: Final = keccak(DOMAIN_TYPE.encode("ascii"))
SAFE_TX_TYPE_HASH: Final = keccak(SAFE_TX_TYPE.encode("ascii"))

CALL: Final = 0
DELEGATE_CALL: Final = 1

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_HEX: Final = re.compile(r"0x([0-9a-f]{2})*", re.ASCII)
_NAMES: Final = {
    "to": "to", "value": "value", "data": "data", "operation": "operation", "safe_tx_gas": "safeTxGas",
    "base_gas": "baseGas", "gas_price": "gasPrice", "gas_token": "gasToken", "refund_receiver": "refundReceiver",
    "nonce": "nonce",
}  # fmt: skip
"""Our names of the ten fields, and the contract's."""
_ADDRESSES: Final = ("to", "gas_token", "refund_receiver")
_NUMBERS: Final = ("value", "safe_tx_gas", "base_gas", "gas_price", "nonce")


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeTx:
    """The ten fields that are signed. Raises ``InvalidInput`` for an address or number that is none.

    What it may do is not judged here: ``effect.effect_of`` says that.
    """

    to: str
    value: int
    data: bytes
    operation: int = CALL
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: str = ZERO
    refund_receiver: str = ZERO
    nonce: int

    def __post_init__(self) -> None:
        for name in _ADDRESSES:
            expect_checksummed(getattr(self, name), field=_NAMES[name])
        for name in _NUMBERS:
            number = getattr(self, name)
            if type(number) is not int or not 0 <= number <= MAX_UINT:
                raise InvalidInput("not an unsigned number of 256 bits", field=_NAMES[name])
        if type(self.data) is not bytes or len(self.data) > MAX_DATA_BYTES:
            raise InvalidInput(f"not bytes, or more than {MAX_DATA_BYTES}", field="data")
        if type(self.operation) is not int or self.operation not in (CALL, DELEGATE_CALL):
            raise InvalidInput("accepted is 0 (call) or 1 (delegatecall)", field="operation")

    @property
    def struct_hash(self) -> bytes:
        """The hash of the ten fields, the same on every chain and for every Safe: wallets call it message hash."""
        return keccak(
            SAFE_TX_TYPE_HASH
            + address_word(address_bytes(self.to))
            + uint_word(self.value)
            + keccak(self.data)
            + uint_word(self.operation)
            + uint_word(self.safe_tx_gas)
            + uint_word(self.base_gas)
            + uint_word(self.gas_price)
            + address_word(address_bytes(self.gas_token))
            + address_word(address_bytes(self.refund_receiver))
            + uint_word(self.nonce)
        )

    def to_json(self) -> dict[str, Any]:
        """The ten fields under the contract's names: numbers of 256 bits as decimal texts, data as lower-case hex."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _NUMBERS:
                value = str(value)
            elif field.name == "data":
                value = "0x" + value.hex()
            found[_NAMES[field.name]] = value
        return found

    @classmethod
    def from_json(cls, value: object, *, field: str = "safe_tx") -> SafeTx:
        """Read exactly what ``to_json`` writes. Raises ``InvalidInput`` for any other form, so that there is one."""
        if not isinstance(value, Mapping) or set(value) != set(_NAMES.values()):
            raise InvalidInput(f"accepted are exactly {', '.join(_NAMES.values())}", field=field)
        found: dict[str, Any] = {ours: value[theirs] for ours, theirs in _NAMES.items()}
        for name in _NUMBERS:
            found[name] = _number(found[name], _NAMES[name])
        found["data"] = _data(found["data"])
        return cls(**found)


def domain_separator(*, network: Network, safe: str) -> bytes:
    """The hash that binds a signature to one Safe on one chain."""
    return keccak(DOMAIN_TYPE_HASH + uint_word(network.chain_id) + address_word(address_bytes(safe, field="safe")))


def safe_tx_hash(tx: SafeTx, *, network: Network, safe: str) -> bytes:
    """The 32 bytes owners sign; what the Safe's ``getTransactionHash`` returns."""
    return typed_digest(domain_separator(network=network, safe=safe), tx.struct_hash)


def typed_data(tx: SafeTx, *, network: Network, safe: str) -> dict[str, Any]:
    """The SafeTx as ``eth_signTypedData_v4`` takes it, for any EIP-712 wallet; its digest is ``safe_tx_hash``."""
    expect_checksummed(safe, field="safe")
    return {
        "types": {DOMAIN: _members(DOMAIN_TYPE), "SafeTx": _members(SAFE_TX_TYPE)},
        "primaryType": "SafeTx",
        "domain": {"chainId": network.chain_id, "verifyingContract": safe},
        "message": tx.to_json(),
    }


def _members(signature: str) -> list[dict[str, str]]:
    members = [member.split(" ") for member in signature.partition("(")[2].removesuffix(")").split(",")]
    return [{"name": name, "type": kind} for kind, name in members]


def _number(text: object, field: str) -> int:
    if not isinstance(text, str) or _DECIMAL.fullmatch(text) is None:
        raise InvalidInput("not a decimal text", field=field)
    return int(text)


def _data(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 2 + 2 * MAX_DATA_BYTES or _HEX.fullmatch(text) is None:
        raise InvalidInput("not bytes in lower-case hex with 0x", field="data")
    return bytes.fromhex(text[2:])

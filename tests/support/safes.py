"""A Safe of a test: its owners' keys, the address it will have, what they sign, and its execution by anybody.

Written from Safe's contracts and EIP-712 without the daemon's code, which is compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.evm.contracts import (
    FALLBACK_HANDLER,
    MULTI_SEND_CALL_ONLY,
    PROXY_FACTORY,
    SAFE_L2,
)
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.support.evm import Contract, placed

NOBODY = "0x" + "00" * 20
CALL, DELEGATECALL = 0, 1
_FIELDS = (
    ("to", "address"),
    ("value", "uint256"),
    ("data", "bytes"),
    ("operation", "uint8"),
    ("safeTxGas", "uint256"),
    ("baseGas", "uint256"),
    ("gasPrice", "uint256"),
    ("gasToken", "address"),
    ("refundReceiver", "address"),
    ("nonce", "uint256"),
)


@dataclass(frozen=True)
class SafeTransaction:
    """What owners sign, field by field as Safe names them; without refunds unless a test wants them."""

    to: str
    value: int = 0
    data: bytes = b""
    operation: int = CALL
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: str = NOBODY
    refund_receiver: str = NOBODY
    nonce: int = 0

    def values(self) -> list[Any]:
        """The fields in the order of Safe's type."""
        return [getattr(self, each.name) for each in fields(self)]


def typed(transaction: SafeTransaction, *, chain_id: int, safe: str) -> SignableMessage:
    """The EIP-712 message of a transaction of any Safe, by a library that is not ours."""
    return encode_typed_data(
        {"chainId": chain_id, "verifyingContract": safe},
        {"SafeTx": [{"name": name, "type": kind} for name, kind in _FIELDS]},
        dict(zip((name for name, _ in _FIELDS), transaction.values(), strict=True)),
    )


@dataclass
class Safe:
    """A Safe 1.4.1 that may not exist yet. Owners are sorted by address, as ours always are."""

    anvil: Anvil
    owners: list[LocalAccount]
    threshold: int = 2
    salt_nonce: int = 0
    address: str = field(init=False)
    initializer: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.owners = sorted(self.owners, key=lambda owner: int(owner.address, 16))
        addresses = [owner.address for owner in self.owners]
        arguments = (addresses, self.threshold, NOBODY, b"", FALLBACK_HANDLER.address, NOBODY, 0, NOBODY)
        self.initializer = placed(self.anvil, SAFE_L2).calldata("setup", *arguments)
        self.address = predict(self.anvil, self.initializer, self.salt_nonce)

    @property
    def contract(self) -> Contract:
        """Its contract, to call."""
        return placed(self.anvil, SAFE_L2, self.address)

    def creation(self) -> bytes:
        """The call of the proxy factory that makes it."""
        factory = placed(self.anvil, PROXY_FACTORY)
        return factory.calldata("createProxyWithNonce", SAFE_L2.address, self.initializer, self.salt_nonce)

    def deploy(self, *, sender: str = FAUCET) -> dict[str, Any]:
        """Make it, as anybody can; returns the receipt."""
        return self.anvil.transact(PROXY_FACTORY.address, data=self.creation(), sender=sender)

    def typed(self, transaction: SafeTransaction) -> SignableMessage:
        """The EIP-712 message of a transaction of this Safe."""
        return typed(transaction, chain_id=self.anvil.chain_id, safe=self.address)

    def hash(self, transaction: SafeTransaction) -> bytes:
        """What owners sign and what ``ExecutionSuccess`` carries."""
        message = self.typed(transaction)
        return keccak(b"\x19" + message.version + message.header + message.body)

    def sign(self, transaction: SafeTransaction, signers: Sequence[LocalAccount] | None = None) -> bytes:
        """Signatures of the first ``threshold`` owners, or of ``signers``, in the order Safe asks for."""
        chosen = self.owners[: self.threshold] if signers is None else signers
        ordered = sorted(chosen, key=lambda owner: int(owner.address, 16))
        return b"".join(owner.sign_message(self.typed(transaction)).signature for owner in ordered)

    def execution(self, transaction: SafeTransaction, signatures: bytes | None = None) -> bytes:
        """The call of ``execTransaction``."""
        given = self.sign(transaction) if signatures is None else signatures
        return self.contract.calldata("execTransaction", *transaction.values()[:-1], given)

    def execute(
        self,
        transaction: SafeTransaction,
        signatures: bytes | None = None,
        *,
        sender: str = FAUCET,
        gas: int | None = None,
    ) -> dict[str, Any]:
        """Execute it, as anybody can who has the signatures; returns the receipt. Raises as ``Anvil.transact``."""
        return self.anvil.transact(self.address, data=self.execution(transaction, signatures), sender=sender, gas=gas)


def make_safe(anvil: Anvil, *, members: int = 3, threshold: int = 2, salt_nonce: int = 0) -> Safe:
    """A Safe of new owners, not deployed."""
    return Safe(anvil, [Account.create() for _ in range(members)], threshold, salt_nonce)


def predict(anvil: Anvil, initializer: bytes, salt_nonce: int) -> str:
    """Where ``createProxyWithNonce`` makes a Safe, by EIP-1014; the proxy's code is asked of the factory itself."""
    proxy_code = placed(anvil, PROXY_FACTORY).call("proxyCreationCode")
    creation_code = proxy_code + int(SAFE_L2.address, 16).to_bytes(32, "big")
    salt = keccak(keccak(initializer) + salt_nonce.to_bytes(32, "big"))
    preimage = b"\xff" + bytes.fromhex(PROXY_FACTORY.address[2:]) + salt + keccak(creation_code)
    return to_checksum_address(keccak(preimage)[-20:])


def multi_send(anvil: Anvil, calls: Sequence[tuple[int, str, int, bytes]]) -> bytes:
    """The call of ``multiSend`` with (operation, to, wei, data) packed as MultiSend reads it."""
    packed = b"".join(
        bytes([operation]) + bytes.fromhex(to[2:]) + wei.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
        for operation, to, wei, data in calls
    )
    return placed(anvil, MULTI_SEND_CALL_ONLY).calldata("multiSend", packed)

"""Calls the relayer sends: executing a SafeTx, deploying the Safe in the same transaction, several Safes in one.

The relayer's key pays gas and has no authority: all of this anybody could send. So a payment is done when the Safe's
own event carries our SafeTx hash (``events``), never because a call like these succeeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.abi import (
    NotCanonical,
    address_word,
    call_arguments,
    dynamic_bytes,
    pack,
    uint_word,
)
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY, MULTICALL3
from custody.chains.ethereum.offline.keccak import selector
from custody.chains.ethereum.offline.multicall import TryCall, encode_aggregate3
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.proxy import Safes
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.kernel.errors import InvalidInput

EXEC_TRANSACTION: Final = selector(
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
)


@dataclass(frozen=True, slots=True)
class SignedSafeTx:
    """A SafeTx of one Safe with the signatures ``signatures.assemble`` put together."""

    safe: str
    tx: SafeTx
    signatures: bytes


@dataclass(frozen=True, slots=True)
class RelayerCall:
    """What a relayer's transaction carries. Its value is always zero: a Safe pays from its own balance."""

    to: str
    data: bytes


def encode_execution(tx: SafeTx, signatures: bytes) -> bytes:
    """Calldata of ``execTransaction``. The nonce is not part of it: the Safe takes its own."""
    return EXEC_TRANSACTION + pack(
        address_word(address_bytes(tx.to)),
        uint_word(tx.value),
        dynamic_bytes(tx.data),
        uint_word(tx.operation),
        uint_word(tx.safe_tx_gas),
        uint_word(tx.base_gas),
        uint_word(tx.gas_price),
        address_word(address_bytes(tx.gas_token)),
        address_word(address_bytes(tx.refund_receiver)),
        dynamic_bytes(signatures),
    )


def decode_execution(calldata: bytes, *, nonce: int, field: str = "data") -> tuple[SafeTx, bytes]:
    """The SafeTx and signatures of an ``execTransaction``, for the nonce the Safe had. Raises ``InvalidInput``.

    A stranger who relays a SafeTx of ours may encode the call in another way that the Safe understands as well; that
    is refused here, and the Safe's event alone tells what was executed.
    """
    try:
        arguments = call_arguments(calldata, EXEC_TRANSACTION, fields=10)
        tx = SafeTx(
            to=arguments.address(),
            value=arguments.uint(),
            data=arguments.byte_string(),
            operation=arguments.uint(bits=1),
            safe_tx_gas=arguments.uint(),
            base_gas=arguments.uint(),
            gas_price=arguments.uint(),
            gas_token=arguments.address(),
            refund_receiver=arguments.address(),
            nonce=nonce,
        )
        signatures = arguments.byte_string()
        arguments.finish()
    except NotCanonical as error:
        raise InvalidInput(f"not a canonical execTransaction: {error}", field=field) from error
    return tx, signatures


def execute(signed: SignedSafeTx) -> RelayerCall:
    """One execution at a Safe that is deployed."""
    return RelayerCall(signed.safe, encode_execution(signed.tx, signed.signatures))


def deploy_and_execute(safes: Safes, salt_nonce: int, signed: SignedSafeTx) -> RelayerCall:
    """Deploying a Safe and its first execution, in one transaction: both happen or neither.

    Reverts when somebody deployed the Safe meanwhile; then ``execute`` alone is sent. Raises ``InvalidInput`` when
    ``signed`` is of another Safe: a call to an address without code would succeed and pay nobody.
    """
    if safes.address(salt_nonce) != signed.safe:
        raise InvalidInput("not the Safe that this salt nonce deploys", field="safe")
    calls = (
        Call(safes.code.factory, 0, safes.create_calldata(salt_nonce)),
        Call(signed.safe, 0, encode_execution(signed.tx, signed.signatures)),
    )
    return RelayerCall(MULTI_SEND_CALL_ONLY.address, encode_multisend(calls))


def execute_several(signed: Sequence[SignedSafeTx]) -> RelayerCall:
    """Executions at several deployed Safes in one transaction, each able to fail alone.

    Raises ``InvalidInput`` for fewer than two, and for one Safe twice: the second would stand on a nonce that the
    first may not have used.
    """
    if len(signed) < 2 or len({one.safe for one in signed}) != len(signed):
        raise InvalidInput("accepted are at least two, each at a Safe of its own", field="signed")
    calls = [TryCall(one.safe, encode_execution(one.tx, one.signatures)) for one in signed]
    return RelayerCall(MULTICALL3.address, encode_aggregate3(calls))

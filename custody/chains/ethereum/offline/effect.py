"""What a SafeTx does: payments, or nothing at all. Whatever it does besides is refused by name.

Accepted are four shapes and no fifth: ether to somebody; ``transfer`` of a registered token; a batch of at least two of
these through the one MultiSendCallOnly that is pinned; and the empty call of a Safe to itself, which uses up a nonce.
A shape has one encoding, so two byte strings never have one effect. No simulation is part of it, and nothing that a
contract answers: what is signed is judged by its bytes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from custody.chains.ethereum.offline.address import RESERVED_BELOW, ZERO, expect_checksummed
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY, known_name
from custody.chains.ethereum.offline.erc20 import TRANSFER, decode_transfer
from custody.chains.ethereum.offline.known_calls import call_name
from custody.chains.ethereum.offline.multisend import BatchDelegates, Call, decode_multisend
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.offline.safe_tx import CALL, SafeTx
from custody.kernel.errors import InvalidInput, Refused


class EffectReason(StrEnum):
    """Why a SafeTx is not signed."""

    REFUND = "refund"
    """A field that would pay or bound whoever executes it is not zero."""
    DELEGATE_CALL = "delegate-call"
    """It would run another contract's code as the Safe."""
    BATCH_WITH_VALUE = "batch-with-value"
    """A delegatecall to the batch contract carries a value, which means nothing there."""
    BATCH_MALFORMED = "batch-malformed"
    """The batch is not in its one canonical form."""
    BATCH_OF_ONE = "batch-of-one"
    """A batch of one call: the same call without a batch has the same effect, and only that one is signed."""
    BATCH_NESTED = "batch-nested"
    """A call of a batch that calls a batch contract."""
    BATCH_AS_CALL = "batch-as-call"
    """A batch contract called instead of delegated to: whatever is left there is anybody's."""
    OWN_SAFE = "own-safe"
    """It pays or reconfigures the Safe itself."""
    TOKEN_CALL = "token-call"  # noqa: S105 - the name of a reason, no password
    """A registered token is asked for something that is not a plain transfer."""
    TOKEN_WITH_VALUE = "token-with-value"  # noqa: S105 - the name of a reason, no password
    """Ether goes to a token's contract."""
    UNKNOWN_CONTRACT = "unknown-contract"
    """Data for a contract that is not a registered token."""
    NOTHING_PAID = "nothing-paid"
    """A payment of zero."""
    RECIPIENT = "recipient"
    """What is paid would be lost or anybody's: a reserved address, a token, a Safe contract, the Safe itself."""


class EffectRefused(Refused):
    """It does something we never sign. ``reason`` is stable; the message is for people."""

    code = "safe-effect-refused"

    def __init__(self, reason: EffectReason, message: str) -> None:
        super().__init__(message, reason=reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Payment:
    """``units`` of an asset to somebody, in base units (wei, token units)."""

    asset: str
    """CAIP-19 id."""
    recipient: str
    """Checksummed."""
    units: int


@dataclass(frozen=True, slots=True)
class Effect:
    """Payments in the order they are made; none of them when the nonce is used for nothing."""

    payments: tuple[Payment, ...]

    @property
    def is_no_op(self) -> bool:
        """It uses the nonce and moves nothing."""
        return not self.payments


def effect_of(tx: SafeTx, *, safe: str, network: Network, tokens: Mapping[str, str]) -> Effect:
    """What ``tx`` does when ``safe`` executes it. Raises ``EffectRefused`` for whatever is not listed above.

    ``tokens`` are the registered ones: checksummed contract address to CAIP-19 id. They come from what the caller
    trusts, never from whoever proposes the SafeTx. Equal payments in a batch stay two: each pays its own intent.
    """
    expect_checksummed(safe, field="safe")
    for token in tokens:
        expect_checksummed(token, field="tokens")
    _expect_no_refund(tx)
    judge = _Judge(safe, network.asset.id, tokens)
    if tx.operation != CALL:
        return Effect(judge.batch(tx))
    if tx.to == safe and tx.value == 0 and not tx.data:
        return Effect(())
    return Effect((judge.payment(Call(tx.to, tx.value, tx.data)),))


def no_op(*, safe: str, nonce: int) -> SafeTx:
    """The SafeTx that uses up a nonce and does nothing else: an empty call of the Safe to itself."""
    return SafeTx(to=safe, value=0, data=b"", nonce=nonce)


@dataclass(frozen=True, slots=True)
class _Judge:
    safe: str
    native: str
    tokens: Mapping[str, str]

    def batch(self, tx: SafeTx) -> tuple[Payment, ...]:
        if tx.to != MULTI_SEND_CALL_ONLY.address:
            target = known_name(tx.to) or "a contract that is not pinned"
            raise EffectRefused(EffectReason.DELEGATE_CALL, f"a delegatecall to {tx.to}, {target}")
        if tx.value:
            raise EffectRefused(EffectReason.BATCH_WITH_VALUE, f"a batch that carries {tx.value} wei of its own")
        try:
            calls = decode_multisend(tx.data)
        except BatchDelegates as error:
            raise EffectRefused(EffectReason.DELEGATE_CALL, error.message) from error
        except InvalidInput as error:
            raise EffectRefused(EffectReason.BATCH_MALFORMED, error.message) from error
        if len(calls) == 1:
            raise EffectRefused(EffectReason.BATCH_OF_ONE, "a batch of one call; accepted is the call without a batch")
        return tuple(self.payment(call, nested=True) for call in calls)

    def payment(self, call: Call, *, nested: bool = False) -> Payment:
        if call.to == self.safe:
            what = call_name(call.data) if call.data else f"a payment of {call.value} wei"
            raise EffectRefused(EffectReason.OWN_SAFE, f"the Safe calls itself: {what}")
        if _is_batch_contract(call.to):
            if nested:
                raise EffectRefused(EffectReason.BATCH_NESTED, f"a batch inside a batch, at {call.to}")
            raise EffectRefused(EffectReason.BATCH_AS_CALL, f"{known_name(call.to)} is called, not delegated to")
        if call.to in self.tokens:
            return self._token_payment(call)
        if call.data:
            raise EffectRefused(
                EffectReason.UNKNOWN_CONTRACT,
                f"{call_name(call.data)} of {call.to}, {known_name(call.to) or 'which is no registered token'}",
            )
        return self._paid(self.native, call.to, call.value)

    def _token_payment(self, call: Call) -> Payment:
        if call.value:
            raise EffectRefused(EffectReason.TOKEN_WITH_VALUE, f"{call.value} wei to the token {call.to}")
        if call.data[:4] != TRANSFER:
            raise EffectRefused(EffectReason.TOKEN_CALL, f"{call_name(call.data)} of the token {call.to}")
        try:
            transfer = decode_transfer(call.data)
        except InvalidInput as error:
            raise EffectRefused(EffectReason.TOKEN_CALL, f"the token {call.to}: {error.message}") from error
        return self._paid(self.tokens[call.to], transfer.recipient, transfer.units)

    def _paid(self, asset: str, recipient: str, units: int) -> Payment:
        if units == 0:
            raise EffectRefused(EffectReason.NOTHING_PAID, f"a payment of zero to {recipient}")
        what = self._lost_at(recipient)
        if what:
            raise EffectRefused(EffectReason.RECIPIENT, f"a payment to {recipient}, {what}")
        return Payment(asset, recipient, units)

    def _lost_at(self, recipient: str) -> str | None:
        if int(recipient, 16) < RESERVED_BELOW:
            return "a reserved address"
        if recipient == self.safe:
            return "the Safe itself"
        if recipient in self.tokens:
            return "the contract of a token"
        return known_name(recipient)


def _expect_no_refund(tx: SafeTx) -> None:
    given = [
        name
        for name, value, empty in (
            ("safeTxGas", tx.safe_tx_gas, 0),
            ("baseGas", tx.base_gas, 0),
            ("gasPrice", tx.gas_price, 0),
            ("gasToken", tx.gas_token, ZERO),
            ("refundReceiver", tx.refund_receiver, ZERO),
        )
        if value != empty
    ]
    if given:
        raise EffectRefused(EffectReason.REFUND, f"{', '.join(given)} not zero: the executor is never paid by the Safe")


def _is_batch_contract(address: str) -> bool:
    return (known_name(address) or "").startswith("MultiSend")

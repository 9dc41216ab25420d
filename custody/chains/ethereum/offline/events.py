"""Logs: what tokens, Safes and the factory say. A log proves that its emitter said so, and nothing about the emitter.

Readers return ``None`` for a log that is not exactly theirs, whoever emitted it: any contract can emit anything. The
one exception is a change of configuration, where a doubtful log counts: looking once too often is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from custody.chains.ethereum.offline.abi import WORD, Arguments, NotCanonical
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.deployments import PROXY_FACTORY
from custody.chains.ethereum.offline.keccak import topic
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.kernel.errors import InvalidInput

TRANSFER: Final = topic("Transfer(address,address,uint256)")
EXECUTION_SUCCESS: Final = topic("ExecutionSuccess(bytes32,uint256)")
EXECUTION_FAILURE: Final = topic("ExecutionFailure(bytes32,uint256)")
SAFE_MULTISIG_TRANSACTION: Final = topic(
    "SafeMultiSigTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes,bytes)"
)
SAFE_RECEIVED: Final = topic("SafeReceived(address,uint256)")
PROXY_CREATION: Final = topic("ProxyCreation(address,address)")

CONFIGURATION: Final = {
    topic(signature): signature.partition("(")[0]
    for signature in (
        "SafeSetup(address,address[],uint256,address,address)",
        "AddedOwner(address)",
        "RemovedOwner(address)",
        "ChangedThreshold(uint256)",
        "EnabledModule(address)",
        "DisabledModule(address)",
        "ChangedGuard(address)",
        "ChangedFallbackHandler(address)",
        "ChangedMasterCopy(address)",
        "ExecutionFromModuleSuccess(address)",
        "ExecutionFromModuleFailure(address)",
        "SafeModuleTransaction(address,address,uint256,bytes,uint8)",
        "ApproveHash(bytes32,address)",
        "SignMsg(bytes32)",
    )
}
"""Topic to name of every event after which a Safe may obey somebody else, or has: its storage is read again at once."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log as a node gives it: the emitter's checksummed address, topics of 32 bytes, data."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TokenMove:
    """A token contract says that ``units`` moved. What moved indeed is the difference of balances."""

    token: str
    sender: str
    recipient: str
    units: int


@dataclass(frozen=True, slots=True)
class Executed:
    """A Safe says that it used a nonce for the SafeTx of this hash; the call inside succeeded or failed."""

    safe: str
    safe_tx_hash: bytes
    success: bool
    payment: int
    """Wei or token units refunded to the executor; zero for every SafeTx of ours."""


@dataclass(frozen=True, slots=True)
class EtherReceived:
    """A deployed Safe says that a plain call brought it ``wei``. Ether that comes in other ways leaves no log."""

    safe: str
    sender: str
    wei: int


@dataclass(frozen=True, slots=True)
class ProxyCreated:
    """The pinned factory made a proxy of this singleton."""

    proxy: str
    singleton: str


@dataclass(frozen=True, slots=True)
class ExecutionDetails:
    """What a SafeL2 says it is about to execute, for whom and with whose signatures."""

    safe: str
    tx: SafeTx
    signatures: bytes
    executor: str
    threshold: int


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """A Safe says something about its configuration; what it is now is read from storage."""

    safe: str
    event: str


def token_move(log: Log) -> TokenMove | None:
    """An ERC-20 ``Transfer``: sender and recipient indexed, the amount not. With four topics it is an ERC-721's."""
    if len(log.topics) != 3 or log.topics[0] != TRANSFER or len(log.data) != WORD:
        return None
    sender, recipient = _address(log.topics[1]), _address(log.topics[2])
    if sender is None or recipient is None:
        return None
    return TokenMove(log.address, sender, recipient, int.from_bytes(log.data, "big"))


def executed(log: Log) -> Executed | None:
    """``ExecutionSuccess`` or ``ExecutionFailure`` of Safe 1.4.1, whose hash is indexed."""
    if len(log.topics) != 2 or log.topics[0] not in (EXECUTION_SUCCESS, EXECUTION_FAILURE) or len(log.data) != WORD:
        return None
    if len(log.topics[1]) != WORD:
        return None
    success = log.topics[0] == EXECUTION_SUCCESS
    return Executed(log.address, log.topics[1], success, int.from_bytes(log.data, "big"))


def ether_received(log: Log) -> EtherReceived | None:
    """``SafeReceived``."""
    if len(log.topics) != 2 or log.topics[0] != SAFE_RECEIVED or len(log.data) != WORD:
        return None
    sender = _address(log.topics[1])
    return EtherReceived(log.address, sender, int.from_bytes(log.data, "big")) if sender else None


def proxy_created(log: Log) -> ProxyCreated | None:
    """``ProxyCreation`` of the pinned factory; of any other contract it is ``None``."""
    if log.address != PROXY_FACTORY.address or len(log.topics) != 2 or log.topics[0] != PROXY_CREATION:
        return None
    proxy, singleton = _address(log.topics[1]), _address(log.data)
    return ProxyCreated(proxy, singleton) if proxy and singleton else None


def execution_details(log: Log) -> ExecutionDetails | None:
    """``SafeMultiSigTransaction`` of a SafeL2, which stands before the event that says how it ended."""
    if log.topics != (SAFE_MULTISIG_TRANSACTION,):
        return None
    try:
        return _read_details(log)
    except (NotCanonical, InvalidInput):
        return None


def configuration_change(log: Log) -> ConfigurationChange | None:
    """Any event of ``CONFIGURATION``, in whatever shape: releases differ in what they index."""
    event = CONFIGURATION.get(log.topics[0]) if log.topics else None
    return ConfigurationChange(log.address, event) if event else None


def _read_details(log: Log) -> ExecutionDetails:
    arguments = Arguments(log.data, fields=11)
    fields: dict[str, Any] = {
        "to": arguments.address(),
        "value": arguments.uint(),
        "data": arguments.byte_string(),
        "operation": arguments.uint(bits=1),
        "safe_tx_gas": arguments.uint(),
        "base_gas": arguments.uint(),
        "gas_price": arguments.uint(),
        "gas_token": arguments.address(),
        "refund_receiver": arguments.address(),
    }
    signatures, additional = arguments.byte_string(), arguments.byte_string()
    arguments.finish()
    inner = Arguments(additional, fields=3)
    nonce, executor, threshold = inner.uint(), inner.address(), inner.uint()
    inner.finish()
    return ExecutionDetails(log.address, SafeTx(nonce=nonce, **fields), signatures, executor, threshold)


def _address(word: bytes) -> str | None:
    return checksum_address(word[12:]) if len(word) == WORD and not any(word[:12]) else None

"""Names of calls we recognise only to refuse them in words: tokens' other calls, and what reconfigures a Safe."""

from __future__ import annotations

from typing import Final

from custody.chains.ethereum.offline.keccak import selector

_TOKEN_CALLS: Final = (
    "approve(address,uint256)",
    "transferFrom(address,address,uint256)",
    "increaseAllowance(address,uint256)",
    "decreaseAllowance(address,uint256)",
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "transferAndCall(address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
    "setApprovalForAll(address,bool)",
    "mint(address,uint256)",
    "burn(uint256)",
    "deposit()",
    "withdraw(uint256)",
    "transferOwnership(address)",
)
_SAFE_CALLS: Final = (
    "addOwnerWithThreshold(address,uint256)",
    "removeOwner(address,address,uint256)",
    "swapOwner(address,address,address)",
    "changeThreshold(uint256)",
    "enableModule(address)",
    "disableModule(address,address)",
    "setGuard(address)",
    "setFallbackHandler(address)",
    "changeMasterCopy(address)",
    "setup(address[],uint256,address,bytes,address,address,uint256,address)",
    "approveHash(bytes32)",
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
    "execTransactionFromModule(address,uint256,bytes,uint8)",
    "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)",
    "simulateAndRevert(address,bytes)",
    "signMessage(bytes)",
)
_OTHER_CALLS: Final = (
    "transfer(address,uint256)",
    "multiSend(bytes)",
    "createProxyWithNonce(address,bytes,uint256)",
    "aggregate3((address,bool,bytes)[])",
    "performCreate(uint256,bytes)",
    "performCreate2(uint256,bytes,bytes32)",
    "migrateSingleton()",
    "setupToL2(address)",
)
_NAMES: Final = {
    selector(signature): signature.partition("(")[0] for signature in (*_TOKEN_CALLS, *_SAFE_CALLS, *_OTHER_CALLS)
}


def call_name(data: bytes) -> str:
    """A word for calldata: the call's name where it is known, else its selector in hex. Never a permission."""
    if len(data) < 4:
        return f"{len(data)} bytes that are no call"
    return _NAMES.get(data[:4], f"an unknown call 0x{data[:4].hex()}")

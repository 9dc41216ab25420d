"""ERC-20: the one call we make of a token, the two we read it with. Amounts are the token's base units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.abi import NotCanonical, address_word, call_arguments, pack, uint_word
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.keccak import selector
from custody.kernel.errors import InvalidInput

TRANSFER: Final = selector("transfer(address,uint256)")
BALANCE_OF: Final = selector("balanceOf(address)")
DECIMALS: Final = selector("decimals()")


@dataclass(frozen=True, slots=True)
class TransferCall:
    """What a ``transfer`` asks for. What arrives can be less: a token decides that itself."""

    recipient: str
    units: int


def encode_transfer(recipient: str, units: int) -> bytes:
    """``transfer(recipient, units)``, 68 bytes. Raises ``InvalidInput`` unless 0 <= ``units`` < 2**256."""
    try:
        return TRANSFER + pack(address_word(address_bytes(recipient, field="recipient")), uint_word(units))
    except ValueError as error:
        raise InvalidInput(str(error), field="units") from error


def decode_transfer(data: bytes, *, field: str = "data") -> TransferCall:
    """Read ``transfer`` in its one canonical form. Raises ``InvalidInput`` for every other byte string."""
    try:
        arguments = call_arguments(data, TRANSFER, fields=2)
        call = TransferCall(arguments.address(), arguments.uint())
        arguments.finish()
    except NotCanonical as error:
        raise InvalidInput(f"not a canonical transfer(address,uint256): {error}", field=field) from error
    return call


def encode_balance_of(holder: str) -> bytes:
    """``balanceOf(holder)``."""
    return BALANCE_OF + address_word(address_bytes(holder, field="holder"))

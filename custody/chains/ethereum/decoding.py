"""What a SafeTx says: its calls in order, its turn and its hashes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from custody.chains.decoding import Decoded, Paid
from custody.chains.ethereum.offline.effect import effect_of
from custody.chains.ethereum.offline.safe_tx import CALL, domain_separator
from custody.chains.ethereum.offline.screens import safe_screens
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.kernel.errors import InvalidInput

_ERC20: Final = "/erc20:"
_ABOUT_HASHES: Final = (
    "The message hash is of the ten fields, the domain hash of the chain and the Safe; the safeTxHash is of both."
)


def decoded_call(unsigned: str, *, chain: str, assets: Collection[str]) -> Decoded:
    """Payments in the order they are made. Raises ``CustodyError`` for what is not one of the four shapes."""
    found = UnsignedSafeTx.parse(unsigned)
    if found.network.chain != chain:
        raise InvalidInput(f"is for {found.network.chain}, not {chain}", field="safe_tx")
    tokens = {each.partition(_ERC20)[2]: each for each in assets if each.startswith(f"{chain}{_ERC20}")}
    effect = effect_of(found.tx, safe=found.safe, network=found.network, tokens=tokens)
    domain = domain_separator(network=found.network, safe=found.safe)
    how = "call (0)" if found.tx.operation == CALL else "delegate call (1) of the pinned batch contract"
    return Decoded(
        spend=found.spend,
        operation=f"{how}, number {found.tx.nonce} of Safe {found.safe}",
        outputs=tuple(Paid(each.recipient, each.asset, each.units) for each in effect.payments),
        fee_units=None,
        hashes=(
            ("safeTxHash", "0x" + found.expect_digest().hex()),
            ("domain hash", "0x" + domain.hex()),
            ("message hash", "0x" + found.tx.struct_hash.hex()),
        ),
        screens=tuple(safe_screens(found)),
        about_hashes=_ABOUT_HASHES,
    )

"""What the bytes of a spend say, on either chain: whom it pays in order, what comes back, what is hashed. No node.

This is reading and no proof: a cosigner proves. Two things are computed here and told by nobody: the hashes, and
whether an output is the vault's own, which is derived again from the keyset's public keys.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from custody.evidence.keysets import Keyset
from custody.evidence.screens import Screen


@dataclass(frozen=True, slots=True)
class Paid:
    """One output or call: ``units`` of ``asset`` (CAIP-19) to an address. ``own``: back to the vault, derived again."""

    address: str
    asset: str
    units: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a spend does when it is carried out."""

    spend: str
    """The id the chain will know it by."""
    operation: str
    """How it is signed, in words."""
    outputs: tuple[Paid, ...]
    """In the order of the bytes."""
    fee_units: int | None
    """Out of the vault; ``None`` where whoever carries it pays."""
    hashes: tuple[tuple[str, str], ...]
    """Each under the name that devices and explorers give it."""
    screens: tuple[Screen, ...]
    about_hashes: str = ""
    """How the hashes relate, in a sentence."""


def decoded(
    unsigned: str, *, keyset: Keyset, chain: str, branch: int, change_index: int | None, assets: Collection[str]
) -> Decoded:
    """Read ``unsigned``, a spend on ``chain`` out of this branch of ``keyset``; ``assets`` are the registered ids.

    Raises ``CustodyError`` where it cannot be read, or does what no spend of this house does.
    """
    # A chain is loaded when the first of its spends is read.
    if chain.startswith("bip122:"):
        from custody.chains.bitcoin.decoding import decoded_coins

        return decoded_coins(unsigned, keyset=keyset, chain=chain, branch=branch, change_index=change_index)
    from custody.chains.ethereum.decoding import decoded_call

    return decoded_call(unsigned, chain=chain, assets=assets)

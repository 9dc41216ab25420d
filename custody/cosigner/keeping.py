"""An opened key, whoever keeps its private half: a sealed file, a PKCS#11 module, a hardware wallet.

A ``Keeper`` makes signatures and gives nothing else away. ``CosignerKey`` asks it for what was verified and believes
none of its answers: every signature is checked against the public key that keysets name before anybody sees it, so a
keeper with another key, or one that signs something else, ends in ``WrongKey`` and signs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.psbt import Psbt, SignatureRefused, add_signatures
from custody.chains.ethereum.offline.ecdsa import recover_address
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.networks import Account, Network
from custody.evidence.keysets import KeysetCosigner
from custody.kernel.errors import Broken, Unavailable

FORMAT: Final = 1
HEADER: Final = ("format", "name", "network", "account_key")


class WrongKey(Broken):
    """Our private key does not belong to the public key that was verified: nothing is signed."""

    code = "wrong-key"


class AtTheDevice(Unavailable):
    """What is to be signed waits for a person to carry it to a device and back."""

    code = "at-the-device"


@dataclass(frozen=True, slots=True)
class SigningInput:
    """A coin of our vault, and which of our keys signs it."""

    index: int
    outpoint: tuple[str, int]
    amount_sat: int
    path: tuple[int, ...]
    """Below our account key: branch, chain (0 receive, 1 change) and index, or chain and position. No meaning to a
    fixed key."""
    pubkey: bytes


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """What a key file says in the clear; for a sealed one the passphrase proves it."""

    name: str
    network: Network
    account_key: Account

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file and is bound to the ciphertext."""
        values = (FORMAT, self.name, self.network.name, self.account_key.text)
        return dict(zip(HEADER, values, strict=True))


class Keeper(Protocol):
    """Who holds the private key. Private bytes never leave it; it may be slow, and a person may have to press."""

    @property
    def asks_a_device(self) -> bool:
        """Whether a person and a device outside this process take part: it may take minutes, and what was asked may be
        signed although no answer came back.
        """

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Mapping[int, bytes]:
        """Input's number to DER signature with sighash byte ALL, for each of ``inputs``. Raises ``WrongKey``,
        ``Unavailable``, ``Refused``.
        """

    def sign_owner(self, digest: bytes) -> bytes:
        """r, s, v over a SafeTx's 32 bytes by the account key: 65 bytes. Raises as ``sign_coins``."""

    def sign_statement(self, message: bytes) -> bytes:
        """The account key's signature of 32 bytes, as keysets verify it. Raises as ``sign_coins``."""


class CosignerKey:
    """An opened key: signs what was verified, and statements. Neither printed nor pickled.

    What is signed never comes in as a bare hash: a PSBT, a SafeTx and a statement each make their own here, and no
    two kinds of them share a hash. So no answer of one kind can serve as another.
    """

    __slots__ = ("__keeper", "asks_a_device", "header", "public_key")

    def __init__(self, header: KeyHeader, public_key: str, keeper: Keeper) -> None:
        self.header = header
        self.public_key = public_key
        """The account's point: 33 bytes, lower-case hex."""
        self.asks_a_device = keeper.asks_a_device
        """A spend must be remembered as signed before this key is asked for it."""
        self.__keeper = keeper

    def __repr__(self) -> str:
        return f"CosignerKey({self.header.name}, {self.header.account_key.fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied")

    def sign(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Psbt:
        """``psbt`` with our partial signature (sighash ALL) on each of ``inputs``, and nothing else changed.

        Raises ``WrongKey`` when a path does not lead to the public key that was verified, or for another chain's key.
        """
        if not isinstance(self.header.network, bitcoin.Network):
            raise WrongKey("this key signs no coins", field="network")
        made = self.__keeper.sign_coins(psbt, inputs)
        if made.keys() != {entry.index for entry in inputs}:
            raise WrongKey("the keeper signed other inputs than were asked for", field="signature")
        pubkeys = {entry.index: entry.pubkey for entry in inputs}
        try:
            return add_signatures(psbt, pubkeys=pubkeys, signatures=made)
        except SignatureRefused as refused:
            raise WrongKey(f"the keeper's signature is not of the verified key: {refused.message}") from refused

    def sign_safe_tx(self, unsigned: UnsignedSafeTx, *, elsewhere: bool = False) -> str:
        """Our owner's signature of a SafeTx: 65 bytes (r, s, v) in hex with ``0x``.

        Raises ``WrongKey`` for a SafeTx of another network than the key's, or of the key's own where it is to be signed
        for ``elsewhere``, and ``HashesDiffer``.
        """
        if (unsigned.network != self.header.network) != elsewhere or isinstance(self.header.network, bitcoin.Network):
            raise WrongKey(f"this key signs nothing for {unsigned.network.chain}", field="network")
        digest = unsigned.expect_digest()
        made = self.__keeper.sign_owner(digest)
        if not _is_owners(made, digest, str(getattr(self.header.account_key, "address", ""))):
            raise WrongKey("the keeper's signature is not of the owner's key", field="signature")
        return "0x" + made.hex()

    def sign_statement(self, message: bytes) -> str:
        """Hex signature of the account key itself over 32 bytes: proofs of possession, consents, refusals.

        Raises ``WrongKey``.
        """
        made = self.__keeper.sign_statement(message).hex()
        if not KeysetCosigner("", "", self.public_key).verifies(message, made):
            raise WrongKey("the keeper's signature is not of the account key", field="signature")
        return made


def _is_owners(made: bytes, digest: bytes, address: str) -> bool:
    if len(made) != 65 or made[64] not in (27, 28):
        return False
    r, s = int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big")
    return recover_address(digest, r=r, s=s, parity=made[64] - 27) == address

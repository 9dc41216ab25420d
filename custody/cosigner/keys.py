"""The one place with private keys. What leaves it: signatures, and the account's public key.

A child private key of an exported xpub would give away the account's private key (BIP-32), so nothing here
returns, shows or stores one; the secret itself lives in a closure and on disk only under ``sealing``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from embit import bip32, bip39

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.keys import format_path
from custody.chains.bitcoin.offline.psbt import Psbt, add_signatures
from custody.chains.bitcoin.offline.signer import message_signature, signature_over
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.signer import signature_over as owner_signature
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.networks import Account, Network, network_named, read_account
from custody.cosigner.sealing import DEFAULT_LOG2N, seal, unseal
from custody.evidence import fields
from custody.kernel.errors import Broken, InvalidInput

FORMAT: Final = 1
_HARDENED: Final = 2**31
_HEADER: Final = ("format", "name", "network", "account_key")
_Sign = Callable[[tuple[int, ...] | None, bytes, bytes | None], bytes]
"""Path below the account (``None``: the account as an owner), digest, expected point (``None``: a statement)."""


class WrongKey(Broken):
    """Our private key does not belong to the public key that was verified: nothing is signed."""

    code = "wrong-key"


@dataclass(frozen=True, slots=True)
class SigningInput:
    """A coin of our vault, and which of our keys signs it."""

    index: int
    outpoint: tuple[str, int]
    amount_sat: int
    path: tuple[int, int, int]
    """Branch, chain (0 receive, 1 change) and index below our account key."""
    pubkey: bytes


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """What a key file says in the clear; the passphrase proves it."""

    name: str
    network: Network
    account_key: Account

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file and is bound to the ciphertext."""
        values = (FORMAT, self.name, self.network.name, self.account_key.text)
        return dict(zip(_HEADER, values, strict=True))


class CosignerKey:
    """An opened key: signs what was verified, and statements. Neither printed nor pickled.

    What is signed never comes in as a bare hash: a PSBT, a SafeTx and a statement each make their own here, and no
    two kinds of them share a hash. So no answer of one kind can serve as another.
    """

    __slots__ = ("__sign", "header", "public_key")

    def __init__(self, header: KeyHeader, public_key: str, sign: _Sign) -> None:
        self.header = header
        self.public_key = public_key
        """The account's point: 33 bytes, lower-case hex."""
        self.__sign = sign

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
        signatures = {entry.index: self.__sign(entry.path, psbt.sighash(entry.index), entry.pubkey) for entry in inputs}
        return add_signatures(psbt, pubkeys=[entry.pubkey for entry in inputs], signatures=signatures)

    def sign_safe_tx(self, unsigned: UnsignedSafeTx, *, elsewhere: bool = False) -> str:
        """Our owner's signature of a SafeTx: 65 bytes (r, s, v) in hex with ``0x``.

        Raises ``WrongKey`` for a SafeTx of another network than the key's, or of the key's own where it is to be signed
        for ``elsewhere``, and ``HashesDiffer``.
        """
        if (unsigned.network != self.header.network) != elsewhere or isinstance(self.header.network, bitcoin.Network):
            raise WrongKey(f"this key signs nothing for {unsigned.network.chain}", field="network")
        return "0x" + self.__sign(None, unsigned.expect_digest(), bytes.fromhex(self.public_key)).hex()

    def sign_statement(self, message: bytes) -> str:
        """Hex DER ECDSA of the account key itself over 32 bytes: proofs of possession, consents, refusals."""
        return self.__sign((), message, None).hex()


def create_key(
    *,
    name: str,
    network: Network,
    passphrase: str,
    mnemonic: str | None = None,
    log2n: int = DEFAULT_LOG2N,
    keep_backup: Callable[[str], None],
) -> dict[str, Any]:
    """Make a key (24 words of BIP-39 unless ``mnemonic`` is given), sealed as an object to write to a file.

    ``keep_backup`` is given the words before anything is returned, once. Raises ``InvalidInput``.
    """
    fields.name(name, field="name")
    words = _expect_words(mnemonic) if mnemonic is not None else bip39.mnemonic_from_bytes(os.urandom(32))
    header = _opened(name, network, words).header
    sealed = seal(words.encode(), passphrase=passphrase, header=header.to_json(), log2n=log2n)
    keep_backup(words)
    return {**header.to_json(), "sealed": sealed}


def open_key(stored: object, *, passphrase: str) -> CosignerKey:
    """Open what ``create_key`` made. Raises ``InvalidInput`` or ``WrongPassphrase``."""
    header = read_header(stored)
    assert isinstance(stored, dict)
    words = unseal(stored["sealed"], passphrase=passphrase, header=header.to_json()).decode()
    key = _opened(header.name, header.network, words)
    if key.header != header:
        raise WrongKey("the key file's account key is not of its own words", field="key.account_key")
    return key


def read_header(stored: object) -> KeyHeader:
    """What a key file says without its passphrase. Raises ``InvalidInput``."""
    found = fields.exact_object(stored, (*_HEADER, "sealed"), field="key")
    fields.whole_number(found["format"], field="key.format", low=FORMAT, high=FORMAT)
    of = network_named(fields.text(found["network"], field="key.network"))
    account = read_account(fields.text(found["account_key"], field="key.account_key"), of, field="key.account_key")
    return KeyHeader(fields.name(found["name"], field="key.name"), of, account)


def _expect_words(mnemonic: str) -> str:
    words = " ".join(mnemonic.split())
    if not bip39.mnemonic_is_valid(words) or len(words.split()) not in (12, 15, 18, 21, 24):
        raise InvalidInput("not a BIP-39 mnemonic of English words", field="mnemonic")
    return words


def _opened(name: str, of: Network, words: str) -> CosignerKey:
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words))
    steps = _steps(of)
    account = root.derive(list(steps))
    point = account.key.get_public_key().sec()
    public = read_account(f"[{root.my_fingerprint.hex()}/{format_path(steps)}]{_public(account, of)}", of, field="key")

    def sign(path: tuple[int, ...] | None, digest: bytes, expected: bytes | None) -> bytes:
        if expected is None:
            return message_signature(digest, account.key.secret)
        child = account if path is None else account.derive(list(path))
        if child.key.get_public_key().sec() != expected or max(path or (0,)) >= _HARDENED:
            raise WrongKey("the path does not lead to the verified public key", field="path")
        return owner_signature(digest, child.key.secret) if path is None else signature_over(digest, child.key.secret)

    return CosignerKey(KeyHeader(name, of, public), point.hex(), sign)


def _steps(of: Network) -> tuple[int, ...]:
    """BIP-48 where vaults hold coins, BIP-44 where the account itself is an owner."""
    if isinstance(of, bitcoin.Network):
        return (_HARDENED + 48, _HARDENED + of.coin_type, _HARDENED, _HARDENED + 2)
    return (_HARDENED + 44, _HARDENED + 60, _HARDENED, 0, 0)


def _public(account: bip32.HDKey, of: Network) -> str:
    if isinstance(of, bitcoin.Network):
        return str(account.to_public().to_base58(version=of.xpub_version))
    return address_of_key(account.key.get_public_key().sec())

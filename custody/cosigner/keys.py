"""Keys in a sealed file: the one place with private keys. What leaves it: signatures, and the account's public key.

A child private key of an exported xpub would give away the account's private key (BIP-32), so nothing here
returns, shows or stores one; the secret itself lives in a closure and on disk only under ``sealing``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from embit import bip32, bip39

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.keys import format_path
from custody.chains.bitcoin.offline.psbt import Psbt
from custody.chains.bitcoin.offline.signer import message_signature, signature_over
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.signer import signature_over as owner_signature
from custody.cosigner.keeping import FORMAT, HEADER, CosignerKey, KeyHeader, SigningInput, WrongKey
from custody.cosigner.networks import Network, network_named, read_account
from custody.cosigner.sealing import DEFAULT_LOG2N, seal, unseal
from custody.evidence import fields
from custody.kernel.errors import InvalidInput

__all__ = ["CosignerKey", "KeyHeader", "SigningInput", "WrongKey", "create_key", "open_key", "read_header"]

_HARDENED: Final = 2**31
_Sign = Callable[[tuple[int, ...] | None, bytes, bytes | None], bytes]
"""Path below the account (``None``: the account as an owner), digest, expected point (``None``: a statement)."""


class _FileKeeper:
    """A ``Keeper`` in our own memory: its one attribute is a closure, which holds the secret."""

    __slots__ = ("__point", "__sign")

    asks_a_device = False

    def __init__(self, sign: _Sign, point: bytes) -> None:
        self.__sign, self.__point = sign, point

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied")

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> dict[int, bytes]:
        """Each at its own path."""
        return {entry.index: self.__sign(entry.path, psbt.sighash(entry.index), entry.pubkey) for entry in inputs}

    def sign_owner(self, digest: bytes) -> bytes:
        """By the account itself."""
        return self.__sign(None, digest, self.__point)

    def sign_statement(self, message: bytes) -> bytes:
        """By the account itself, DER."""
        return self.__sign((), message, None)


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
    found = fields.exact_object(stored, (*HEADER, "sealed"), field="key")
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

    return CosignerKey(KeyHeader(name, of, public), point.hex(), _FileKeeper(sign, point))


def _steps(of: Network) -> tuple[int, ...]:
    """BIP-48 where vaults hold coins, BIP-44 where the account itself is an owner."""
    if isinstance(of, bitcoin.Network):
        return (_HARDENED + 48, _HARDENED + of.coin_type, _HARDENED, _HARDENED + 2)
    return (_HARDENED + 44, _HARDENED + 60, _HARDENED, 0, 0)


def _public(account: bip32.HDKey, of: Network) -> str:
    if isinstance(of, bitcoin.Network):
        return str(account.to_public().to_base58(version=of.xpub_version))
    return address_of_key(account.key.get_public_key().sec())

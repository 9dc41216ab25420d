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

from custody.chains.bitcoin.offline.keys import AccountKey, format_path
from custody.chains.bitcoin.offline.network import Network, network
from custody.chains.bitcoin.offline.psbt import Psbt, add_signatures
from custody.chains.bitcoin.offline.signer import message_signature, signature_over
from custody.cosigner.effect import SigningInput
from custody.cosigner.sealing import DEFAULT_LOG2N, seal, unseal
from custody.evidence import fields
from custody.kernel.errors import Broken, InvalidInput

FORMAT: Final = 1
_HARDENED: Final = 2**31
_HEADER: Final = ("format", "name", "network", "account_key")


class WrongKey(Broken):
    """Our private key does not belong to the public key that was verified: nothing is signed."""

    code = "wrong-key"


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """What a key file says in the clear; the passphrase proves it."""

    name: str
    network: Network
    account_key: AccountKey

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file and is bound to the ciphertext."""
        values = (FORMAT, self.name, self.network.name, self.account_key.text)
        return dict(zip(_HEADER, values, strict=True))


class CosignerKey:
    """An opened key: signs inputs that were verified, and statements. Neither printed nor pickled."""

    __slots__ = ("__sign", "header")

    def __init__(self, header: KeyHeader, sign: Callable[[tuple[int, ...], bytes, bytes | None], bytes]) -> None:
        self.header = header
        self.__sign = sign

    def __repr__(self) -> str:
        return f"CosignerKey({self.header.name}, {self.header.account_key.fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied")

    def sign(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Psbt:
        """``psbt`` with our partial signature (sighash ALL) on each of ``inputs``, and nothing else changed.

        Raises ``WrongKey`` when a path does not lead to the public key that was verified.
        """
        signatures = {entry.index: self.__sign(entry.path, psbt.sighash(entry.index), entry.pubkey) for entry in inputs}
        return add_signatures(psbt, pubkeys=[entry.pubkey for entry in inputs], signatures=signatures)

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
    of = network(fields.text(found["network"], field="key.network"))
    account = AccountKey.parse(found["account_key"], network=of, field="key.account_key")
    return KeyHeader(fields.name(found["name"], field="key.name"), of, account)


def _expect_words(mnemonic: str) -> str:
    words = " ".join(mnemonic.split())
    if not bip39.mnemonic_is_valid(words) or len(words.split()) not in (12, 15, 18, 21, 24):
        raise InvalidInput("not a BIP-39 mnemonic of English words", field="mnemonic")
    return words


def _opened(name: str, of: Network, words: str) -> CosignerKey:
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words))
    steps = (_HARDENED + 48, _HARDENED + of.coin_type, _HARDENED, _HARDENED + 2)
    account = root.derive(list(steps))
    xpub = account.to_public().to_base58(version=of.xpub_version)
    public = AccountKey.parse(f"[{root.my_fingerprint.hex()}/{format_path(steps)}]{xpub}", network=of)

    def sign(path: tuple[int, ...], digest: bytes, expected: bytes | None) -> bytes:
        if expected is None:
            return message_signature(digest, account.key.secret)
        child = account.derive(list(path))
        if child.key.get_public_key().sec() != expected or max(path) >= _HARDENED:
            raise WrongKey("the path does not lead to the verified public key", field="path")
        return signature_over(digest, child.key.secret)

    return CosignerKey(KeyHeader(name, of, public), sign)

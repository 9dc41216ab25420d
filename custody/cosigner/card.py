"""A key inside a device that is reached by files alone: what it is to sign is written to a folder and carried over.

A transaction leaves as ``<txid>.psbt`` (binary, BIP-174) and is expected back as ``<txid>-signed.psbt``, binary or in
base64. A statement leaves as ``<start of its hex>.txt``, the text and the key's path on two lines, and comes back as
``…-signed.txt`` with the signature in base64 on a line of its own. Those are the names a Coldcard gives. Until the
answer is there the command ends with ``AtTheDevice`` and is given again. The memory holds a transaction as signed
before its file is written.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.psbt import Psbt, SignatureRefused, parse_psbt, verified_signatures
from custody.cosigner.home import write_private, write_private_bytes
from custody.cosigner.keeping import AtTheDevice, CosignerKey, KeyHeader, SigningInput, WrongKey
from custody.cosigner.networks import Network, read_account
from custody.evidence import fields
from custody.kernel.errors import InvalidInput

_SIGNATURE: Final = re.compile(r"^[A-Za-z0-9+/]{87}=$", re.MULTILINE | re.ASCII)
_BINARY: Final = b"psbt\xff"
_MOST_BYTES: Final = 4_000_000
_NAME_DIGITS: Final = 16


def enrol_card(*, name: str, network: Network, account_key: str) -> tuple[KeyHeader, str]:
    """The header and point (hex) of an account key as the device wrote it out. Raises ``InvalidInput``.

    It proves nothing yet: ``record`` does, with the device's signature.
    """
    found = read_account(account_key, network, field="account_key")
    if not isinstance(network, bitcoin.Network) or not isinstance(found, AccountKey):
        raise InvalidInput("accepted are account keys of Bitcoin, [fingerprint/48h/…]xpub", field="account_key")
    return KeyHeader(fields.name(name, field="name"), network, found), found.public_key.hex()


def open_card_key(header: KeyHeader, public_key: str, folder: Path) -> CosignerKey:
    """The key, to sign with through ``folder``. Raises ``InvalidInput`` for a key of no device."""
    account = header.account_key
    if not isinstance(account, AccountKey) or account.public_key.hex() != public_key:
        raise InvalidInput("is not the point of the account key", field="key.public_key")
    return CosignerKey(header, public_key, _CardKeeper(folder, account))


class _CardKeeper:
    """A ``Keeper`` that waits for files."""

    __slots__ = ("_account", "_folder")

    asks_a_device = True

    def __init__(self, folder: Path, account: AccountKey) -> None:
        self._folder, self._account = folder, account

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Mapping[int, bytes]:
        """Of the PSBT that comes back, our signatures are taken and nothing else."""
        unsigned, signed = self._paths(psbt.txid, "psbt")
        if not signed.exists():
            write_private_bytes(unsigned, psbt.raw)
            raise _wait_for(unsigned, signed)
        ordered = sorted(inputs, key=lambda entry: entry.index)
        try:
            raw = _read(signed)
            text = base64.b64encode(raw).decode() if raw.startswith(_BINARY) else raw.decode("ascii", "replace").strip()
            return verified_signatures(
                ours=psbt, returned=parse_psbt(text), pubkeys=[entry.pubkey for entry in ordered]
            )
        except (SignatureRefused, InvalidInput) as error:
            raise WrongKey(f"{signed.name} is not taken: {error.message}", field="signature") from error

    def sign_owner(self, digest: bytes) -> NoReturn:
        """Never: these devices know no Safes."""
        del digest
        raise WrongKey("a device of files signs nothing of Ethereum", field="network")

    def sign_statement(self, message: bytes) -> bytes:
        """As a signed message of the hex digits: header, r, s."""
        unsigned, signed = self._paths(message.hex()[:_NAME_DIGITS], "txt")
        if not signed.exists():
            write_private(unsigned, f"{message.hex()}\nm/{self._account.path}\n")
            raise _wait_for(unsigned, signed)
        found = _SIGNATURE.search(_read(signed).decode("ascii", "replace").replace("\r", ""))
        try:
            return base64.b64decode(found.group(0), validate=True) if found else b""
        except binascii.Error as error:
            raise WrongKey(f"{signed.name} holds no signature", field="signature") from error

    def _paths(self, name: str, kind: str) -> tuple[Path, Path]:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder / f"{name}.{kind}", self._folder / f"{name}-signed.{kind}"


def _wait_for(unsigned: Path, signed: Path) -> AtTheDevice:
    return AtTheDevice(f"take {unsigned} to the device, bring {signed.name} beside it, and repeat this command")


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidInput(f"larger than {_MOST_BYTES} bytes", field=path.name)
    return path.read_bytes()

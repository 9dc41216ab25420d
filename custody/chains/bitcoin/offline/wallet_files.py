"""A vault as other people's wallets and devices read it: one text for each kind of file.

``descriptor`` holds anything a vault can be. The others know account keys alone and are refused where a fixed key
stands in the keyset. All are written from the form in which each key stands at the vault's branch, so none of them
needs a place for a client's level. Files are refused here for what the device would refuse, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from custody.chains.bitcoin.offline.checksum import strip_checksum
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.expression import ParsedVault, parse_vault_descriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import Network
from custody.kernel.errors import InvalidInput

BSMS_VERSION: Final = "BSMS 1.0"
BSMS_PATHS: Final = "/0/*,/1/*"
BSMS_NO_PATHS: Final = "No path restrictions"
MAX_LABEL: Final = 20
"""What a Coldcard shows of a wallet's name."""
MAX_DEPTH: Final = 12
"""Steps of a path that a Coldcard takes."""

_LABEL: Final = re.compile(rf"[A-Za-z0-9._ -]{{1,{MAX_LABEL}}}", re.ASCII)
_CARAVAN_NETWORKS: Final = {"mainnet": "mainnet", "testnet": "testnet", "signet": "signet", "regtest": "regtest"}


@dataclass(frozen=True, slots=True)
class WalletFile:
    """What is to be written: the vault, what its owner calls it, and its cosigners' names in keyset order."""

    vault: BranchDescriptor
    label: str
    cosigners: tuple[str, ...]
    since_height: int = 0
    """The block from which a wallet has to look for coins."""

    def __post_init__(self) -> None:
        if _LABEL.fullmatch(self.label) is None:
            raise InvalidInput(f"not a label; accepted are 1 to {MAX_LABEL} of A-Z a-z 0-9 . _ - blank", field="label")


def write_wallet_file(kind: str, file: WalletFile) -> str:
    """The text of one of ``KINDS``, ended by a new line. Raises ``InvalidInput`` for another kind, or for a vault that
    this kind cannot say.
    """
    writer = _WRITERS.get(kind)
    if writer is None:
        raise InvalidInput(f"no such kind of file; accepted is {', '.join(KINDS)}", field="format")
    return writer(file)


def parse_bsms(text: str, *, network: Network, field: str = "bsms") -> ParsedVault:
    """Read a BSMS descriptor record (BIP-129, not encrypted) and derive its first address. Raises ``InvalidInput``."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != 4 or lines[0] != BSMS_VERSION:
        raise InvalidInput(f"not four lines of {BSMS_VERSION}", field=field)
    body = strip_checksum(lines[1], field=field)
    if lines[2] not in (BSMS_PATHS, BSMS_NO_PATHS) or ("/**" in body) != (lines[2] == BSMS_PATHS):
        raise InvalidInput(f"other path restrictions than {BSMS_PATHS}, or than the template has", field=field)
    parsed = parse_vault_descriptor(body.replace("/**", "/<0;1>/*"), network=network, field=field)
    if parsed.derive(change=False, index=0).address != lines[3]:
        raise InvalidInput("the first address is not this descriptor's", field=field)
    return parsed


def _descriptor(file: WalletFile) -> str:
    vault = file.vault
    return f"{vault.text}\n{vault.receive_text}\n{vault.change_text}\n"


def _bsms(file: WalletFile) -> str:
    keys = ",".join(f"{key.text}/**" for key in _accounts(file, "BSMS"))
    first = parse_vault_descriptor(file.vault.receive_text, network=file.vault.network).derive(change=False, index=0)
    template = f"wsh(sortedmulti({file.vault.threshold},{keys}))"
    return f"{BSMS_VERSION}\n{template}\n{BSMS_PATHS}\n{first.address}\n"


def _coldcard(file: WalletFile) -> str:
    keys = _accounts(file, "Coldcard")
    if len({key.fingerprint for key in keys}) != len(keys):
        raise InvalidInput("two keys share a fingerprint; a Coldcard tells them apart by it", field="format")
    if any(key.path.count("/") + 1 > MAX_DEPTH for key in keys):
        raise InvalidInput(f"a path of more than {MAX_DEPTH} steps", field="format")
    lines = [f"Name: {file.label}", f"Policy: {file.vault.threshold} of {len(keys)}", "Format: P2WSH", ""]
    for key in keys:
        lines += [f"Derivation: {_apostrophes(key)}", f"{key.fingerprint.upper()}: {key.xpub}"]
    return "\n".join(lines) + "\n"


def _caravan(file: WalletFile) -> str:
    keys = _accounts(file, "Caravan")
    return _json(
        {
            "name": file.label,
            "addressType": "P2WSH",
            "network": _CARAVAN_NETWORKS[file.vault.network.name],
            "client": {"type": "public"},
            "quorum": {"requiredSigners": file.vault.threshold, "totalSigners": len(keys)},
            "extendedPublicKeys": [
                {"name": name, "bip32Path": _apostrophes(key), "xpub": key.xpub, "xfp": key.fingerprint}
                for name, key in zip(file.cosigners, keys, strict=True)
            ],
            "startingAddressIndex": file.vault.first_position,
        }
    )


def _specter(file: WalletFile) -> str:
    _accounts(file, "Specter")
    return _json(
        {
            "label": file.label,
            "blockheight": file.since_height,
            "descriptor": file.vault.receive_text,
            "devices": [{"type": "other", "label": name} for name in file.cosigners],
        }
    )


def _policy(file: WalletFile) -> str:
    """What a device registers (BIP-388): name, template, and the keys it stands for."""
    keys = _accounts(file, "BIP-388")
    places = ",".join(f"@{place}/**" for place in range(len(keys)))
    return _json(
        {
            "name": file.label,
            "template": f"wsh(sortedmulti({file.vault.threshold},{places}))",
            "keys": [f"[{key.fingerprint}/{key.path.replace('h', chr(39))}]{key.xpub}" for key in keys],
        }
    )


_WRITERS: Final[Mapping[str, Callable[[WalletFile], str]]] = {
    "descriptor": _descriptor,
    "bsms": _bsms,
    "coldcard": _coldcard,
    "caravan": _caravan,
    "specter": _specter,
    "bip388": _policy,
}
KINDS: Final = tuple(_WRITERS)
"""``specter`` and ``descriptor`` are read by Sparrow too."""


def _accounts(file: WalletFile, reader: str) -> tuple[AccountKey, ...]:
    keys = tuple(key for key in file.vault.branch_keys if isinstance(key, AccountKey))
    if len(keys) != len(file.vault.keys):
        raise InvalidInput(f"{reader} knows no fixed keys; accepted is descriptor", field="format")
    return keys


def _apostrophes(key: AccountKey) -> str:
    return "m/" + key.path.replace("h", "'")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"

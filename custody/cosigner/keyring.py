"""Key files of every kind: what they say in the clear, and opening what they name.

A sealed file holds the key itself, encrypted under a passphrase. Of a PKCS#11 token or a hardware wallet the file says
only where the key is and which public key it has to be; the secret asked for is the token's PIN, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from custody.cosigner import card, device, keys, token
from custody.cosigner.keeping import FORMAT, HEADER, CosignerKey, KeyHeader
from custody.cosigner.networks import network_named, read_account
from custody.evidence import fields

_KINDS = {kind: ("public_key", kind) for kind in ("token", "device", "card")}


def stored_token(header: KeyHeader, public_key: str, place: token.TokenPlace) -> dict[str, Any]:
    """The key file of a token's key."""
    return {**header.to_json(), "public_key": public_key, "token": place.to_json()}


def stored_device(header: KeyHeader, public_key: str, place: device.DevicePlace) -> dict[str, Any]:
    """The key file of a hardware wallet's key."""
    return {**header.to_json(), "public_key": public_key, "device": place.to_json()}


def stored_card(header: KeyHeader, public_key: str) -> dict[str, Any]:
    """The key file of a device reached by files."""
    return {**header.to_json(), "public_key": public_key, "card": {}}


def read_header(stored: object) -> KeyHeader:
    """What a key file of any kind says without its secret. Raises ``InvalidInput``."""
    kind = _kind(stored)
    if kind is None:
        return keys.read_header(stored)
    found = fields.exact_object(stored, (*HEADER, *_KINDS[kind]), field="key")
    fields.whole_number(found["format"], field="key.format", low=FORMAT, high=FORMAT)
    of = network_named(fields.text(found["network"], field="key.network"))
    account = read_account(fields.text(found["account_key"], field="key.account_key"), of, field="key.account_key")
    fields.hexadecimal(found["public_key"], field="key.public_key", length=33)
    return KeyHeader(fields.name(found["name"], field="key.name"), of, account)


def open_key(stored: object, *, secret: Callable[[str], str], cards: Path) -> CosignerKey:
    """Open a key file; ``secret`` is called with what is wanted (``passphrase`` or ``pin``), if anything is.

    ``cards`` is the folder of files for a device.

    Raises ``InvalidInput``, ``WrongPassphrase``, ``WrongKey``. A token or device is asked for nothing yet.
    """
    kind = _kind(stored)
    if kind is None:
        return keys.open_key(stored, passphrase=secret("passphrase"))
    header = read_header(stored)
    assert isinstance(stored, Mapping)
    if kind == "token":
        place = token.TokenPlace.parse(stored["token"], field="key.token")
        return token.open_token_key(header, stored["public_key"], place, pin=secret("pin"))
    if kind == "card":
        fields.exact_object(stored["card"], (), field="key.card")
        return card.open_card_key(header, stored["public_key"], cards)
    wallet = device.DevicePlace.parse(stored["device"], field="key.device")
    return device.open_device_key(header, stored["public_key"], wallet)


def _kind(stored: object) -> str | None:
    return next((kind for kind in _KINDS if isinstance(stored, Mapping) and kind in stored), None)

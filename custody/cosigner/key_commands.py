"""The commands about the key itself: making or taking one, and showing an address it guards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from custody.cosigner import showing
from custody.cosigner.card import enrol_card
from custody.cosigner.craft import Myself
from custody.cosigner.device import Device, DevicePlace, enrol_device, place_of
from custody.cosigner.home import Home, read_json, read_text, write_json, write_private
from custody.cosigner.keyring import read_header, stored_card, stored_device, stored_token
from custody.cosigner.keys import create_key
from custody.cosigner.memory import Memory
from custody.cosigner.networks import network_named
from custody.cosigner.prompting import read_passphrase
from custody.cosigner.sealing import DEFAULT_LOG2N
from custody.cosigner.token import TokenPlace, enrol_token
from custody.evidence.intents import VaultName
from custody.evidence.trust_root import SignedTrustRoot
from custody.kernel.errors import Broken, InvalidInput

DONE = 0


class DeviceShowsAnother(Broken):
    """The hardware wallet showed another address than this program derives: pay to neither."""

    code = "device-shows-another"


def init(arguments: argparse.Namespace) -> int:
    """Make a key and an empty memory."""
    keep = _backup(arguments)
    words = None if arguments.mnemonic_file is None else read_text(arguments.mnemonic_file, field="mnemonic")
    on = network_named(arguments.network)
    home = Home.create(arguments.home)
    stored = create_key(
        name=arguments.name,
        network=on,
        passphrase=read_passphrase(arguments.passphrase_file, twice=True),
        mnemonic=words,
        log2n=DEFAULT_LOG2N if arguments.scrypt_log2n is None else arguments.scrypt_log2n,
        keep_backup=keep,
    )
    return _begin(home, stored)


def init_token(arguments: argparse.Namespace) -> int:
    """Take a key inside a PKCS#11 token, or have the token make one, and an empty memory."""
    on, pin = network_named(arguments.network), read_passphrase(arguments.pin_file, what="pin")
    place = TokenPlace(str(arguments.module.absolute()), arguments.token, arguments.key)
    home = Home.create(arguments.home)
    header, point = enrol_token(place, name=arguments.name, network=on, pin=pin, make=arguments.make)
    return _begin(home, stored_token(header, point, place))


def init_device(arguments: argparse.Namespace) -> int:
    """Take the key of a connected hardware wallet, and an empty memory."""
    on, place = network_named(arguments.network), DevicePlace(str(arguments.hwi.absolute()))
    home = Home.create(arguments.home)
    header, point = enrol_device(place, name=arguments.name, network=on, fingerprint=arguments.fingerprint)
    return _begin(home, stored_device(header, point, place))


def init_card(arguments: argparse.Namespace) -> int:
    """Take the account key of a device reached by files, and an empty memory."""
    text = read_text(arguments.account_key_file, field="account_key").strip()
    header, point = enrol_card(name=arguments.name, network=network_named(arguments.network), account_key=text)
    return _begin(Home.create(arguments.home), stored_card(header, point))


def address(arguments: argparse.Namespace) -> int:
    """Print an address of a vault as derived here; a hardware wallet shows it too, and the two must be one."""
    home = Home.open(arguments.home)
    stored = read_json(home.key_file, field="key")
    header, root = read_header(stored), SignedTrustRoot.parse(read_json(arguments.root, field="trust_root")).root
    pinned = Memory.open(home.memory_file).pinned()
    if pinned is None or pinned.hash != root.hash:
        raise InvalidInput("is not the pinned one", field="trust_root")
    me, vault = Myself(header.name, header.account_key, header.network), VaultName.parse(arguments.vault, field="vault")
    found = showing.address_of(root, vault, me, change=arguments.change, index=arguments.index)
    place = place_of(stored)
    if place is not None:
        shown = Device.of(place, header).show_address(found.descriptor)
        if shown != found.address:
            raise DeviceShowsAnother("the device shows another address than is derived here", field="address")
    print(found.address)
    return DONE


def _begin(home: Home, stored: dict[str, Any]) -> int:
    Memory.create(home.memory_file).close()
    write_json(home.key_file, stored)
    header = read_header(stored)
    print(f"fingerprint {header.account_key.fingerprint}")
    print(f"account key {header.account_key.text}")
    return DONE


def _backup(arguments: argparse.Namespace) -> Callable[[str], None]:
    if arguments.mnemonic_file is not None:
        return lambda _words: None
    if arguments.backup_file is not None:
        return lambda words: write_private(arguments.backup_file, words + "\n", replace=False)
    if arguments.show_mnemonic and sys.stdout.isatty():
        return lambda words: print(f"Write these words down; they are shown once:\n{words}")
    raise InvalidInput("the words need a place: --backup-file FILE, or --show-mnemonic at a terminal", field="mnemonic")

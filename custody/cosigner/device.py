"""A key inside a hardware wallet, reached through the command ``hwi`` of an environment of its own.

HWI is never imported: what it needs cannot be installed beside this program. It is started once for each question, what
it is to do goes to its standard input, and its one line of JSON is read strictly. HWI 3.2 signs but cannot register a
wallet policy, so devices that must know a BIP-388 policy first are prepared with their vendor's program. A device signs
no bare hashes: statements are signed as messages (``signmessage``), which keysets verify as such.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.keys import AccountKey, ExtendedKey
from custody.chains.bitcoin.offline.psbt import Psbt, SignatureRefused, parse_psbt, verified_signatures
from custody.cosigner.keeping import CosignerKey, KeyHeader, SigningInput, WrongKey
from custody.cosigner.networks import Network
from custody.evidence import fields
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput, Refused, Unavailable

PATIENCE_SECONDS: Final = 600
"""A person reads a small screen and presses; longer, and nobody is there."""
_CHAINS: Final = {"mainnet": "main", "testnet": "test", "signet": "signet", "regtest": "regtest"}
_ANSWER_BYTES: Final = 16_000_000


class DeviceUnavailable(Unavailable):
    """The command or the device is not there, or gave no answer."""

    code = "device-unavailable"
    retryable = False


class DeviceRefused(Refused):
    """The device, or whoever holds it, said no; or another device is connected than the one whose key is wanted."""

    code = "device-refused"


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """How the device is reached."""

    command: str
    """Path of ``hwi``."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in a key file."""
        return {"command": self.command}

    @classmethod
    def parse(cls, value: object, *, field: str) -> DevicePlace:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("command",), field=field)
        return cls(fields.text(found["command"], field=f"{field}.command"))


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a network, by its master fingerprint."""

    place: DevicePlace
    network: bitcoin.Network
    fingerprint: str

    @classmethod
    def of(cls, place: DevicePlace, header: KeyHeader) -> Device:
        """The device of a key file. Raises ``InvalidInput`` for a key of no device."""
        if not isinstance(header.network, bitcoin.Network) or not isinstance(header.account_key, AccountKey):
            raise InvalidInput("HWI signs with account keys of Bitcoin alone", field="key.network")
        return cls(place, header.network, header.account_key.fingerprint)

    def arguments(self) -> list[str]:
        """The command line of every question to this device; the question itself follows on standard input."""
        chain = _CHAINS[self.network.name]
        return [self.place.command, "--stdin", "--chain", chain, "--fingerprint", self.fingerprint]

    def ask(self, *words: str) -> Mapping[str, Any]:
        """What HWI answers to one subcommand. Raises ``DeviceUnavailable``, ``DeviceRefused``."""
        self._expect_connected()
        return _answer(_run(self.arguments(), question(*words)))

    def account_key(self) -> AccountKey:
        """The BIP-48 account key of this device. Raises as ``ask``, ``DeviceRefused`` for no key."""
        path = f"48h/{self.network.coin_type}h/0h/2h"
        said = _text(self.ask("getxpub", f"m/{path}"), "xpub")
        try:
            # Some devices write another prefix before the same key; what counts is the key.
            key = ExtendedKey.parse(said, network=self.network, field="device")
            return AccountKey.parse(f"[{self.fingerprint}/{path}]{key.text}", network=self.network, field="device")
        except InvalidInput as error:
            raise DeviceRefused(f"gave no account key: {error.message}", field="device") from error

    def show_address(self, descriptor: str) -> str:
        """The address that the device showed on its own screen for a descriptor of one index. Raises as ``ask``."""
        return _text(self.ask("displayaddress", "--desc", descriptor), "address")

    def _expect_connected(self) -> None:
        found = _run([self.place.command, "enumerate"], "")
        if not isinstance(found, list):
            raise DeviceUnavailable("answers no list of devices", field="device")
        seen = [str(item.get("fingerprint")) for item in found if isinstance(item, Mapping)]
        if not seen:
            raise DeviceUnavailable("no hardware wallet is connected", field="device")
        if self.fingerprint not in seen:
            raise DeviceRefused(
                f"wanted is {self.fingerprint}; connected is {_printable(', '.join(seen))}", field="device"
            )


def question(*words: str) -> str:
    """A subcommand as HWI reads it from standard input: one line, ended by an empty one. Raises ``InvalidInput``.

    On its command line a large PSBT would be longer than an argument may be, and every process could read it.
    """
    if any(set(word) & set(" \t\r\n\"'\\") for word in words):
        raise InvalidInput("blanks and quotes cannot be asked for", field="device")
    return " ".join(words) + "\n\n"


def open_device_key(header: KeyHeader, public_key: str, place: DevicePlace) -> CosignerKey:
    """The key, to sign with; the device is not asked yet. Raises ``InvalidInput`` for a key of no device."""
    device, account = Device.of(place, header), header.account_key
    assert isinstance(account, AccountKey)
    if account.public_key.hex() != public_key:
        raise InvalidInput("is not the point of the account key", field="key.public_key")
    return CosignerKey(header, public_key, _DeviceKeeper(device, account))


def place_of(stored: object) -> DevicePlace | None:
    """How the device of a key file is reached; ``None`` for a key that is kept otherwise. Raises ``InvalidInput``."""
    if not isinstance(stored, Mapping) or "device" not in stored:
        return None
    return DevicePlace.parse(stored["device"], field="key.device")


def enrol_device(place: DevicePlace, *, name: str, network: Network, fingerprint: str) -> tuple[KeyHeader, str]:
    """The header and point (hex) of the connected device's account key. Raises as ``Device.ask``, ``InvalidInput``."""
    if not isinstance(network, bitcoin.Network):
        raise InvalidInput("HWI signs Bitcoin alone", field="network")
    device = Device(place, network, fields.hexadecimal(fingerprint, field="fingerprint", length=4))
    account = device.account_key()
    return KeyHeader(fields.name(name, field="name"), network, account), account.public_key.hex()


class _DeviceKeeper:
    """A ``Keeper`` that asks a device."""

    __slots__ = ("_account", "_device")

    asks_a_device = True

    def __init__(self, device: Device, account: AccountKey) -> None:
        self._device, self._account = device, account

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Mapping[int, bytes]:
        """The whole PSBT goes to the device; of what comes back, our signatures are taken and nothing else."""
        ordered = sorted(inputs, key=lambda entry: entry.index)
        answer = _text(self._device.ask("signtx", psbt.base64), "psbt")
        try:
            return verified_signatures(
                ours=psbt, returned=parse_psbt(answer), pubkeys=[entry.pubkey for entry in ordered]
            )
        except (InvalidInput, ValueError) as error:
            raise DeviceRefused("answered no PSBT of these inputs", field="device") from error
        except SignatureRefused as error:
            raise WrongKey(f"the device's answer is not taken: {error.message}", field="signature") from error

    def sign_owner(self, digest: bytes) -> NoReturn:
        """Never: HWI knows no Safes."""
        del digest
        raise WrongKey("HWI signs nothing of Ethereum", field="network")

    def sign_statement(self, message: bytes) -> bytes:
        """As a signed message of the hex digits: header, r, s."""
        answer = _text(self._device.ask("signmessage", message.hex(), f"m/{self._account.path}"), "signature")
        try:
            return base64.b64decode(answer, validate=True)
        except binascii.Error as error:
            raise DeviceRefused("answered no signature", field="device") from error


def _run(arguments: Sequence[str], standard_input: str) -> Any:
    if not Path(arguments[0]).is_file():
        raise DeviceUnavailable("the command hwi is not there; make hwi makes its environment", field="device")
    try:
        done = subprocess.run(
            arguments, input=standard_input, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        return parse_json(done.stdout.encode(), field="device", limit_bytes=_ANSWER_BYTES)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise DeviceUnavailable(f"no answer: {type(error).__name__}", field="device") from error
    except InvalidInput as error:
        raise DeviceUnavailable("HWI answers no JSON", field="device") from error


def _answer(said: Any) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise DeviceUnavailable("HWI answers no object", field="device")
    if "error" in said:
        raise DeviceRefused(f"HWI says: {_printable(str(said['error']))}", field="device")
    return said


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise DeviceUnavailable(f"the answer holds no {name}", field="device")
    return value


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:200]

"""A key inside a PKCS#11 module (an HSM, a smart card): it signs there and never comes out.

No module in use derives BIP-32 keys, so a token holds one fixed key: a fixed member of a Bitcoin keyset, or a Safe's
owner. The library and the session are opened with the first signature and not before: a session does not survive a
fork, and showing a bundle needs none. What the module returns is normalised (low s, recovery bit found) and, as every
keeper's, checked by ``CosignerKey``. A PIN is handed to the module and kept in this process until the session is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import coincurve

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.ecdsa import ORDER
from custody.chains.bitcoin.offline.members import FixedKey
from custody.chains.bitcoin.offline.psbt import Psbt
from custody.chains.bitcoin.offline.sighash import ALL
from custody.chains.ethereum.offline.descriptor import AccountKey as EthereumAccount
from custody.chains.ethereum.offline.ecdsa import address_of_key, recover_address
from custody.cosigner.keeping import CosignerKey, KeyHeader, SigningInput, WrongKey
from custody.cosigner.networks import Account, Network
from custody.evidence import fields
from custody.kernel.errors import InvalidInput, Refused, Unavailable

if TYPE_CHECKING:
    import pkcs11

CURVE: Final = "secp256k1"
_UNCOMPRESSED: Final = 65
_Result = TypeVar("_Result")


class TokenUnavailable(Unavailable):
    """The module, the token or its key cannot be used; nothing was signed. Never holds a PIN."""

    code = "token-unavailable"
    retryable = False


class WrongPin(Refused):
    """The token does not open with this PIN; some lock themselves after a few."""

    code = "wrong-pin"


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where the key is: the module's library, the token's label, the key pair's label."""

    module: str
    token: str
    key: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in a key file."""
        return {"module": self.module, "token": self.token, "key": self.key}

    @classmethod
    def parse(cls, value: object, *, field: str) -> TokenPlace:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("module", "token", "key"), field=field)
        return cls(*(fields.text(found[name], field=f"{field}.{name}") for name in ("module", "token", "key")))


def enrol_token(
    place: TokenPlace, *, name: str, network: Network, pin: str, make: bool = False
) -> tuple[KeyHeader, str]:
    """The header and point (hex) of the token's key; with ``make`` a new key pair, which the token never gives out.

    Raises ``TokenUnavailable``, ``InvalidInput`` for a label that is taken, and for a key of another curve.
    """
    session = _open(place, pin, writing=make)
    try:
        point = _guarded(lambda: _make(session, place.key)) if make else _guarded(lambda: _find(session, place.key))
    finally:
        session.close()
    return KeyHeader(fields.name(name, field="name"), network, _account(point, network)), point.hex()


def open_token_key(header: KeyHeader, public_key: str, place: TokenPlace, *, pin: str) -> CosignerKey:
    """The key, to sign with. The module is not loaded yet. Raises ``InvalidInput`` for a header of another key."""
    point = bytes.fromhex(public_key)
    if _account(point, header.network) != header.account_key:
        raise InvalidInput("is not the point of the account key", field="key.public_key")
    return CosignerKey(header, public_key, _TokenKeeper(place, point, pin))


class _TokenKeeper:
    """A ``Keeper`` that asks a token."""

    __slots__ = ("__open", "_key", "_place", "_point")

    asks_a_device = False

    def __init__(self, place: TokenPlace, point: bytes, pin: str) -> None:
        def opened() -> pkcs11.Session:
            return _open(place, pin)

        # The PIN stands in a closure: nothing that shows this object's attributes shows it.
        self.__open = opened
        self._place, self._point = place, point
        self._key: Any = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied")

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Mapping[int, bytes]:
        """Each input by the one key there is. Raises ``WrongKey`` for an input that names another."""
        if any(entry.pubkey != self._point for entry in inputs):
            raise WrongKey("the token's key is not the verified public key", field="path")
        return {entry.index: self._der(psbt.sighash(entry.index)) + bytes([ALL]) for entry in inputs}

    def sign_owner(self, digest: bytes) -> bytes:
        """The recovery bit is found by trying both."""
        r, s = self._sign(digest)
        address = address_of_key(self._point)
        for parity in (0, 1):
            if recover_address(digest, r=r, s=s, parity=parity) == address:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
        raise WrongKey("the token signed with another key", field="signature")

    def sign_statement(self, message: bytes) -> bytes:
        """DER."""
        return self._der(message)

    def _der(self, digest: bytes) -> bytes:
        body = b"".join(_der_number(number) for number in self._sign(digest))
        return b"\x30" + bytes([len(body)]) + body

    def _sign(self, digest: bytes) -> tuple[int, int]:
        from pkcs11 import Mechanism

        if len(digest) != 32:
            raise ValueError("a digest is 32 bytes")
        key = self._opened()
        made = _guarded(lambda: key.sign(digest, mechanism=Mechanism.ECDSA))
        if len(made) != 64:
            raise WrongKey("the token's signature is not r and s of 32 bytes", field="signature")
        r, s = int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big")
        # Tokens give a high s half the time; both chains take the low one only (BIP-146, EIP-2).
        return r, min(s, ORDER - s)

    def _opened(self) -> Any:
        if self._key is None:
            session = self.__open()
            if _guarded(lambda: _find(session, self._place.key)) != self._point:
                raise WrongKey("the token's key is not the key file's", field="key.token")
            self._key = _guarded(lambda: _private(session, self._place.key))
        return self._key


def _open(place: TokenPlace, pin: str, *, writing: bool = False) -> pkcs11.Session:
    # Imported here: whoever keeps the key in a file needs no PKCS#11 library.
    import pkcs11
    from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PinLocked, PKCS11Error, UserAlreadyLoggedIn

    if not Path(place.module).is_file():
        raise TokenUnavailable("the module is not there", field="key.token.module")
    slot = _guarded(lambda: pkcs11.lib(place.module).get_token(token_label=place.token))
    try:
        return slot.open(user_pin=pin, rw=writing)
    except UserAlreadyLoggedIn:
        # One login serves all sessions of a process; the token asks for no second PIN.
        return _guarded(lambda: slot.open(rw=writing))
    except (PinIncorrect, PinInvalid, PinLenRange, PinLocked) as error:
        raise WrongPin(f"the token answers {type(error).__name__}", field="pin") from None
    except (PKCS11Error, RuntimeError) as error:
        raise _unavailable(error) from None


def _guarded(call: Callable[[], _Result]) -> _Result:
    """``call()``, the module's own errors by their names and nothing more: some tokens put what was sent into words."""
    from pkcs11.exceptions import PKCS11Error

    try:
        return call()
    except (PKCS11Error, RuntimeError) as error:
        raise _unavailable(error) from None


def _unavailable(error: Exception) -> TokenUnavailable:
    return TokenUnavailable(f"the module answers {type(error).__name__}", field="key.token")


def _private(session: pkcs11.Session, label: str) -> Any:
    # Any: what the library's types say of a key does not tell that this one signs.
    from pkcs11 import ObjectClass

    return session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)


def _find(session: pkcs11.Session, label: str) -> bytes:
    from pkcs11 import Attribute, ObjectClass

    key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
    return _compressed(key[Attribute.EC_POINT])


def _make(session: pkcs11.Session, label: str) -> bytes:
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    if any(True for _ in session.get_objects({Attribute.LABEL: label})):
        raise InvalidInput("a key of that label is there already", field="key")
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVE)}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True, Attribute.SIGN: True}
    public, _ = parameters.generate_keypair(store=True, label=label, private_template=private)
    return _compressed(public[Attribute.EC_POINT])


def _compressed(point: bytes) -> bytes:
    """The 33 bytes of an EC_POINT, which modules wrap in a DER octet string. Raises ``InvalidInput``."""
    bare = point[2:] if len(point) == _UNCOMPRESSED + 2 and point[:2] == bytes([4, _UNCOMPRESSED]) else point
    try:
        found: bytes = coincurve.PublicKey(bare).format()
    except ValueError as error:
        raise InvalidInput(f"not a point of {CURVE}", field="key") from error
    return found


def _account(point: bytes, network: Network) -> Account:
    fixed = FixedKey(point)
    if isinstance(network, bitcoin.Network):
        return fixed
    return EthereumAccount(fixed.fingerprint, "", address_of_key(point))


def _der_number(number: int) -> bytes:
    body = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(body)]) + body

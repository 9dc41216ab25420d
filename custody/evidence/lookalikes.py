"""Addresses that a person takes for one another: people compare the first and the last characters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.requests import FORMAT
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.errors import Refused

SHOWN: Final = 4
"""How many characters of either end people look at."""


class ConfirmationRefused(Refused):
    """A confirmation is by nobody who may give it, of something else, or does not verify."""

    code = "confirmation-refused"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An operator's word that ``destination`` was read out in full over another way than it came.

    ``digest`` is the listing's intent; ``similar`` the address it could be taken for.
    """

    digest: str
    destination: str
    similar: str
    person: str

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "digest": self.digest,
            "destination": self.destination,
            "similar": self.similar,
            "person": self.person,
        }

    @property
    def message(self) -> bytes:
        """The 32 bytes the operator's Ed25519 key signs."""
        return digest_bytes("listing-confirmation", canonical_json(self.to_json()))

    @classmethod
    def parse(cls, value: object, *, field: str = "confirmation") -> Confirmation:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("format", "digest", "destination", "similar", "person"), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            digest=fields.hexadecimal(found["digest"], field=f"{field}.digest", length=32),
            destination=fields.text(found["destination"], field=f"{field}.destination"),
            similar=fields.text(found["similar"], field=f"{field}.similar"),
            person=fields.name(found["person"], field=f"{field}.person"),
        )


def check_confirmation(confirmation: Confirmation, signature: Signature, *, requester: str, root: TrustRoot) -> None:
    """An operator who did not ask for the listing signed exactly this. Raises ``ConfirmationRefused``."""
    if confirmation.person == requester:
        raise ConfirmationRefused("is by who asked for it; accepted is another operator's", field="confirmation.person")
    key = root.operator_key(confirmation.person, signature.key)
    if key is None:
        raise ConfirmationRefused("is by a key of no operator of that name", field="signature.key")
    if not key.verifies(confirmation.message, signature.signature):
        raise ConfirmationRefused("does not verify", field="signature.signature")


@dataclass(frozen=True, slots=True)
class Keys:
    """Where one address stands among all others, in three orders: what looks like it is its neighbour in one of them.

    Postgres keeps the same orders (``address_key``), each compared byte by byte.
    """

    head: str
    tail: str
    ends: str


@dataclass(frozen=True, slots=True)
class Shared:
    """How many characters two addresses have in common at either end; none where they are of two kinds, or one."""

    head: int
    tail: int

    @property
    def is_both(self) -> bool:
        """Whether people who look at both ends take one for the other."""
        return min(self.head, self.tail) >= SHOWN


def keys(address: str) -> Keys:
    """Where ``address`` stands in each order."""
    kind, told = _telling(address)
    return Keys(kind + told, kind + told[::-1], kind + told[:SHOWN] + told[-SHOWN:] + told)


def shared(one: str, other: str) -> Shared:
    """What the two have in common of what comes behind ``0x`` or the name of a network."""
    (kind, told), (other_kind, other_told) = _telling(one), _telling(other)
    if kind != other_kind or told == other_told:
        return Shared(0, 0)
    return Shared(_alike(told, other_told), _alike(told[::-1], other_told[::-1]))


def similar_to(destination: str, known: Iterable[str]) -> str | None:
    """The first of ``known`` that ``destination`` could be taken for and is not; ``None`` where there is none."""
    return next((each for each in known if shared(destination, each).is_both), None)


def _alike(one: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _telling(address: str) -> tuple[str, str]:
    """A letter for the kind of address, and what tells addresses of that kind apart, in one case."""
    lower = address.lower()
    if lower.startswith("0x"):
        return "x", lower[2:]
    prefix, one, rest = address.rpartition("1")
    if one and prefix.isalpha() and address == lower:
        # A network's name, a one, and no capitals.
        return "b", rest
    # What follows a network's name, and here the first character, says what kind it is; people compare it all the same.
    return address[:1], address

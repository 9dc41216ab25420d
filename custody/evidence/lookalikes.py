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


def similar_to(destination: str, known: Iterable[str]) -> str | None:
    """The first of ``known`` that ``destination`` could be taken for and is not; ``None`` where there is none."""
    ends = _ends(destination)
    return next((each for each in known if each != destination and _ends(each) == ends), None)


def _ends(address: str) -> tuple[str, str]:
    told = _telling(address)
    return told[:SHOWN], told[-SHOWN:]


def _telling(address: str) -> str:
    """What tells addresses of one network apart: without the beginning that all of them share, in one case."""
    lower = address.lower()
    if lower.startswith("0x"):
        return lower[2:]
    prefix, one, rest = address.rpartition("1")
    # A network's name, a one, and no capitals: what follows begins with a version that nearly all share as well.
    return rest[1:] if one and prefix.isalpha() and address == lower else address

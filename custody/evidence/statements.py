"""What a pinned service states of the world: a price, or the result of a screening. Believed by its signature alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from custody.evidence import fields
from custody.evidence.requests import FORMAT
from custody.evidence.requests.shape import canonical_time, units
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput, Refused

RESULTS: Final = ("clear", "review", "hit")
AHEAD: Final = timedelta(seconds=120)
"""How far another clock may be ahead of ours: what is stated of a later moment counts when it has come."""


class StatementRefused(Refused):
    """A statement is not by a service the trust root pins for it, or does not verify."""

    code = "statement-refused"


@dataclass(frozen=True, slots=True)
class Price:
    """What one whole unit of ``asset`` (CAIP-19) is worth, in units of 10⁻¹² US dollar, at ``at``."""

    role: ClassVar[str] = "prices"

    asset: str
    usd_picos: int
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "kind": "price",
            "asset": self.asset,
            "usd_picos": str(self.usd_picos),
            "at": rfc3339(self.at),
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> Price:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("format", "kind", "asset", "usd_picos", "at"), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            asset=fields.name(found["asset"], field=f"{field}.asset"),
            usd_picos=units(found["usd_picos"], field=f"{field}.usd_picos"),
            at=canonical_time(found["at"], field=f"{field}.at"),
        )


@dataclass(frozen=True, slots=True)
class Screening:
    """What a screening of ``destination`` on ``chain`` found at ``at``."""

    role: ClassVar[str] = "screening"

    chain: str
    destination: str
    result: str
    """``clear``, ``review`` or ``hit``."""
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "kind": "screening",
            "chain": self.chain,
            "destination": self.destination,
            "result": self.result,
            "at": rfc3339(self.at),
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> Screening:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("format", "kind", "chain", "destination", "result", "at"), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            destination=fields.text(found["destination"], field=f"{field}.destination"),
            result=fields.one_of(found["result"], RESULTS, field=f"{field}.result"),
            at=canonical_time(found["at"], field=f"{field}.at"),
        )


_KINDS: Final[Mapping[str, type[Price | Screening]]] = {"price": Price, "screening": Screening}


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement, the service it is by, and its signature."""

    statement: Price | Screening
    service: str
    signature: Signature

    @property
    def message(self) -> bytes:
        """The 32 bytes the service's Ed25519 key signs."""
        return message_of(self.statement)

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {"statement": self.statement.to_json(), "service": self.service, "signature": self.signature.to_json()}

    @classmethod
    def parse(cls, value: object, *, field: str = "statement") -> SignedStatement:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("statement", "service", "signature"), field=field)
        said = found["statement"]
        kind = said.get("kind") if isinstance(said, Mapping) else None
        reader = _KINDS[fields.one_of(kind, tuple(_KINDS), field=f"{field}.statement.kind")]
        return cls(
            statement=reader.parse(said, field=f"{field}.statement"),
            service=fields.name(found["service"], field=f"{field}.service"),
            signature=Signature.parse(found["signature"], field=f"{field}.signature"),
        )


def message_of(statement: Price | Screening) -> bytes:
    """The 32 bytes a service signs."""
    return digest_bytes("statement", canonical_json(statement.to_json()))


def check_statement(signed: SignedStatement, *, root: TrustRoot) -> None:
    """Raise ``StatementRefused`` unless a service that ``root`` pins for it signed it. Its age is not checked."""
    key = root.service_key(signed.service, signed.signature.key, role=signed.statement.role)
    if key is None:
        raise StatementRefused("is by a key the trust root does not know", field="statement.signature.key")
    if not key.verifies(signed.message, signed.signature.signature):
        raise StatementRefused("does not verify", field="statement.signature.signature")


def believed(statements: Iterable[SignedStatement], *, root: TrustRoot) -> list[SignedStatement]:
    """Those that a service pinned by ``root`` signed; the rest is as good as not there."""
    found = []
    for each in statements:
        try:
            check_statement(each, root=root)
        except StatementRefused:
            continue
        found.append(each)
    return found


def expect_of_now(statement: Price | Screening, *, now: datetime) -> None:
    """Raise ``InvalidInput`` where it states something of a moment that no clock near ours has seen."""
    if statement.at - now > AHEAD:
        ahead = int(AHEAD.total_seconds())
        raise InvalidInput(f"of the future; accepted is at most {ahead} s ahead of our clock", field="statement.at")
